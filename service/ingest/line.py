"""Line of batches that wait to be written, and the tasks that write it, a group at a time."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from time import perf_counter
from typing import TYPE_CHECKING, NamedTuple

import psycopg

from service.database.conninfo import reason
from service.database.errors import DatabaseUnavailable
from service.ingest.counts import IngestCounts, LineCounts
from service.ingest.store import Outcome, Store, ingest_split
from service.ingest.traced import alone, traced
from service.traces.traceparent import Traceparent
from service.wire import Batch

if TYPE_CHECKING:
    from service.traces.tracing import Tracing

_log = logging.getLogger(__name__)
_RECONNECT_SECONDS = (0.05, 0.1, 0.2, 0.5, 1.0)
# a group of so many readings is worth a connection of its own, and too long to wait for
_LARGE_GROUP = 500

# what became of a batch: committed, or not
Told = Outcome | Exception


class _Waiting(NamedTuple):
    """A batch in the line, and whom to tell what became of it."""

    batch: Batch
    bytes: int
    tell: Callable[[Told], None]
    trace: Traceparent | None


class Line:
    """Batches in the order in which they came, and a task per connection that writes them.

    A group is what came while the one before was being written: no timer waits for more. The
    larger a group is, the less each of its readings costs. So a second one starts beside another
    only where it is large itself, or would have to wait for a large one.
    """

    def __init__(
        self,
        stores: Sequence[Store],
        group_readings: int,
        counts: LineCounts | None = None,
        traces: Tracing | None = None,
    ) -> None:
        """`group_readings`: at most so many in a group, unless one batch has more.

        `counts` have the line's name, which `traces` are told with each group.
        """
        self.counts = counts or IngestCounts().lines[0]
        self._traces = traces
        self._stores = stores
        self._group_readings = group_readings
        self._queue: deque[_Waiting] = deque()
        # of what waits
        self.readings = 0
        self.bytes = 0
        # whether at least one connection works
        self.connected = False
        self._arrived = asyncio.Event()
        self._attempted = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []
        # sizes of the groups that are being written
        self._under_way: list[int] = []
        self._stopping = False

    async def start(self) -> None:
        """Start writing; return when a connection was made, or could not be made yet."""
        self._tasks = [asyncio.create_task(self._write_for_ever(store)) for store in self._stores]
        await self._attempted.wait()

    async def stop(self) -> None:
        """Write what waits, then end."""
        self._stopping = True
        self._arrived.set()
        await asyncio.gather(*self._tasks)

    def put(
        self,
        batch: Batch,
        size_bytes: int,
        tell: Callable[[Told], None],
        trace: Traceparent | None = None,
    ) -> None:
        """Put a batch at the end; `tell` is called once, with its outcome or the error."""
        self._queue.append(_Waiting(batch, size_bytes, tell, trace))
        self.readings += batch.size
        self.bytes += size_bytes
        if self._is_worth_a_group():
            self._arrived.set()

    def _is_worth_a_group(self) -> bool:
        """Whether what waits should be written now, by one more task."""
        return (
            not self._under_way
            or self._stopping
            or self.readings >= _LARGE_GROUP
            or min(self._under_way) >= _LARGE_GROUP
        )

    def _take_group(self) -> list[_Waiting]:
        group: list[_Waiting] = []
        readings = 0
        while self._queue and (
            not group or readings + self._queue[0].batch.size <= self._group_readings
        ):
            waiting = self._queue.popleft()
            self.readings -= waiting.batch.size
            self.bytes -= waiting.bytes
            group.append(waiting)
            readings += waiting.batch.size
        return group

    async def _write_for_ever(self, store: Store) -> None:
        attempt = 0
        while not (self._stopping and not self._queue):
            if not store.connected:
                self._arrived.set()  # another one may have to write what this one would have
                if not await self._connect(store, attempt):
                    if self._stopping:
                        break
                    await asyncio.sleep(_RECONNECT_SECONDS[min(attempt, 4)])
                    attempt += 1
                    continue
                attempt = 0
            group = self._take_group() if self._is_worth_a_group() else []
            if not group:
                self._arrived.clear()
                if not self._stopping:
                    await self._arrived.wait()
                continue
            readings = sum(waiting.batch.size for waiting in group)
            self._under_way.append(readings)
            if self._queue and self._is_worth_a_group():
                self._arrived.set()
            try:
                await self._write(store, group)
            finally:
                self._under_way.remove(readings)
        await store.close()

    async def _connect(self, store: Store, attempt: int) -> bool:
        """Connect a writer; where that fails, say so the first time, and refuse who waits."""
        try:
            await store.connect()
        except (DatabaseUnavailable, psycopg.Error) as error:
            if attempt == 0:
                _log.warning("cannot connect to write readings, trying on: %s", reason(error))
            self._refuse_all_unless_connected(DatabaseUnavailable("the database is away"))
            return False
        else:
            self.connected = True
            if attempt:
                _log.warning("connected to write readings again")
            return True
        finally:
            self._attempted.set()

    async def _write(self, store: Store, group: list[_Waiting]) -> None:
        """Write a group; where it fails, write its halves, until the one that fails is alone."""
        began = perf_counter()
        try:
            outcomes = await self._traced(group, store.ingest([one.batch for one in group]))
        except DatabaseUnavailable as error:
            self.connected = any(other.connected for other in self._stores)
            _tell_all(group, error)
        except psycopg.Error as error:
            if len(group) > 1:
                middle = len(group) // 2
                await self._write(store, group[:middle])
                await self._write(store, group[middle:])
            else:
                _log.warning("the database refused a batch of its own accord: %s", error)
                await self._write_apart(store, group[0], error)
        except Exception as error:
            # a defect of ours: its requests get an error, and the writer lives on
            _log.exception("writing a group of readings failed")
            _tell_all(group, error)
        else:
            readings = sum(waiting.batch.size for waiting in group)
            self.counts.committed(readings, perf_counter() - began)
            # not now: the next group should be on its way to the database meanwhile
            asyncio.get_running_loop().call_soon(_tell_each, group, outcomes)

    async def _write_apart(self, store: Store, waiting: _Waiting, error: psycopg.Error) -> None:
        try:
            [outcome] = await self._traced(
                [waiting], alone(ingest_split(store, waiting.batch, error))
            )
        except DatabaseUnavailable as away:
            waiting.tell(away)
        else:
            waiting.tell(outcome)

    async def _traced(
        self, group: Sequence[_Waiting], writing: Awaitable[list[Outcome]]
    ) -> list[Outcome]:
        """Wait for the writing of a group, and tell the traces of it, where there are some."""
        if self._traces is None:
            return await writing
        return await traced(self._traces, self.counts.line, group, writing)

    def _refuse_all_unless_connected(self, error: DatabaseUnavailable) -> None:
        self.connected = any(store.connected for store in self._stores)
        if self.connected:
            return
        while self._queue:
            _tell_all(self._take_group(), error)


def _tell_each(group: list[_Waiting], outcomes: list[Outcome]) -> None:
    for waiting, outcome in zip(group, outcomes, strict=True):
        waiting.tell(outcome)


def _tell_all(group: list[_Waiting], error: Exception) -> None:
    for waiting in group:
        waiting.tell(error)
