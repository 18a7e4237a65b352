"""Gain and cost of the rollups: questions, writes and room on disk, with and without them.

Fills a history at a reading per device and minute: a tenth of the fleet and of the time, then all
of it. After each asks the rollups and the raw readings the same questions in turns, and fails where
their answers differ. Then writes groups of readings with the triggers that keep the rollups, and
without. Uses an embedded database unless told another; 10 days of 200 devices take some minutes.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from loadtests.rollups import ingesting, questions
from loadtests.support import history, stack
from loadtests.support.history import Part
from loadtests.support.options import command_line

Connection = psycopg.Connection[Any]

_MOST_DAYS = 88  # raw readings of 90 days are kept
_ASKED = 20  # vehicles that questions are asked of, at most
_EMPTY = "SELECT NOT EXISTS (SELECT FROM telemetry.meter_reading)"
_STORAGE = "SELECT s.dataset, s.total_bytes, s.compression_ratio FROM ops.storage AS s"
_COMPRESSION_JOBS = (
    "SELECT p.compression_job FROM ops.policies AS p WHERE p.compression_job IS NOT NULL"
)


def main() -> None:
    """Fill a tenth of fleet and time, ask, fill the rest, ask again, write, and print."""
    options = _options()
    console = Console(width=max(120, Console().width))
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
    )
    with (
        _database(options.database_url) as connection,
        Progress(*columns, console=console) as progress,
    ):
        table = _measure(connection, options, progress)
    console.print(table)


def _options() -> argparse.Namespace:
    parser = command_line("just bench-rollups", __doc__)
    parser.add_argument("--days", type=int, default=10, help=f"days of history, 10 to {_MOST_DAYS}")
    parser.add_argument(
        "--devices", type=int, default=200, help="half of them meters, half vehicles; 20 or more"
    )
    parser.add_argument(
        "--rounds", type=int, default=5, help="times that each question is asked of each vehicle"
    )
    parser.add_argument(
        "--seconds", type=float, default=1.0, help="of writing, per size of group and round"
    )
    parser.add_argument(
        "--database-url",
        help="a migrated database without readings, of a superuser; without: an embedded one",
    )
    options = parser.parse_args()
    if not 10 <= options.days <= _MOST_DAYS or options.devices < 20:
        parser.error(f"--days from 10 to {_MOST_DAYS}, --devices from 20")
    return options


@contextmanager
def _database(url: str | None) -> Iterator[Connection]:
    if url is None:
        with stack.database() as cluster, psycopg.connect(cluster.url(), autocommit=True) as opened:
            yield opened
        return
    with psycopg.connect(url, autocommit=True) as opened:
        row = opened.execute(_EMPTY).fetchone()
        if row != (True,):
            sys.exit("there are readings in that database already: name one that may be filled")
        yield opened


def _measure(connection: Connection, options: argparse.Namespace, progress: Progress) -> Table:
    vehicles = options.devices // 2
    # not on the hour, so that windows have edges
    until = datetime.now(UTC).replace(second=0, microsecond=0) - timedelta(minutes=97)
    since = until - timedelta(days=options.days)
    few, recently = vehicles // 10, until - timedelta(days=options.days / 10)
    tenth = [Part(1, few, recently, until)]
    rest = [Part(1, few, since, recently), Part(few + 1, vehicles, since, until)]
    asked = [f"V-{number}" for number in range(1, min(few, _ASKED) + 1)]

    def windows(length: timedelta) -> list[questions.Parameters]:
        return [{"vehicle_id": one, "since": until - length, "until": until} for one in asked]

    def ask(question: questions.Question, asked_of: list[questions.Parameters]) -> Any:
        return questions.ask(connection, question, asked_of, options.rounds)

    history.link(connection, vehicles)
    readings = history.fill(connection, tenth, progress, "a hundredth of the history")
    history.settle(connection, since)
    day = windows(timedelta(days=1))
    before = ask(questions.PERFORMANCE, day)
    small = readings
    readings += history.fill(connection, rest, progress, "the rest of it")
    history.settle(connection, since)
    after = ask(questions.PERFORMANCE, day)
    whole = ask(questions.PERFORMANCE, windows(until - since))
    midnight = until.replace(hour=0, minute=0) - timedelta(days=2)
    fleet = ask(questions.FLEET_DAY, [{"since": midnight, "until": midnight + timedelta(days=1)}])

    table = Table(title=f"{readings:,} readings: {options.devices:,} devices, {options.days} days")
    table.add_column("")
    for name in ("rollups (the first)", "raw (the second)", "ratio"):
        table.add_column(name, justify="right")
    for name, latency in (
        ("24 hours of a vehicle, ms", after),
        (f"{options.days} days of a vehicle, ms", whole),
        (f"a day of the fleet of {vehicles:,} vehicles, ms", fleet),
    ):
        _row(table, name, latency.rolled_up, latency.raw, latency.rolled_up / latency.raw)
    growth = after.rolled_up / before.rolled_up
    _row(table, f"24 hours of a vehicle with {small:,} readings, ms", before.rolled_up, before.raw)
    _row(table, "… how it grew since: rollups, raw readings", growth, after.raw / before.raw)
    _storage(connection, table, readings)
    for size, rate in ingesting.measure(
        connection, vehicles, options.seconds, options.rounds, progress
    ).items():
        name = f"readings/s in groups of {size:,}: with rollups, without"
        _row(table, name, rate.with_rollups, rate.without, rate.with_rollups / rate.without)
    return table


def _storage(connection: Connection, table: Table, readings: int) -> None:
    def sizes() -> dict[str, tuple[int, Any]]:
        return {name: (size, ratio) for name, size, ratio in connection.execute(_STORAGE)}

    found = sizes()
    raw = sum(found[f"{side}_reading"][0] for side in ("meter", "vehicle"))
    rollups = sum(size for size, _ in found.values()) - raw
    _row(
        table, "bytes per reading: rollups, raw", rollups / readings, raw / readings, rollups / raw
    )
    if not connection.execute(_COMPRESSION_JOBS).fetchall():
        return
    for side in ("meter", "vehicle"):
        connection.execute("SELECT ops.set_compression(%s, '1 day')", [f"{side}_reading"])
    # a changed policy is another job
    for (job,) in connection.execute(_COMPRESSION_JOBS).fetchall():
        connection.execute("CALL public.run_job(%s::integer)", [job])
    compressed = sizes()
    for side in ("meter", "vehicle"):
        times = float(compressed[f"{side}_reading"][1] or 1)
        before = found[f"{side}_reading"][0] / (readings / 2)
        name = f"bytes per {side} reading: in the columnstore, before"
        _row(table, name, before / times, before, 1 / times)


def _row(table: Table, name: str, ours: float, raw: float, ratio: float | None = None) -> None:
    cells = (f"{value:,.0f}" if value >= 100 else f"{value:.2f}" for value in (ours, raw))
    table.add_row(name, *cells, "" if ratio is None else f"{ratio:.3f}")


if __name__ == "__main__":
    main()
