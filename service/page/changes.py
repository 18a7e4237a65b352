"""Changes, asked of the database by one poller per worker while somebody listens, told to all.

The database is asked, and not what this worker stores: others store too. Notifications of
PostgreSQL would take a lock of the whole server at each commit.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Generator
from contextlib import contextmanager
from datetime import datetime, timedelta
from http import HTTPStatus
from time import monotonic
from typing import Any

import msgspec

from service.background import ended
from service.database.errors import DatabaseUnavailable, RuleViolation
from service.database.pool import Calls
from service.http.problem import RETRY_LATER, Fault
from service.page.listener import AlertChanged, Event, Listener, Numbered

_log = logging.getLogger(__name__)

PAUSE_SECONDS = 1.0
# so small a part of the time is spent on asking, however many devices there are
_MOST_SHARE = 0.05
# what commits so much later than it began is still found
_OVERLAP = timedelta(seconds=10)
_OVERLAP_CHANGES = 200
# more than that are not told by their ids
_MOST_NAMED = 1000
_MOST_LISTENERS = 500
# so many are told anew to a browser that comes back
_MOST_REMEMBERED = 60
# costs more, and changes by the minute
_CHARGING_EVERY_POLLS = 5


class _Row(msgspec.Struct):
    as_of: datetime
    last_change_id: int | None
    meters_newest_at: datetime | None
    meter_ids: list[str] | None
    meters_received_at: list[datetime] | None
    vehicles_newest_at: datetime | None
    vehicle_ids: list[str] | None
    vehicles_received_at: list[datetime] | None
    alerts: list[dict[str, Any]] | None
    charging_kept_at: datetime | None


class Changes:
    """Asks while there are listeners, and tells them."""

    def __init__(self, database: Calls) -> None:
        self._database = database
        self._listeners: set[Listener] = set()
        self._task: asyncio.Task[None] | None = None
        self._ready = asyncio.Event()
        self._is_ending = False
        # of the last look, and what was told of the time that the next one asks for again
        self._as_of: datetime | None = None
        self._first_change_id = self._last_change_id = 0
        self._newest: dict[str, datetime | None] = {}
        self._told: dict[tuple[str, str], datetime] = {}
        self._told_changes: deque[int] = deque(maxlen=4 * _OVERLAP_CHANGES)
        self._charging_kept_at: datetime | None = None
        self._polls = 0
        self._recent: deque[Numbered] = deque(maxlen=_MOST_REMEMBERED)

    @contextmanager
    def listening(self, after: str | None = None) -> Generator[Listener]:
        """Somebody who is told from now on, and of what came after the event `after`, if known.

        Raises Fault where there are too many, or the service is stopping.
        """
        self.check_room()
        listener = Listener()
        numbers = [one.number for one in self._recent]
        if self._ready.is_set() and after in numbers:
            for one in list(self._recent)[numbers.index(after) + 1 :]:
                listener.tell(one)
        else:
            listener.missed = True
        self._listeners.add(listener)
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._poll())
        try:
            yield listener
        finally:
            self._listeners.discard(listener)

    def check_room(self) -> None:
        """Raise Fault where nobody else is told of anything."""
        if self._is_ending or len(self._listeners) >= _MOST_LISTENERS:
            what = "the service is stopping" if self._is_ending else "too many are listening"
            raise Fault(HTTPStatus.SERVICE_UNAVAILABLE, f"{what}: try again", headers=[RETRY_LATER])

    async def ready(self, seconds: float) -> bool:
        """Wait until what changes from now on will be told; false where that takes too long."""
        try:
            async with asyncio.timeout(seconds):
                await self._ready.wait()
        except TimeoutError:
            return False
        return True

    def end(self) -> None:
        """Let all listeners go, and take no more; each connection that ends may say it."""
        if self._is_ending:
            return
        self._is_ending = True
        for listener in self._listeners:
            listener.end()

    async def stop(self) -> None:
        """End asking."""
        self.end()
        await ended(self._task)

    async def _poll(self) -> None:
        self._forget()
        try:
            while self._listeners and not self._is_ending:
                began = monotonic()
                try:
                    await self._look()
                except (DatabaseUnavailable, RuleViolation):
                    # it is asked again, from where it was
                    took = PAUSE_SECONDS * _MOST_SHARE
                else:
                    took = monotonic() - began
                await asyncio.sleep(max(PAUSE_SECONDS, took / _MOST_SHARE))
        except Exception:
            _log.exception("what changed cannot be asked: who listens is let go")
            for listener in self._listeners:
                listener.end()
        finally:
            self._ready.clear()

    def _forget(self) -> None:
        """Start anew: nobody was told of what changed meanwhile."""
        self._as_of = None
        self._charging_kept_at = None
        self._first_change_id = self._last_change_id = 0
        self._newest.clear()
        self._told.clear()
        self._told_changes.clear()
        self._recent.clear()
        self._polls = 0

    async def _look(self) -> None:
        as_of = self._as_of
        row = await self._database.one(
            _Row,
            "SELECT * FROM api.changes_since(since => %s::timestamptz,"
            " after_change_id => %s::bigint, most => %s::integer, with_charging => %s::boolean)",
            None if as_of is None else as_of - _OVERLAP,
            None if as_of is None else max(0, self._last_change_id - _OVERLAP_CHANGES),
            _MOST_NAMED,
            self._polls % _CHARGING_EVERY_POLLS == 0,
        )
        assert row is not None  # noqa: S101  the function returns one row
        self._polls += 1
        is_first = as_of is None
        event = self._event(row, is_first=is_first)
        self._as_of = row.as_of
        self._last_change_id = max(self._last_change_id, row.last_change_id or 0)
        if is_first:
            self._first_change_id = self._last_change_id
            self._ready.set()
        elif event != Event():
            numbered = Numbered(str(int(row.as_of.timestamp() * 1_000_000)), event)
            self._recent.append(numbered)
            for listener in self._listeners:
                listener.tell(numbered)
        self._told = {k: at for k, at in self._told.items() if at > row.as_of - 2 * _OVERLAP}

    def _event(self, row: _Row, *, is_first: bool) -> Event:
        event = Event()
        event.meters, event.many_meters = self._newer(
            "meter", row.meters_newest_at, row.meter_ids, row.meters_received_at
        )
        event.vehicles, event.many_vehicles = self._newer(
            "vehicle", row.vehicles_newest_at, row.vehicle_ids, row.vehicles_received_at
        )
        event.alerts = [
            AlertChanged(one["alert_id"], one["change"], one["meter_id"], one["vehicle_id"])
            for one in row.alerts or ()
            if self._is_new(one["change_id"])
        ]
        kept_at = row.charging_kept_at
        if kept_at is not None and kept_at != self._charging_kept_at:
            event.charging_kept_at = None if is_first else kept_at
            self._charging_kept_at = kept_at
        return event

    def _is_new(self, change_id: int) -> bool:
        """Whether a change of an alert came since the first look, and was not told."""
        if change_id <= self._first_change_id or change_id in self._told_changes:
            return False
        self._told_changes.append(change_id)
        return True

    def _newer(
        self,
        side: str,
        newest_at: datetime | None,
        ids: list[str] | None,
        times: list[datetime] | None,
    ) -> tuple[list[str], bool]:
        """The devices of a side that were not told of that; whether there are too many to name."""
        before, self._newest[side] = self._newest.get(side), newest_at
        if ids is None or times is None:
            return [], newest_at is not None and newest_at != before
        told = self._told
        newer = [one for one, at in zip(ids, times, strict=True) if told.get((side, one)) != at]
        told.update({(side, one): at for one, at in zip(ids, times, strict=True)})
        return newer, False
