"""Watch over a migration: steps that take long are told of, and who holds the locks they want."""

import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import psycopg

from service.database.conninfo import completed

_HOLDERS = Path(__file__).with_name("holders.sql")

# how long a step may take in silence, and how often it is told of from then on
TELL_AFTER_SECONDS = 10.0
_LOOK_SECONDS = 0.05


class Holder(NamedTuple):
    """A session that is in the way of a step; texts are empty where PostgreSQL does not say."""

    wanted: str
    pid: int
    login: str
    application: str
    since: str
    query: str

    def __str__(self) -> str:
        if not self.pid:
            return "a prepared transaction (see pg_prepared_xacts)"
        said = [f"process {self.pid}", f"login {self.login or 'unknown'}"]
        if self.application:
            said.append(f"application {self.application!r}")
        if self.since:
            said.append(f"in a transaction since {self.since}")
        return ", ".join(said) + (f" ({self.query})" if self.query else "")


class Watch:
    """A thread beside the migration, which itself is busy in the database.

    It has a connection of its own only from the first lock on that could not be had.
    """

    def __init__(self, conninfo: str, pid: int, report: Callable[[str], None]) -> None:
        """`pid`: the process of the server that migrates."""
        self._conninfo = conninfo
        self._pid = pid
        self._report = report
        self._step: tuple[str, float] | None = None
        self._looking = False
        self._seen: list[Holder] = []
        self._connection: psycopg.Connection[Any] | None = None
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def end(self) -> None:
        """End it, and its connection."""
        self._ended.set()
        self._thread.join()
        if self._connection is not None:
            self._connection.close()

    def step(self, name: str | None) -> None:
        """Say what is done from now on."""
        self._step = (name, time.monotonic()) if name else None

    def look(self) -> None:
        """Look from now on who is in the way, until `seen` is called."""
        if self._connection is None:
            try:
                self._connection = psycopg.connect(
                    completed(self._conninfo),
                    autocommit=True,
                    connect_timeout=10,
                    fallback_application_name="wattledger migrate",
                )
                # whatever happens there, the migration's end does not wait for it
                self._connection.execute("SET statement_timeout = '2s'")
            except psycopg.Error:
                # no connection to spare: the migration goes on waiting, and cannot say for whom
                return
        self._seen = []
        self._looking = True

    def seen(self) -> list[Holder]:
        """Who was in the way when it was last looked."""
        self._looking = False
        return self._seen

    def _run(self) -> None:
        told = 0.0
        while not self._ended.wait(_LOOK_SECONDS):
            if self._looking:
                self._find()
            if (step := self._step) is None:
                continue
            name, since = step
            now = time.monotonic()
            if now - max(since, told) >= TELL_AFTER_SECONDS:
                told = now
                self._report(f"still at {name}, for {spoken(now - since)} by now")

    def _find(self) -> None:
        assert self._connection is not None  # noqa: S101  look() makes it
        try:
            rows = self._connection.execute(_HOLDERS.read_bytes(), [self._pid]).fetchall()
        except psycopg.Error:
            self._looking = False
            return
        if rows:
            self._seen = [Holder(*row) for row in rows]


def spoken(seconds: float) -> str:
    """A span of time for people, such as 4 min 50 s."""
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"
