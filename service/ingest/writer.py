"""Group commit: requests that arrive together are written by one call, and answered after it."""

import asyncio
import logging
from collections import deque
from collections.abc import Callable
from http import HTTPStatus
from typing import NamedTuple

import psycopg

from service.concurrency import told
from service.database.conninfo import reason
from service.database.errors import DatabaseUnavailable
from service.http.problem import RETRY_LATER, Fault
from service.ingest.quarantine import Quarantined
from service.ingest.store import Outcome, Store, ingest_split
from service.settings import Settings
from service.wire import Batch

_log = logging.getLogger(__name__)
_RECONNECT_SECONDS = (0.05, 0.1, 0.2, 0.5, 1.0)
# a group of so many readings is worth a writer of its own, and too long to wait for
_LARGE_GROUP = 500


class QueueFull(Fault):
    """More is waiting to be written than may wait; nothing of this request was stored."""

    def __init__(self) -> None:
        super().__init__(
            HTTPStatus.SERVICE_UNAVAILABLE,
            "too many readings are waiting to be stored; nothing of this request was",
            "Send it again later.",
            [RETRY_LATER],
        )


# what became of a batch: committed, or not
Told = Outcome | Exception


class _Waiting(NamedTuple):
    """A batch in the queue, and whom to tell what became of it."""

    batch: Batch
    bytes: int
    tell: Callable[[Told], None]


class Writer:
    """A bounded queue of batches, and the tasks that write it.

    A group is what came while the one before was being written: no timer waits for more. The
    larger a group is, the less each of its readings costs. So a second one starts beside another
    only where it is large itself, or would have to wait for a large one.
    """

    def __init__(self, conninfo: str, settings: Settings) -> None:
        self._settings = settings
        self._queue: deque[_Waiting] = deque()
        self._queued_readings = 0
        self._queued_bytes = 0
        self._arrived = asyncio.Event()
        self._attempted = asyncio.Event()
        self._stores = [Store(conninfo, settings) for _ in range(settings.writers)]
        self._kept = Store(conninfo, settings)
        self._keeping = asyncio.Lock()
        self._tasks: list[asyncio.Task[None]] = []
        # sizes of the groups that are being written
        self._under_way: list[int] = []
        self._stopping = False
        # whether at least one writer has a working connection; looked at by every request
        self.connected = False

    async def start(self) -> None:
        """Start writing; return when a connection was made, or could not be made yet."""
        self._tasks = [asyncio.create_task(self._write_for_ever(store)) for store in self._stores]
        await self._attempted.wait()

    async def stop(self) -> None:
        """Write what is queued, then end."""
        self._stopping = True
        self._arrived.set()
        await asyncio.gather(*self._tasks)
        await self._kept.close()

    async def submit(self, batch: Batch, size_bytes: int) -> Outcome:
        """Queue a batch and wait until it is committed.

        Raises QueueFull and DatabaseUnavailable.
        """
        return await told(lambda tell: self.queue(batch, size_bytes, tell))

    def queue(self, batch: Batch, size_bytes: int, tell: Callable[[Told], None]) -> None:
        """Queue a batch; `tell` is called once, with its outcome or the error.

        Raises QueueFull and DatabaseUnavailable where the batch is not even queued.
        """
        self.admit(size_bytes, batch.size)
        self._queue.append(_Waiting(batch, size_bytes, tell))
        self._queued_readings += batch.size
        self._queued_bytes += size_bytes
        if self._is_worth_a_group():
            self._arrived.set()

    def admit(self, size_bytes: int, readings: int = 1) -> None:
        """Raise QueueFull or DatabaseUnavailable where so much could not be queued now.

        Worth asking before a body is read and decoded: under overload that is most of the work.
        """
        settings = self._settings
        # a batch larger than the whole queue may still go in alone
        if self._queue and (
            self._queued_readings + readings > settings.queue_readings
            or self._queued_bytes + size_bytes > settings.queue_bytes
        ):
            raise QueueFull
        if not self.connected:
            raise DatabaseUnavailable("the database is away")

    async def keep(self, refused: list[Quarantined], key_id: str | None) -> dict[int, str]:
        """Put refused readings into quarantine; return what else to tell of them, by their place.

        Raises DatabaseUnavailable, RuleViolation.
        """
        async with self._keeping:
            return await self._kept.quarantine(refused, key_id)

    def _is_worth_a_group(self) -> bool:
        """Whether what is queued should be written now, by one more writer."""
        return (
            not self._under_way
            or self._stopping
            or self._queued_readings >= _LARGE_GROUP
            or min(self._under_way) >= _LARGE_GROUP
        )

    def _take_group(self) -> list[_Waiting]:
        group: list[_Waiting] = []
        readings = 0
        while self._queue and (
            not group or readings + self._queue[0].batch.size <= self._settings.group_readings
        ):
            waiting = self._queue.popleft()
            self._queued_readings -= waiting.batch.size
            self._queued_bytes -= waiting.bytes
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
        try:
            outcomes = await store.ingest([waiting.batch for waiting in group])
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
            # not now: the next group should be on its way to the database meanwhile
            asyncio.get_running_loop().call_soon(_tell_each, group, outcomes)

    async def _write_apart(self, store: Store, waiting: _Waiting, error: psycopg.Error) -> None:
        try:
            outcome = await ingest_split(store, waiting.batch, error)
        except DatabaseUnavailable as away:
            waiting.tell(away)
        else:
            waiting.tell(outcome)

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
