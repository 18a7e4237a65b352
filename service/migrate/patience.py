"""Bounded waiting for locks: short attempts, so that nobody queues behind a migration for long."""

import time
from collections.abc import Callable
from types import TracebackType
from typing import Any, Self, TypeVar

import psycopg

from service.migrate.errors import MigrationError
from service.migrate.watch import Holder, Watch, spoken

Result = TypeVar("Result")

WAIT_SECONDS = 300.0
# an attempt that waits for a lock makes everybody wait who comes after it, so it waits no longer
LOCK_TIMEOUT_SECONDS = 2.0
_LEAST_TIMEOUT_SECONDS = 0.2
_PAUSE_SECONDS = 1.0
_LONGEST_PAUSE_SECONDS = 10.0

LOCKED_OUT = (psycopg.errors.LockNotAvailable, psycopg.errors.DeadlockDetected)


class Patience:
    """Makes attempts on a connection until they succeed or waiting has taken too long in all."""

    def __init__(
        self,
        connection: psycopg.Connection[Any],
        conninfo: str,
        report: Callable[[str], None],
        wait_seconds: float,
    ) -> None:
        """`wait_seconds`: what attempts in vain and the pauses between them may take in all."""
        self._connection = connection
        self._report = report
        self._wait_seconds = wait_seconds
        self._waited = 0.0
        self._kept: list[str] = []
        self._until = 0.0
        self._doing = ""
        self._watch = Watch(conninfo, connection.info.backend_pid, report)

    def __enter__(self) -> Self:
        self._watch.start()
        return self

    def __exit__(
        self, _: type[BaseException] | None, __: BaseException | None, ___: TracebackType | None
    ) -> None:
        self._watch.end()

    def keep(self, what: str) -> None:
        """Remember what was committed, to say so should the rest have to be given up."""
        self._kept.append(what)

    def step(self, name: str) -> None:
        """Name what an attempt does next, and let it wait no longer than all of the attempt may."""
        self._doing = name
        self._watch.step(name)
        left = max(self._until - time.monotonic(), _LEAST_TIMEOUT_SECONDS)
        self._connection.execute(
            "SELECT set_config('lock_timeout', %s, false)", [f"{round(left * 1000)}ms"]
        )

    def attempt(self, name: str, act: Callable[[], Result]) -> Result:
        """What `act` returns, which is called again as long as a lock is not to be had.

        `act` leaves no transaction open when it raises. Raises MigrationError at the bound.
        """
        pause = 0.0
        try:
            while True:
                started = time.monotonic()
                self._until = started + LOCK_TIMEOUT_SECONDS
                try:
                    self.step(name)
                    return act()
                except LOCKED_OUT as error:
                    self._watch.step(None)
                    holders = self._watch.seen()
                    self._waited += time.monotonic() - started
                    # the first time nobody looked yet who is in the way
                    if pause:
                        self._pause(holders, pause, error)
                    pause = min(pause * 2, _LONGEST_PAUSE_SECONDS) or _PAUSE_SECONDS
                    self._watch.look()
        finally:
            self._watch.step(None)
            self._watch.seen()

    def _pause(self, holders: list[Holder], pause: float, error: psycopg.Error) -> None:
        left = self._wait_seconds - self._waited
        told = _told(self._doing, holders)
        if left <= 0:
            raise MigrationError(
                f"gave up after {spoken(self._waited)}: {told}.\n{_cure(holders)}"
                f" {self._left_behind()}"
            ) from error
        pause = min(pause, left)
        self._report(f"{told}; next attempt in {spoken(pause)}, for {spoken(left)} at most")
        time.sleep(pause)
        self._waited += pause

    def _left_behind(self) -> str:
        if not self._kept:
            return "Nothing was changed."
        return f"Done and kept: {', '.join(self._kept)}. The next run goes on from there."


def _told(name: str, holders: list[Holder]) -> str:
    if not holders:
        return f"{name} waits for a lock that another session has"
    others = {holder.pid for holder in holders[1:]} - {holders[0].pid}
    more = f" and {len(others)} more" if others else ""
    return f"{name} waits for {holders[0].wanted}: in the way is {holders[0]}{more}"


def _cure(holders: list[Holder]) -> str:
    pids = sorted({holder.pid for holder in holders if holder.pid})
    ending = "; ".join(f"SELECT pg_terminate_backend({pid})" for pid in pids)
    return (
        f"End what is in the way{f' ({ending})' if ending else ''}, or migrate at a quieter time,"
        " or wait longer with --wait."
    )
