"""Faults of an installation with a buffer; see `loadtests.chaos.faults`."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress

import psycopg

from loadtests.chaos.buffered import BufferedInstallation
from loadtests.chaos.faults import ALL, Fault, Unavailable
from loadtests.chaos.fleet import Fleet
from loadtests.chaos.installation import Installation
from loadtests.support import small_disk

_SHORT_SECONDS = 4.0
_BACK_SECONDS = 60.0
# the ledger refuses what comes too early, which an answer of 202 does not know
_NOT_WITH_A_BUFFER = ("clocks jumped",)
_WAITING = """
SELECT count(*) FROM pg_catalog.pg_locks AS l WHERE NOT l.granted AND l.locktype = 'relation'
"""


def _of_a_buffer(cause: Callable[[BufferedInstallation], None]) -> Callable[..., None]:
    def caused(installation: Installation, _: Fleet) -> None:
        if not isinstance(installation, BufferedInstallation):
            raise Unavailable("there is no buffer")
        cause(installation)

    return caused


def _brokers_killed(count: int, seconds: float) -> Callable[[BufferedInstallation], None]:
    def killed(installation: BufferedInstallation) -> None:
        brokers = installation.buffer.brokers
        for broker in brokers.each[:count]:
            broker.stop()
        # two are away for longer than a record is tried for, so that some are given up
        time.sleep(seconds + (installation.write_timeout if count > 1 else 0))
        brokers.start()

    return killed


def _broker_disk_full(installation: BufferedInstallation) -> None:
    """The broker ends by itself, and is started again until there is room."""
    if installation.has_small_broker_disk:
        small_disk.fill(installation.small_disk / "ballast", 2 * _SHORT_SECONDS)
    else:
        broker = installation.buffer.brokers.each[0]
        with small_disk.no_room(broker.pid):
            time.sleep(2 * _SHORT_SECONDS)
    installation.wait_for_brokers(_BACK_SECONDS)


def _storing_worker_killed(installation: BufferedInstallation) -> None:
    installation.storing.each[0].kill()


def _rebalanced(installation: BufferedInstallation) -> None:
    """A worker joins, and another leaves, while those that were there are in a transaction."""
    with (
        psycopg.connect(installation.admin_url, connect_timeout=5) as connection,
        suppress(psycopg.OperationalError),
    ):
        connection.execute("LOCK TABLE telemetry.meter_state IN ACCESS EXCLUSIVE MODE")
        deadline = time.monotonic() + installation.write_timeout / 2
        while time.monotonic() < deadline:
            row = connection.execute(_WAITING).fetchone()
            if row is not None and row[0]:
                break
            time.sleep(0.05)
        installation.storing.start()
        time.sleep(min(_SHORT_SECONDS, installation.write_timeout / 2))
    installation.storing.stop()


def _database_away(installation: BufferedInstallation) -> None:
    installation.hold_database = True
    try:
        installation.cluster.stop()
        time.sleep(installation.away_seconds)
    finally:
        installation.hold_database = False


BUFFER_ONLY = [
    Fault("broker killed", "kill -9 of one of three", _of_a_buffer(_brokers_killed(1, 8))),
    Fault(
        "two brokers killed",
        "kill -9 of two of three, past the time that a record is tried for",
        _of_a_buffer(_brokers_killed(2, _SHORT_SECONDS)),
    ),
    Fault("all brokers killed", "kill -9 of all three", _of_a_buffer(_brokers_killed(3, 0))),
    Fault("broker's disk full", "no room for one of three", _of_a_buffer(_broker_disk_full)),
    Fault(
        "storing worker killed",
        "kill -9 of one of two `wattledger worker`",
        _of_a_buffer(_storing_worker_killed),
    ),
    Fault(
        "rebalance in a batch",
        "a worker comes and one goes while the others are in a transaction",
        _of_a_buffer(_rebalanced),
    ),
    Fault("database away", "the database down for long", _of_a_buffer(_database_away)),
]
WITH_A_BUFFER = [
    *BUFFER_ONLY,
    *(fault for fault in ALL if fault.name not in _NOT_WITH_A_BUFFER),
]
