"""Rates with a buffer and without, of the same load in turns: what is taken, and what is stored."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from statistics import median
from typing import NamedTuple

import psycopg

from loadtests.buffered.installation import Installation
from loadtests.support import wrk
from loadtests.support.cpu import Stopwatch
from loadtests.support.stack import INGEST_PATH, Server

_LOOK_SECONDS = 0.25
_PATIENCE_SECONDS = 240.0
# less than a worker's WATTLEDGER_WRITE_TIMEOUT_SECONDS
_LOCK_SECONDS = 10.0
_SINCE = """
SELECT
    (SELECT count(*) FROM telemetry.meter_reading AS m WHERE m.ts >= %(since)s)
    + (SELECT count(*) FROM telemetry.vehicle_reading AS v WHERE v.ts >= %(since)s)
"""


class Taken(NamedTuple):
    """What came of a turn, in readings per second."""

    # answered with 201 or 202
    accepted: float
    p99_ms: float
    # into the ledger, while it was posted
    stored: float
    # … from the first post until the last one was stored
    whole: float
    # … of what was left when nothing was posted any more
    catch_up: float
    # acknowledged readings that were not there in the end, and answers that were wrong
    lost: int
    errors: int
    cores: dict[str, float]


class Rates:
    """Turns of wrk on an installation with a service of each kind."""

    def __init__(
        self, installation: Installation, direct: Server, readings: int, connections: int
    ) -> None:
        """`direct`: the service without a buffer; `readings`: per request."""
        self._installation = installation
        self._direct = direct
        self._readings = readings
        self._connections = connections
        self._times = wrk.Times()

    def direct(self, seconds: float) -> Taken:
        """Post to the service that writes into the database itself."""
        return self._turn(self._direct, seconds)

    def buffered(self, seconds: float) -> Taken:
        """Post to the service with a buffer, while workers empty it."""
        return self._turn(self._installation.service, seconds)

    def apart(self, seconds: float) -> Taken:
        """Post to it while workers wait for a lock, then let them store what is there.

        They are in the group already, which takes its time; the lock is within their patience.
        """
        with psycopg.connect(self._installation.database.url()) as locking:
            locking.execute("LOCK TABLE telemetry.meter_state IN ACCESS EXCLUSIVE MODE")
            return self._turn(self._installation.service, min(seconds, _LOCK_SECONDS), locking)

    def _turn(
        self, server: Server, seconds: float, locking: psycopg.Connection | None = None
    ) -> Taken:
        first_ms = self._times.take()
        since = datetime.fromtimestamp(first_ms / 1000, UTC)
        watch = self._watch(server)
        began = time.monotonic()
        url = server.url + INGEST_PATH
        result = wrk.run(url, "json", self._readings, first_ms, self._connections, seconds)
        ended = time.monotonic()
        cores = watch.cores()
        with psycopg.connect(self._installation.database.url(), autocommit=True) as connection:
            stored = _count(connection, since)
            if locking is not None:
                locking.commit()
                ended = time.monotonic()
            self._wait()
            caught_up = time.monotonic()
            there = _count(connection, since)
        right = result.right * self._readings
        return Taken(
            accepted=result.requests_per_second * self._readings,
            p99_ms=result.latency.p99,
            stored=stored / (ended - began),
            whole=there / (caught_up - began),
            catch_up=(there - stored) / (caught_up - ended),
            lost=max(0, right - there),
            errors=result.errors,
            cores=cores,
        )

    def _watch(self, server: Server) -> Stopwatch:
        roots = {f"worker {n}": one.pid for n, one in enumerate(self._installation.workers.each)}
        roots |= {f"broker {n}": one.pid for n, one in enumerate(self._installation.brokers.each)}
        database = self._installation.database.postmaster_pid()
        return Stopwatch(service=server.pid, database=database, **roots)

    def _wait(self) -> None:
        deadline = time.monotonic() + _PATIENCE_SECONDS
        while self._installation.buffer.lag():
            if time.monotonic() > deadline:
                raise TimeoutError("the workers do not store what waits")
            time.sleep(_LOOK_SECONDS)


def _count(connection: psycopg.Connection, since: datetime) -> int:
    row = connection.execute(_SINCE, {"since": since}).fetchone()
    assert row is not None
    return row[0]


def medians(turns: list[Taken]) -> Taken:
    """The median of each figure; what is lost and wrong is added up."""
    cores = {
        name: median(one.cores.get(name, 0.0) for one in turns)
        for name in {name for one in turns for name in one.cores}
    }
    figures = (median(column) for column in zip(*(one[:5] for one in turns), strict=True))
    return Taken(
        *figures,
        lost=sum(one.lost for one in turns),
        errors=sum(one.errors for one in turns),
        cores=cores,
    )
