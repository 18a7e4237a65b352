"""Cost of a statement: seconds, processor seconds of its session, bytes of WAL."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any, LiteralString, NamedTuple

import psycopg

from loadtests.support import cpu

Connection = psycopg.Connection[Any]
Statement = tuple[LiteralString, Sequence[object]]

_WAL = "SELECT pg_current_wal_insert_lsn() - '0/0'::pg_lsn"


class Cost(NamedTuple):
    """Processor seconds are 0 where the server is not on this machine."""

    seconds: float
    cpu_seconds: float
    wal_mb: float

    def __truediv__(self, by: float) -> Cost:
        return Cost(*(value / by for value in self))


class Meter:
    """Runs statements in sessions of their own, where nothing else runs meanwhile."""

    def __init__(self, url: str) -> None:
        self._url = url

    def connect(self) -> Connection:
        """A session for what is not measured."""
        return psycopg.connect(self._url, autocommit=True)

    def statements(self, statements: Sequence[Statement]) -> Cost:
        """The cost of statements, one after another."""

        def run(connection: Connection) -> None:
            for query, parameters in statements:
                connection.execute(query, parameters)

        return self.work(run)

    def work(self, run: Callable[[Connection], object]) -> Cost:
        """The cost of what is done on a connection."""
        with self.connect() as connection:
            # so that the session's own processor time is all of it
            connection.execute("SET max_parallel_workers_per_gather = 0")
            pid = connection.info.backend_pid
            wal, used, began = _wal(connection), cpu.seconds(pid), time.monotonic()
            run(connection)
            seconds = time.monotonic() - began
            return Cost(seconds, cpu.seconds(pid) - used, (_wal(connection) - wal) / 1e6)


def _wal(connection: Connection) -> float:
    row = connection.execute(_WAL).fetchone()
    assert row is not None
    return float(row[0])
