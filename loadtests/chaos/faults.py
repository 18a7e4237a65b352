"""Faults: each is caused for real, and is over when its function returns."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

import psycopg

from loadtests.chaos.fleet import Fleet
from loadtests.chaos.installation import Installation
from loadtests.chaos.retention import drop_while_chunks_are_made
from loadtests.support import small_disk

_SHORT_SECONDS = 2.0
_GONE_SECONDS = 40.0
_JUMPING = 50
_DAY_MS = 24 * 3600 * 1000


class Unavailable(Exception):
    """This fault cannot be caused on this machine; the message says why."""


class Fault(NamedTuple):
    """A fault: its name, what is done in words, and how it is done."""

    name: str
    what: str
    cause: Callable[[Installation, Fleet], None]


def _kill(pid: int) -> None:
    with suppress(ProcessLookupError):  # it ended by itself just now
        os.kill(pid, signal.SIGKILL)


def _wait_until_gone(pids: Iterable[int]) -> None:
    """What lives on without those above it is not well, though it may still answer."""
    deadline = time.monotonic() + _GONE_SECONDS
    while any(Path(f"/proc/{pid}").exists() for pid in pids) and time.monotonic() < deadline:
        time.sleep(0.01)


def _postmaster_killed(installation: Installation, _: Fleet) -> None:
    postmaster = installation.cluster.postmaster_pid()
    sessions = installation.backends()
    _kill(postmaster)
    _wait_until_gone(sessions)


def _backend_killed(installation: Installation, _: Fleet) -> None:
    _kill(installation.backends()[0])


def _backends_terminated(installation: Installation, _: Fleet) -> None:
    with installation.connect() as connection:
        connection.execute(
            "SELECT pg_terminate_backend(a.pid) FROM pg_stat_activity AS a"
            " WHERE a.usename = 'wattledger_service'"
        )


def _database_restarted(installation: Installation, _: Fleet) -> None:
    installation.hold_database = True
    try:
        installation.cluster.stop()
        installation.cluster.start()
    finally:
        installation.hold_database = False


def _connections_refused(installation: Installation, _: Fleet) -> None:
    installation.hold_database = True
    try:
        installation.cluster.stop()
        time.sleep(_SHORT_SECONDS * 2)
    finally:
        installation.hold_database = False


def _disk_full(installation: Installation, _: Fleet) -> None:
    if not installation.has_small_disk:
        raise Unavailable("a file system of its own could not be mounted: that needs root")
    small_disk.fill(installation.directory / "ballast", 5 * _SHORT_SECONDS)


def _backends_frozen(installation: Installation, _: Fleet) -> None:
    """Longer than the service waits: it gives those connections up."""
    frozen = installation.backends()
    for pid in frozen:
        os.kill(pid, signal.SIGSTOP)
    try:
        time.sleep(installation.write_timeout + 2)
    finally:
        for pid in frozen:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)


def _table_locked(installation: Installation, seconds: float) -> None:
    with (
        psycopg.connect(installation.admin_url, connect_timeout=5) as connection,
        suppress(psycopg.OperationalError),
    ):
        connection.execute("LOCK TABLE telemetry.meter_state IN ACCESS EXCLUSIVE MODE")
        time.sleep(seconds)


def _locked_shortly(installation: Installation, _: Fleet) -> None:
    _table_locked(installation, min(_SHORT_SECONDS, installation.write_timeout / 2))


def _locked_until_timeout(installation: Installation, _: Fleet) -> None:
    _table_locked(installation, installation.write_timeout + _SHORT_SECONDS)


def _worker_killed(installation: Installation, _: Fleet) -> None:
    _kill(installation.workers()[0])


def _workers_killed(installation: Installation, _: Fleet) -> None:
    for pid in installation.workers():
        _kill(pid)


def _service_killed(installation: Installation, _: Fleet) -> None:
    workers = installation.workers()
    _kill(installation.service_pid)
    _wait_until_gone(workers)


def _service_stopped(installation: Installation, _: Fleet) -> None:
    workers = installation.workers()
    os.kill(installation.service_pid, signal.SIGTERM)
    _wait_until_gone(workers)


def _clocks_jumped(_: Installation, fleet: Fleet) -> None:
    """Ahead, which is refused and must not freeze the state; and back, which comes as late."""
    ahead, back = fleet.devices[:_JUMPING], fleet.devices[_JUMPING : 2 * _JUMPING]
    for device in ahead:
        device.clock_off_ms = _DAY_MS
    for device in back:
        # before the run, so that no time comes twice
        device.clock_off_ms = -2 * _DAY_MS
    time.sleep(2 * _SHORT_SECONDS)
    for device in (*ahead, *back):
        device.clock_off_ms = 0


def _migrations(installation: Installation, _: Fleet) -> None:
    """Two at once while the service works, and a third that is killed half-way."""
    first, second, third = (installation.command("migrate") for _ in range(3))
    time.sleep(_SHORT_SECONDS / 2)
    third.kill()
    for process in (first, second, third):
        process.wait(60)


ALL = [
    Fault("postmaster killed", "kill -9 of the postmaster", _postmaster_killed),
    Fault("backend killed", "kill -9 of a session that writes", _backend_killed),
    Fault("sessions terminated", "pg_terminate_backend of all the service's", _backends_terminated),
    Fault("database restarted", "a fast restart", _database_restarted),
    Fault("connections refused", "the database down for 4 s", _connections_refused),
    Fault("disk full", "the database's file system full for 10 s", _disk_full),
    Fault("sessions frozen", "SIGSTOP of those that write, past the timeout", _backends_frozen),
    Fault("table locked", "the hot table locked for 2 s", _locked_shortly),
    Fault(
        "statement timeout",
        "the hot table locked past the statement timeout",
        _locked_until_timeout,
    ),
    Fault("worker killed", "kill -9 of one of the service's workers", _worker_killed),
    Fault("all workers killed", "kill -9 of each", _workers_killed),
    Fault("service killed", "kill -9 of the service's supervisor", _service_killed),
    Fault("service stopped", "SIGTERM under load, then a start", _service_stopped),
    Fault("clocks jumped", "50 devices a day ahead, 50 two days back, for 4 s", _clocks_jumped),
    Fault("migrations", "two at once, and a third killed half-way", _migrations),
    Fault(
        "retention and new chunks",
        "chunks dropped while late readings make others",
        drop_while_chunks_are_made,
    ),
]
