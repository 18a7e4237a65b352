"""Replica for reads: looked at by a timer, used while it answers and does not lag too far."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine
from contextlib import suppress
from time import monotonic
from typing import Any, Literal, LiteralString, TypeVar

from service.background import ended
from service.database.errors import DatabaseSlow, DatabaseUnavailable
from service.database.lag import History, Place, Watch
from service.database.pool import Calls, Database
from service.settings import Settings

_log = logging.getLogger(__name__)

_EVERY_SECONDS = 1.0
# where a request found that something is wrong, it is looked at sooner
_AT_LEAST_SECONDS = 0.1
# how often in a row it must be well before it is used again, and how much less it must lag then
_LOOKS_TO_RETURN = 2
_LAG_TO_RETURN = 0.5

Row = TypeVar("Row")
Source = Literal["standby", "primary"]
# counts a read, by which one answered it
Count = Callable[[Source], None]
# hears by which a read was answered, and the standby's lag in seconds
Tell = Callable[[Source, float | None], None]


class Replica:
    """A standby and its primary, for what is only read.

    `standby_up` is whether the standby answers, `lag_seconds` by how much it is behind (while the
    primary is away: how old what it has is).
    """

    def __init__(
        self, primary: str, standby: str, settings: Settings, count: Count | None = None
    ) -> None:
        """`count` is called for each read that one of them answered."""
        self._count = count
        self.standby = Database(standby, settings, reads_only=True)
        # for what the standby cannot answer: no connection waits for that
        self.primary = Database(primary, settings, reads_only=True, idle_connections=0)
        self.standby_up = False
        self.primary_up = True
        # why the standby is not used; None while it is
        self.trouble: str | None = None
        self._most_seconds = settings.standby_lag_seconds
        self._watches = Watch(primary), Watch(standby)
        self._history = History()
        self._system_id: int | None = None
        # as of when the standby has all, and when that was looked at; by our clock
        self._current_at: float | None = None
        self._looked_at = 0.0
        self._well = 0
        self._doubt = asyncio.Event()
        # wakes those who wait for a standby that hangs
        self.standby_away = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    @property
    def lag_seconds(self) -> float | None:
        """By how much the standby is behind, as it was last seen; None: it does not answer."""
        if self._current_at is None:
            return None
        until = self._looked_at if self.primary_up else monotonic()
        return max(0.0, until - self._current_at)

    @property
    def source(self) -> Source:
        """Which one is asked first."""
        return "primary" if self.trouble else "standby"

    async def start(self) -> None:
        """Look at both, then go on to do so."""
        await self.standby.open()
        await self.primary.open()
        await self._look()
        self._task = asyncio.create_task(self._look_for_ever())

    async def stop(self) -> None:
        """End."""
        await ended(self._task)
        for watch in self._watches:
            await watch.stop()
        await self.standby.close()
        await self.primary.close()

    def count(self, source: Source) -> None:
        """Count a read that was answered."""
        if self._count is not None:
            self._count(source)

    def doubt(self) -> None:
        """Look at both soon: a call to one of them failed."""
        self._doubt.set()

    async def _look_for_ever(self) -> None:
        while True:
            await asyncio.sleep(_AT_LEAST_SECONDS)
            with suppress(TimeoutError):
                async with asyncio.timeout(_EVERY_SECONDS - _AT_LEAST_SECONDS):
                    await self._doubt.wait()
            self._doubt.clear()
            try:
                await self._look()
            except Exception:
                _log.exception("looking at the standby failed, and is tried again")

    async def _look(self) -> None:
        # the primary first: what it had then, the standby should have by now
        primary = await self._watches[0].look()
        standby = await self._watches[1].look()
        self.primary_up = primary is not None
        if primary is not None:
            self._system_id = primary.system_id
            self._history.note(primary.asked_at, primary.position)
        before, self.trouble = self.trouble, self._trouble(primary, standby)
        if self.standby_up:
            self.standby_away.clear()
        else:
            self.standby_away.set()
        if self.trouble and not before:
            why = "" if self.standby_up else self._watches[1].reason
            _log.warning("reads go to the primary: %s %s", self.trouble, why)
        if before and not self.trouble:
            _log.warning("reads go to the standby again")

    def _trouble(self, primary: Place | None, standby: Place | None) -> str | None:
        """Why the standby should not be used, having looked at both."""
        self._current_at = None
        self.standby_up = False
        if standby is None:
            self._well = 0
            return "the standby does not answer"
        if self._is_foreign(primary, standby):
            self._well = 0
            return "READ_DATABASE_URL is no standby of DATABASE_URL"
        self.standby_up = True
        self._looked_at = monotonic()
        self._current_at = self._history.current_at(standby.position)
        if self._current_at is None:
            self._current_at = standby.asked_at - standby.age_seconds
        if primary is None:  # then it is the only one
            return None
        lag_seconds = self._looked_at - self._current_at
        if lag_seconds > self._most_seconds:
            self._well = 0
            return f"the standby is {lag_seconds:.0f} s behind"
        if self.trouble is None:
            return None
        self._well = self._well + 1 if lag_seconds <= _LAG_TO_RETURN * self._most_seconds else 0
        return None if self._well >= _LOOKS_TO_RETURN else "the standby was away, or far behind"

    def _is_foreign(self, primary: Place | None, standby: Place) -> bool:
        """Whether it follows another one, or has become a primary beside the one there is."""
        if self._system_id not in (None, standby.system_id):
            return True
        return (
            primary is not None and not standby.repeats and standby.started_at != primary.started_at
        )


class Reader(Calls):
    """Calls of one request, by the standby where that is in use, else by the primary.

    What fails since the one is away, or since the standby repeats what is in the way, is asked of
    the other one, once: to read twice is safe.
    """

    def __init__(self, replica: Replica, tell: Tell) -> None:
        self._replica = replica
        self._tell = tell

    async def all(
        self, row: Callable[..., Row], query: LiteralString, *parameters: object
    ) -> list[Row]:
        """Call a function and return its rows, as Database.all does."""
        replica, first = self._replica, self._replica.source
        asking = self._ask(first, row, query, parameters)
        try:
            return await (self._unless_it_hangs(asking) if first == "standby" else asking)
        except DatabaseUnavailable as error:
            replica.doubt()
            other: Source = "primary" if first == "standby" else "standby"
            is_up = {"standby": replica.standby_up, "primary": replica.primary_up}
            # one that only takes its time would do so there, too
            if isinstance(error, DatabaseSlow) and is_up[first]:
                raise
            # a primary may be back since it was looked at, and what is no standby stays none
            if other == "standby" and not is_up[other]:
                raise
            try:
                return await self._ask(other, row, query, parameters)
            except DatabaseUnavailable:
                raise error from None

    async def _unless_it_hangs(self, asking: Coroutine[Any, Any, list[Row]]) -> list[Row]:
        """What a standby answers, while it answers at all. Raises DatabaseUnavailable."""
        task = asyncio.create_task(asking)
        away = asyncio.create_task(self._replica.standby_away.wait())
        try:
            await asyncio.wait({task, away}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            away.cancel()
            if not task.done():
                # not awaited: to cancel a query takes as long as its server is stuck
                task.add_done_callback(_forget)
                task.cancel()
        if task.done():
            return task.result()
        raise DatabaseUnavailable("the standby does not answer")

    async def _ask(
        self,
        source: Source,
        row: Callable[..., Row],
        query: LiteralString,
        parameters: tuple[object, ...],
    ) -> list[Row]:
        replica = self._replica
        database = replica.standby if source == "standby" else replica.primary
        rows = await database.all(row, query, *parameters)
        replica.count(source)
        self._tell(source, replica.lag_seconds if source == "standby" else None)
        return rows


def _forget(task: asyncio.Task[Any]) -> None:
    """Take note of a task that nobody waits for any more."""
    if not task.cancelled():
        task.exception()
