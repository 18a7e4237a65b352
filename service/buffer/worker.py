"""Worker: takes records from the buffer to the database, in large groups, at least once.

Offsets are committed after the database's commit, so that whatever ends a worker, what it had not
stored comes again; and the ledger stores each reading once.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from time import monotonic, time

from service.background import ended
from service.buffer.consumer import Consumer
from service.buffer.counts import WorkerCounts
from service.buffer.storing import Storing
from service.buffer.taken import Record
from service.database.conninfo import reason
from service.database.errors import DatabaseUnavailable
from service.ingest.store import Store
from service.settings import Settings

_log = logging.getLogger(__name__)

_WAIT_SECONDS = 0.2
# a write that takes longer than this is no reason to leave the group, which hears of us meanwhile
_SILENT_SECONDS = 5.0
_BACK_OFF_SECONDS = (0.1, 0.2, 0.5, 1.0, 2.0, 5.0)
# a group of so many bytes of records, which are packed tighter than readings in JSON
_GROUP_BYTES = 400_000
# and so many may wait behind the one that is being stored
_WAITING_BYTES = 8 * _GROUP_BYTES


class Worker:
    """Stores groups of records, one after the other, while the next ones are fetched."""

    def __init__(
        self,
        consumer: Consumer,
        store: Store,
        settings: Settings,
        counts: WorkerCounts | None = None,
    ) -> None:
        """`counts`: where records are counted, if others should see that."""
        self._consumer = consumer
        self._store = store
        self._storing = Storing(store, settings)
        self._patience_seconds = settings.write_timeout_seconds
        self._counts = counts or WorkerCounts()
        self._group_now: list[Record] = []
        # when it last went on
        self.turned_at = monotonic()
        self._waiting: deque[Record] = deque()
        self._waiting_bytes = 0
        self._writing: asyncio.Task[None] | None = None
        self._stopping = asyncio.Event()

    def stop(self) -> None:
        """End in order: what is being stored is finished and committed, what waits is left."""
        self._stopping.set()

    def oldest_age_seconds(self) -> float | None:
        """How old the oldest record is that was taken and is not stored; None where none waits."""
        waiting = (*self._group_now, *self._waiting)
        oldest = min((record.sent_at for record in waiting if record.sent_at), default=None)
        return None if oldest is None else max(time() - oldest, 0.0)

    async def run(self) -> None:
        """Work until told to stop. Raises BufferUnusable where the client cannot go on."""
        await self._consumer.start()
        try:
            while not self._stopping.is_set():
                await self._turn()
            if self._writing is not None:
                await self._end_writing(self._writing)
        finally:
            await self._consumer.stop()
            await self._store.close()

    async def _turn(self) -> None:
        full = self._waiting_bytes >= _WAITING_BYTES
        if full and self._writing is not None:
            await asyncio.wait([self._writing], timeout=_SILENT_SECONDS)
            full = not self._writing.done()
        records = await self._consumer.take(_WAIT_SECONDS, pause=full)
        self.turned_at = monotonic()
        self._counts.taken(records)
        self._waiting += records
        self._waiting_bytes += sum(len(record.value) for record in records)
        self._start_writing()

    def _start_writing(self) -> None:
        """Store what waits, unless a group is being stored; then its end calls this again."""
        if self._writing is not None and self._writing.done():
            # it raises what nobody foresaw
            self._writing.result()
            self._writing = None
        if self._writing is None and self._waiting and not self._stopping.is_set():
            self._writing = asyncio.create_task(self._write_all())

    async def _write_all(self) -> None:
        while self._waiting and not self._stopping.is_set():
            group = self._group()
            if group and not await self._write(group):
                return

    def _group(self) -> list[Record]:
        group: list[Record] = []
        size = 0
        while self._waiting and (not group or size + len(self._waiting[0].value) <= _GROUP_BYTES):
            record = self._waiting.popleft()
            self._waiting_bytes -= len(record.value)
            if self._consumer.holds(record):
                group.append(record)
                size += len(record.value)
        return group

    async def _write(self, group: list[Record]) -> bool:
        """Store a group, however long the database is away; false where told to stop meanwhile."""
        attempt, told = 0, ""
        self._group_now = group
        while True:
            began = monotonic()
            try:
                stored = await self._storing.store(group)
            except DatabaseUnavailable as error:
                if (why := _why(error)) != told:
                    told = why
                    _log.warning("cannot store readings, trying on: %s", why)
                seconds = _BACK_OFF_SECONDS[min(attempt, len(_BACK_OFF_SECONDS) - 1)]
                attempt += 1
                if await self._stops_within(seconds):
                    return False
                self._counts.retried()
            else:
                break
        if attempt:
            _log.warning("readings are stored again")
        self._group_now = []
        for record in group:
            self._consumer.stored(record)
        readings = stored.accepted + stored.duplicates + stored.refused
        self._counts.stored(group, readings, stored.kept, monotonic() - began)
        _log.debug(
            "%d records: %d accepted, %d duplicates, %d refused",
            len(group),
            stored.accepted,
            stored.duplicates,
            stored.refused,
        )
        return True

    async def _end_writing(self, writing: asyncio.Task[None]) -> None:
        """Wait for what is being stored, no longer than a commit may take."""
        await asyncio.wait([writing], timeout=self._patience_seconds)
        if not writing.done():
            # it is not committed, and comes again
            _log.warning("what is being stored takes too long, and is left to another worker")
            await ended(writing)
        elif not writing.cancelled():
            writing.result()

    async def _stops_within(self, seconds: float) -> bool:
        try:
            async with asyncio.timeout(seconds):
                await self._stopping.wait()
        except TimeoutError:
            return False
        return True


def _why(error: DatabaseUnavailable) -> str:
    """What is wrong with the database, in our words and in its own."""
    text, cause = str(error), reason(error)
    return text if text == cause else f"{text}: {cause}"
