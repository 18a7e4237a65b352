"""A streaming standby of an embedded database, as a replica for reads is in production."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg

from service.embedded import Cluster, places
from service.embedded.running import run

_PATIENCE_SECONDS = 60.0


class StandbyMissing(Exception):
    """A standby cannot be made here; the message says why."""


class Standby:
    """A server that repeats what another one does, and answers who only reads."""

    def __init__(self, directory: Path, primary: Cluster) -> None:
        """Copy the primary into a directory, and follow it. Raises StandbyMissing."""
        self._primary = primary
        places.make_directory(directory)
        # the same logins with the same passwords
        shutil.copytree(
            primary.directory,
            directory,
            ignore=shutil.ignore_patterns("data", "log", "run", "port"),
            dirs_exist_ok=True,
        )
        data = directory / "data"
        data.mkdir(mode=0o700)
        user = places.unprivileged_user(primary.directory / "data")
        if user:
            os.chown(data, user.pw_uid, user.pw_gid)
        done = run(
            [
                primary.program("pg_basebackup"),
                f"--dbname={primary.url()}",
                f"--pgdata={data}",
                *("--checkpoint=fast", "--wal-method=stream", "--write-recovery-conf", "--no-sync"),
            ],
            user,
            home=directory,
        )
        if done.returncode:
            raise StandbyMissing(f"pg_basebackup failed: {done.stderr.strip()}")
        # a query that is in the way of what is repeated is cancelled at once
        self.cluster = Cluster(directory, port=0, settings={"max_standby_streaming_delay": "0"})
        self.cluster.start()

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
