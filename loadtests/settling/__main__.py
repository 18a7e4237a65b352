"""What settling takes when a gateway uploads what it kept, and when a fleet comes back.

Posts live readings alone, then while a gateway uploads a backlog of minute readings (half of its
devices with registers, half with differences), oldest and newest first, and while it is settled;
all of it in several turns. Prints p50 and p99 of live posts of all turns together with their ratios
to those alone, entries posted per reading, and seconds until all is settled; on Community also
seconds of refreshes without the backlog and with it. Then a fleet reports once after ten silent
hours: seconds until settled, and ms per device. Ends with 1 where more than 1.1 entries per reading
were posted, or a p99 of 1,000 posts or more is more than half above the one alone.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import time
from collections import Counter
from datetime import UTC, datetime, timedelta
from itertools import product
from typing import NamedTuple

import uvloop
from rich.console import Console
from rich.table import Table

from loadtests.settling.books import Books
from loadtests.settling.fleet import Device, Gateway, Live, report_once
from loadtests.support import stack
from loadtests.support.options import command_line
from loadtests.support.percentiles import Latency
from loadtests.support.place import Place, embedded, on_server

_HOUR_MS = 3600 * 1000
_SILENT_HOURS = 10
_MOST_ENTRIES = 1.1
_MOST_P99 = 1.5
# of fewer posts a single one is the p99
_ENOUGH = 1_000


class Phase(NamedTuple):
    """A time in which live readings were posted, and how long each of them took."""

    name: str
    seconds: float
    taken_seconds: list[float]


class Found(NamedTuple):
    """What became of a backlog."""

    order: str
    readings: int
    entries: int
    # after the last upload
    settled_seconds: float
    # where there are any: of the live readings alone, and with the backlog
    refreshes: tuple[float, float] | None


def main() -> None:
    """Measure, print, and exit with 1 where a bound is not kept."""
    parser = command_line("just measure settling", __doc__)
    parser.add_argument(
        "--database-url",
        help="a superuser's, of any database of the server: it gets another one for the time;"
        " without: an embedded server",
    )
    parser.add_argument("--devices", type=int, default=4, help="of the gateway")
    parser.add_argument("--days", type=int, default=7, help="of minutes that each has kept")
    parser.add_argument("--batch", type=int, default=60, help="readings per request of the gateway")
    parser.add_argument("--rate", type=float, default=200, help="live readings per second")
    parser.add_argument("--live-devices", type=int, default=400, help="that post live")
    parser.add_argument("--clients", type=int, default=20, help="connections that post live")
    parser.add_argument("--seconds", type=float, default=15, help="of live readings alone")
    parser.add_argument("--turns", type=int, default=3, help="of uploads, each of other devices")
    parser.add_argument("--fleet", type=int, default=1_000, help="devices that come back")
    options = parser.parse_args()
    sys.exit(0 if uvloop.run(_run(options)) else 1)


async def _run(options: argparse.Namespace) -> bool:
    console = Console(width=max(120, Console().width))
    url, log = options.database_url, stack.OUT / "settling-service.log"
    with (
        on_server(url, keep=False) if url else embedded() as place,
        stack.wattledger(place.service_url, log, WATTLEDGER_ACCESS_LOG="false") as service,
    ):
        books = Books(place.admin_url)
        try:
            phases, found = await _backlogs(options, place, service.port, books, console)
            back = await _come_back(options, place, service.port, books)
        finally:
            books.close()
    live, within = _live_table(phases)
    console.print(live)
    console.print(_backlog_table(options, found))
    took, entries = back
    console.print(
        f"{options.fleet:,} devices after {_SILENT_HOURS} silent hours: settled in {took:.1f} s;"
        f" per device {took / options.fleet * 1000:.2f} ms, {entries / options.fleet:.1f} entries"
    )
    return within and all(one.entries < _MOST_ENTRIES * one.readings for one in found)


async def _backlogs(
    options: argparse.Namespace, place: Place, port: int, books: Books, console: Console
) -> tuple[list[Phase], list[Found]]:
    live = Live(port, place.key, options.live_devices, options.clients, options.rate)
    phases: list[Phase] = []
    found: list[Found] = []
    has_refreshes = books.has_refreshes()
    now = datetime.now(UTC)
    window = now - timedelta(days=options.days + 2), now
    began = time.monotonic()

    def end_phase(name: str) -> None:
        nonlocal began
        took = time.monotonic() - began
        if live.taken_seconds:
            phases.append(Phase(name, took, live.taken_seconds))
        p99 = Latency.of(live.taken_seconds).p99
        console.print(f"{name}: {took:.1f} s, p99 {p99:.1f} ms", highlight=False)
        live.taken_seconds = []
        began = time.monotonic()

    live.start()
    # connections, plans and first readings
    await asyncio.sleep(2)
    live.taken_seconds = []
    began = time.monotonic()
    try:
        for turn, newest_first in product(range(options.turns), (False, True)):
            order = "newest first" if newest_first else "oldest first"
            await asyncio.sleep(options.seconds)
            end_phase("alone")
            before = await asyncio.to_thread(books.refresh, *window) if has_refreshes else 0.0
            name = f"{'NEW' if newest_first else 'OLD'}-{turn}"
            until_ms = int(now.timestamp() * 1000) - _HOUR_MS
            gateway = Gateway(name, options.devices, options.days, until_ms)
            await gateway.prepare()
            live.taken_seconds = []
            began = time.monotonic()
            await gateway.upload(port, place.key, options.batch, newest_first=newest_first)
            end_phase(f"upload, {order}")
            settled = await books.settled(f"{name}-%")
            end_phase(f"settling, {order}")
            after = await asyncio.to_thread(books.refresh, *window) if has_refreshes else 0.0
            counts = await asyncio.to_thread(books.counts, f"{name}-%")
            found.append(Found(order, *counts, settled, (before, after) if has_refreshes else None))
            live.taken_seconds = []
            began = time.monotonic()
    finally:
        await live.stop()
    return phases, found


async def _come_back(
    options: argparse.Namespace, place: Place, port: int, books: Books
) -> tuple[float, int]:
    """Seconds until a fleet that reports after silent hours is settled, and entries of it."""
    devices = [Device("BACK", number) for number in range(options.fleet)]
    now = int(time.time() * 1000)
    await report_once(port, place.key, devices, now - _SILENT_HOURS * _HOUR_MS, 0)
    await books.settled("BACK-%")
    began = time.monotonic()
    await report_once(port, place.key, devices, now, 30_000_000)
    await books.settled("BACK-%")
    return time.monotonic() - began, books.counts("BACK-%")[1]


def _live_table(phases: list[Phase]) -> tuple[Table, bool]:
    """What live posts took in each kind of phase; whether no p99 is far above the one alone."""
    table = Table(title="live posts of one reading")
    table.add_column("meanwhile")
    for column in ("seconds", "posts", "p50 ms", "p99 ms", "p50 to alone", "p99 to alone"):
        table.add_column(column, justify="right")
    taken: dict[str, list[float]] = {}
    seconds: Counter[str] = Counter()
    for phase in phases:
        taken.setdefault(phase.name, []).extend(phase.taken_seconds)
        seconds[phase.name] += phase.seconds
    alone = Latency.of(taken["alone"])
    within = True
    for name, values in taken.items():
        latency = Latency.of(values)
        within &= len(values) < _ENOUGH or latency.p99 <= _MOST_P99 * alone.p99
        table.add_row(
            name,
            f"{seconds[name]:.1f}",
            f"{len(values):,}",
            f"{latency.p50:.1f}",
            f"{latency.p99:.1f}",
            f"{latency.p50 / alone.p50:.2f}",
            f"{latency.p99 / alone.p99:.2f}",
        )
    return table, within


def _backlog_table(options: argparse.Namespace, found: list[Found]) -> Table:
    table = Table(title=f"{options.days} days of minutes of {options.devices} devices")
    table.add_column("order")
    columns = ["readings", "entries", "per reading", "settled after, s"]
    if any(one.refreshes for one in found):
        columns += ["refresh without, s", "refresh with, s"]
    for column in columns:
        table.add_column(column, justify="right")
    for one in found:
        table.add_row(
            one.order,
            f"{one.readings:,}",
            f"{one.entries:,}",
            f"{one.entries / one.readings:.3f}",
            f"{one.settled_seconds:.1f}",
            *(f"{seconds:.2f}" for seconds in one.refreshes or ()),
        )
    return table


if __name__ == "__main__":
    main()
