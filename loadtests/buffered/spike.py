"""Spike: ten times what a slow database takes, for a minute, with a buffer and without."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import NamedTuple

import psycopg

from loadtests.buffered.faults import caught_up
from loadtests.buffered.installation import Installation
from loadtests.buffered.load import Account, Load, account
from loadtests.buffered.slowed import slowed
from loadtests.support.stack import Server

_TIMES = 10
_READINGS = 100
# what the service without a buffer lets wait is that much of its own rate, so that it answers
# before clients are out of patience; the other one has its usual queue
_QUEUE_SECONDS = 5.0
# a client has one request under way, whose answer may take so long
_ANSWER_SECONDS = 10.0
_MEASURING_CLIENTS = 30
_MEASURING_SECONDS = 90.0
_MEASURED_READINGS = 2_000
# devices send again for so long what was not acknowledged
_PATIENCE_SECONDS = 600.0
_STORED = "SELECT count(*) FROM telemetry.meter_reading AS m WHERE starts_with(m.meter_id, %s)"

Tell = Callable[[str], None]


class Spiked(NamedTuple):
    """What became of a spike."""

    posted: int
    acknowledged: int
    statuses: dict[int, int]
    stored_meanwhile: int
    seconds_after: float
    account: Account
    # readings that devices gave up in the end
    given_up: int

    @property
    def stored_per_second_after(self) -> float:
        """What was not stored when the spike was over, by how long storing it took."""
        return (self.account.stored - self.stored_meanwhile) / self.seconds_after


def spike(installation: Installation, seconds: float, share: float, tell: Tell) -> tuple[str, bool]:
    """Spike either service; return a table in Markdown, and whether all was as it should be."""
    direct = installation.start_service("direct-service")
    with slowed(installation.database.postmaster_pid(), share):
        rate = asyncio.run(_highest(direct, installation.key, min(seconds, 10)))
    tell(f"{rate:,.0f} readings/s are stored directly, by a database that runs {share:.0%}")
    queue = {"WATTLEDGER_QUEUE_READINGS": str(round(rate * _QUEUE_SECONDS))}
    services = {
        "direct": installation.start_service("direct-spiked", **queue),
        "buffered": installation.service,
    }
    found: dict[str, Spiked] = {}
    for name, server in services.items():
        found[name] = asyncio.run(
            _spike(installation, server, name, _TIMES * rate, seconds, share, tell)
        )
        tell(f"{name}: {found[name].account}")
    direct_found, buffered_found = found["direct"], found["buffered"]
    holds = (
        all(one.account.holds and not one.given_up for one in found.values())
        # otherwise it was none
        and direct_found.statuses.get(503, 0) > 0
        and set(buffered_found.statuses) == {202}
    )
    return _table(found, rate, seconds, share), holds


async def _highest(server: Server, key: str, seconds: float) -> float:
    """What a service takes of clients that post as fast as it answers."""
    load = Load(server.port, key, _MEASURING_CLIENTS, 1e9, readings=_READINGS, prefix="H")
    load.start()
    deadline = time.monotonic() + _MEASURING_SECONDS
    await _acknowledged(load, _MEASURED_READINGS, deadline)
    began, before = time.monotonic(), len(load.acknowledged)
    await asyncio.sleep(seconds)
    # a slow machine takes its time
    await _acknowledged(load, before + _MEASURED_READINGS, deadline)
    rate = (len(load.acknowledged) - before) / (time.monotonic() - began)
    await load.stop()
    return rate


async def _acknowledged(load: Load, readings: int, deadline: float) -> None:
    """Wait until so many are. Raises TimeoutError."""
    while len(load.acknowledged) < readings:
        if time.monotonic() > deadline:
            raise TimeoutError("the slowed database stores next to nothing")
        await asyncio.sleep(0.05)


async def _spike(
    installation: Installation,
    server: Server,
    name: str,
    rate: float,
    seconds: float,
    share: float,
    tell: Tell,
) -> Spiked:
    clients = max(10, round(rate * _ANSWER_SECONDS / _READINGS))
    prefix = name[0].upper()
    load = Load(server.port, installation.key, clients, rate, readings=_READINGS, prefix=prefix)
    database_url = installation.database.url()
    with slowed(installation.database.postmaster_pid(), share):
        load.start()
        began = time.monotonic()
        while (passed := time.monotonic() - began) < seconds:
            await asyncio.sleep(min(15, seconds - passed))
            tell(
                f"{name}, {time.monotonic() - began:.0f} s: {load.posted:,} posted,"
                f" {len(load.acknowledged):,} acknowledged, answers {dict(load.statuses)}"
            )
        load.end()
        posted, acknowledged, statuses = load.posted, len(load.acknowledged), dict(load.statuses)
    ended = time.monotonic()
    stored = await asyncio.to_thread(_count, database_url, prefix)
    await load.stop(_PATIENCE_SECONDS)
    if name == "buffered":
        await caught_up(installation, tell)
    took = time.monotonic() - ended
    result = await asyncio.to_thread(account, database_url, load, (201, 202, 503))
    statuses = dict(load.statuses) if name == "buffered" else statuses
    return Spiked(posted, acknowledged, statuses, stored, took, result, len(load.unknown))


def _count(database_url: str, prefix: str) -> int:
    with psycopg.connect(database_url) as connection:
        row = connection.execute(_STORED, [prefix]).fetchone()
    assert row is not None
    return row[0]


def _table(found: dict[str, Spiked], rate: float, seconds: float, share: float) -> str:
    def row(name: str, value: Callable[[Spiked], str]) -> str:
        return f"| {name} | {' | '.join(value(one) for one in found.values())} |"

    about = [
        f"The database's processes run for {share:.0%} of each 200 ms and are stopped for the",
        f"rest, so that it is the limit and not the load: {rate:,.0f} readings/s are stored",
        f"directly then. For {seconds:.0f} s {_TIMES} times that is posted, in requests of",
        f"{_READINGS}; without a buffer as much may wait as is stored in {_QUEUE_SECONDS:.0f} s.",
        "Then the database runs freely, and devices send again what was not acknowledged.",
    ]
    return "\n".join(
        [
            " ".join(about),
            "",
            f"| | {' | '.join(found)} |",
            f"| --- | {' | '.join('---:' for _ in found)} |",
            row("readings posted per second", lambda one: f"{one.posted / seconds:,.0f}"),
            row("acknowledged of them at once", lambda one: f"{one.acknowledged:,}"),
            row(
                "answers by status",
                lambda one: ", ".join(f"{s}: {n:,}" for s, n in sorted(one.statuses.items())),
            ),
            row("stored when it was over", lambda one: f"{one.stored_meanwhile:,}"),
            row("all stored after another", lambda one: f"{one.seconds_after:.1f} s"),
            row("… per second", lambda one: f"{one.stored_per_second_after:,.0f}"),
            row("acknowledged in all", lambda one: f"{one.account.acknowledged:,}"),
            row("given up by devices", lambda one: str(one.given_up)),
            row("lost", lambda one: str(one.account.lost)),
            row("doubled", lambda one: str(one.account.doubled)),
            "",
        ]
    )
