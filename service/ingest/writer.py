"""Group commit: requests that arrive together are written by one call, and answered after it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from typing import TYPE_CHECKING

from service.concurrency import told
from service.database.errors import DatabaseUnavailable
from service.http.problem import RETRY_LATER
from service.ingest.counts import IngestCounts
from service.ingest.destination import NotQueued
from service.ingest.line import Line, Told
from service.ingest.quarantine import Quarantined
from service.ingest.store import Outcome, Store
from service.settings import Settings
from service.traces.traceparent import Traceparent
from service.wire import Batch

if TYPE_CHECKING:
    from service.traces.tracing import Tracing

# Batches with an older reading wait in a line of their own. It is a hint for the transport, and
# what is stored does not depend on it. Long enough for a gateway that collects for a quarter of an
# hour before it sends, and for its clock; short enough that what somebody else kept while offline
# hardly ever is in a group with live readings.
LATE = timedelta(minutes=20)
# how much the line of late ones may have of the room for what waits
_LATE_SHARE = 0.5
# a live reading of the same device waits for as long as this takes to store
LATE_GROUP = 500


class QueueFull(NotQueued):
    """More is waiting to be written than may wait; nothing of this request was stored."""

    def __init__(self) -> None:
        super().__init__(
            HTTPStatus.SERVICE_UNAVAILABLE,
            "too many readings are waiting to be stored; nothing of this request was",
            "Send it again later.",
            [RETRY_LATER],
        )


class Writer:
    """Two lines of batches, live ones and late ones, and bounds on what waits in both.

    Late ones go to older chunks, need a closer look and lock the states of their devices for
    longer, so live ones do not share groups or connections with them. Neither line waits for the
    other, so batches of one device, one of them late, may be committed in either order: the ledger
    is the same in any.
    """

    def __init__(
        self,
        conninfo: str,
        settings: Settings,
        counts: IngestCounts | None = None,
        traces: Tracing | None = None,
    ) -> None:
        """`counts`: where readings are counted, if others should see that.

        `traces` are told of each group.
        """
        self.counts = counts or IngestCounts()
        self._queue_readings = settings.queue_readings
        self._queue_bytes = settings.queue_bytes
        live, late = self.counts.lines

        def stores(number: int) -> list[Store]:
            return [Store(conninfo, settings, self.counts) for _ in range(number)]

        self._live = Line(stores(settings.writers), settings.group_readings, live, traces)
        self._late = Line(stores(1), min(settings.group_readings, LATE_GROUP), late, traces)
        self._kept = Store(conninfo, settings)
        self._keeping = asyncio.Lock()

    @property
    def connected(self) -> bool:
        """Whether live readings can be written."""
        return self._live.connected

    async def start(self) -> None:
        """Start writing; return when connections were made, or could not be made yet."""
        await asyncio.gather(self._live.start(), self._late.start())

    async def stop(self) -> None:
        """Write what waits, then end."""
        await asyncio.gather(self._live.stop(), self._late.stop())
        await self._kept.close()

    async def submit(self, batch: Batch, size_bytes: int) -> Outcome:
        """Queue a batch and wait until it is committed.

        Raises QueueFull and DatabaseUnavailable.
        """
        return await told(lambda tell: self.queue(batch, size_bytes, tell))

    def queue(
        self,
        batch: Batch,
        size_bytes: int,
        tell: Callable[[Told], None],
        trace: Traceparent | None = None,
        *,
        key_id: str | None = None,
    ) -> None:
        """Queue a batch; `tell` is called once, with its outcome or the error.

        Raises QueueFull and DatabaseUnavailable where the batch is not even queued.
        """
        self.admit(size_bytes, batch.size)
        if batch.oldest() >= datetime.now(UTC) - LATE:
            self._live.put(batch, size_bytes, tell, trace)
            return
        late = self._late
        if late.readings and (
            late.readings + batch.size > self._queue_readings * _LATE_SHARE
            or late.bytes + size_bytes > self._queue_bytes * _LATE_SHARE
        ):
            raise self._full()
        if not late.connected:
            raise DatabaseUnavailable("the database is away")
        late.put(batch, size_bytes, tell, trace)

    def admit(self, size_bytes: int, readings: int = 1) -> None:
        """Raise QueueFull or DatabaseUnavailable where so much could not be queued now.

        Worth asking before a body is read and decoded: under overload that is most of the work.
        """
        live, late = self._live, self._late
        waiting = live.readings + late.readings
        # a batch larger than the whole queue may still go in alone
        if waiting and (
            waiting + readings > self._queue_readings
            or live.bytes + late.bytes + size_bytes > self._queue_bytes
        ):
            raise self._full()
        if not live.connected:
            raise DatabaseUnavailable("the database is away")

    def sample(self) -> None:
        """Note for the metrics what waits now."""
        self.counts.limits(self._queue_readings, self._queue_bytes)
        for line in (self._live, self._late):
            line.counts.waiting(line.readings, line.bytes)

    def _full(self) -> QueueFull:
        self.counts.queue_full()
        return QueueFull()

    async def keep(self, refused: list[Quarantined], key_id: str | None) -> dict[int, str]:
        """Put refused readings into quarantine; return what else to tell of them, by their place.

        Raises DatabaseUnavailable, RuleViolation.
        """
        async with self._keeping:
            return await self._kept.quarantine(refused, key_id)
