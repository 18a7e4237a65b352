"""A streaming standby of an embedded database, which tests may hold back."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg

from service.embedded import Cluster, Standby

_PATIENCE_SECONDS = 60.0
# a query that is in the way of what is repeated is cancelled at once
_AT_ONCE = {"max_standby_streaming_delay": "0"}


class Follower(Standby):
    """A standby, started, on any free port."""

    def __init__(self, primary: Cluster, directory: Path | None = None) -> None:
        super().__init__(primary, directory, port=0, settings=_AT_ONCE)
        self._primary = primary
        self.start()
        self.wait_until_streaming()

    def catch_up(self) -> None:
        """Wait until it has repeated all that the primary has done by now."""
        with psycopg.connect(self._primary.url()) as there:
            row = there.execute("SELECT pg_current_wal_flush_lsn()::text").fetchone()
        assert row is not None
        deadline = time.monotonic() + _PATIENCE_SECONDS
        with psycopg.connect(self.cluster.url(), autocommit=True) as here:
            while here.execute(
                "SELECT pg_last_wal_replay_lsn() >= %s::pg_lsn", [row[0]]
            ).fetchone() != (True,):
                assert time.monotonic() < deadline, "the standby does not catch up"
                time.sleep(0.02)

    @contextmanager
    def lagging(self) -> Iterator[None]:
        """Let it repeat nothing for a while, and catch up at the end."""
        self.catch_up()
        with psycopg.connect(self.cluster.url(), autocommit=True) as here:
            here.execute("SELECT pg_wal_replay_pause()")
            deadline = time.monotonic() + _PATIENCE_SECONDS
            while here.execute("SELECT pg_get_wal_replay_pause_state()").fetchone() != ("paused",):
                assert time.monotonic() < deadline, "the standby does not pause"
                time.sleep(0.02)
            try:
                yield
            finally:
                here.execute("SELECT pg_wal_replay_resume()")
        self.catch_up()
