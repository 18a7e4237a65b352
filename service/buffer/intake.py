"""Intake of the buffer: takes the writer's place, and tells when a batch's records are safe."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from time import monotonic
from zlib import crc32

from service.buffer.address import Address
from service.buffer.counts import SenderCounts
from service.buffer.faults import BufferAway, NotAcknowledged
from service.buffer.outgoing import Outgoing, Waiting
from service.buffer.partitions import partition_of
from service.buffer.record import Share, encoded_refused
from service.buffer.sender import MOST_BYTES, Sender
from service.buffer.watch import Watch
from service.database.errors import DatabaseUnavailable
from service.ingest.counts import IngestCounts
from service.ingest.line import Told
from service.ingest.quarantine import Quarantined
from service.ingest.store import Store
from service.ingest.writer import QueueFull
from service.settings import Settings
from service.traces.traceparent import Traceparent
from service.wire import Batch

# how long nobody waits for a database that was away
_AWAY_SECONDS = 5.0


class Buffer:
    """Puts batches into the topic, a record per group and partition; see `Destination`.

    A batch of several partitions is told of when all of its records are acknowledged.
    """

    def __init__(
        self,
        address: Address,
        conninfo: str,
        settings: Settings,
        counts: IngestCounts | None = None,
        records: SenderCounts | None = None,
    ) -> None:
        """`conninfo`: the database whose quarantine is for what is refused at the door.

        `counts`: where what waits and is refused is counted, and `records`: where records are, if
        others should see that.
        """
        self.counts = counts or IngestCounts()
        self._records = records or SenderCounts()
        self._queue_readings = settings.queue_readings
        self._queue_bytes = settings.queue_bytes
        self._group_readings = settings.group_readings
        self._sender = Sender(
            address,
            timeout_seconds=settings.write_timeout_seconds,
            # beside what waits here; a row may take more than its JSON
            most_bytes=4 * settings.queue_bytes + 16 * 1024 * 1024,
            counts=self._records,
        )
        self._watch = Watch(address, self._sender, self._grow)
        self._partitions: list[Outgoing] = []
        # of what is not told yet
        self._readings = 0
        self._bytes = 0
        self._idle = asyncio.Event()
        self._idle.set()
        self._kept = Store(conninfo, settings)
        self._keeping = asyncio.Lock()
        self._database_away_until = 0.0

    @property
    def connected(self) -> bool:
        """Whether brokers acknowledge what is sent."""
        return self._watch.connected

    async def start(self) -> None:
        """Start to send; return when a broker took a record, or did not for some seconds."""
        self._sender.start()
        await self._watch.start()

    async def stop(self) -> None:
        """Wait for what is under way, then end."""
        await self._idle.wait()
        await self._watch.stop()
        await self._sender.stop()
        await self._kept.close()

    def admit(self, size_bytes: int, readings: int = 1) -> None:
        """Raise QueueFull or BufferAway where so much could not be queued now."""
        # a batch larger than the whole queue may still go in alone
        if self._readings and (
            self._readings + readings > self._queue_readings
            or self._bytes + size_bytes > self._queue_bytes
        ):
            self.counts.queue_full()
            raise QueueFull
        if not self._watch.connected:
            raise BufferAway

    def queue(
        self,
        batch: Batch,
        size_bytes: int,
        tell: Callable[[Told], None],
        trace: Traceparent | None = None,
        *,
        key_id: str | None = None,
    ) -> None:
        """Queue a batch; `tell` is called once, when the replicas in sync have it, or do not.

        Raises QueueFull and BufferAway where the batch is not even queued.
        """
        self.admit(size_bytes, batch.size)
        self._watch.busy()
        self._idle.clear()
        self._readings += batch.size
        self._bytes += size_bytes
        waiting = Waiting(batch, size_bytes, tell, self._settled)
        touched: dict[int, tuple[Share, int]] = {}
        for is_vehicle, rows in ((False, batch.meters.rows), (True, batch.vehicles.rows)):
            for row in rows:
                number = partition_of(row[0], len(self._partitions))
                found = touched.get(number)
                if found is None:
                    share, count = self._partitions[number].share(key_id, waiting), 0
                else:
                    share, count = found
                touched[number] = share, count + 1
                (share.vehicles if is_vehicle else share.meters).append(row)
        for number, (_, count) in touched.items():
            self._partitions[number].added(count)

    def sample(self) -> None:
        """Note for the metrics what waits now, in the place of live readings."""
        self.counts.limits(self._queue_readings, self._queue_bytes)
        self.counts.lines[0].waiting(self._readings, self._bytes)
        self._records.state(self._sender.sending, connected=self.connected)

    def _settled(self, waiting: Waiting) -> None:
        self._readings -= waiting.batch.size
        self._bytes -= waiting.bytes
        if not self._readings:
            self._watch.idle()
            self._idle.set()

    def _grow(self, count: int) -> None:
        """Send to new partitions too; there are never fewer."""
        for number in range(len(self._partitions), count):
            one = Outgoing(number, self._sender, self._group_readings, self._watch.note)
            self._partitions.append(one)

    async def keep(self, refused: list[Quarantined], key_id: str | None) -> dict[int, str]:
        """Put what was refused into quarantine, or into the topic while the database is away.

        Raises BufferAway, NotAcknowledged, RuleViolation.
        """
        async with self._keeping:
            if monotonic() >= self._database_away_until:
                try:
                    return await self._kept.quarantine(refused, key_id)
                except DatabaseUnavailable:
                    self._database_away_until = monotonic() + _AWAY_SECONDS
        await self._keep_in_topic(refused, key_id)
        return {}

    async def _keep_in_topic(self, refused: list[Quarantined], key_id: str | None) -> None:
        if not self._watch.connected:
            raise BufferAway
        value = encoded_refused(refused, key_id)
        if len(value) > MOST_BYTES:
            if len(refused) == 1:
                # it is to be sent again when the database is back
                raise BufferAway
            middle = len(refused) // 2
            await self._keep_in_topic(refused[:middle], key_id)
            await self._keep_in_topic(refused[middle:], key_id)
            return
        answer: asyncio.Future[str | None] = asyncio.get_running_loop().create_future()

        def told(problem: str | None) -> None:
            self._watch.note(problem)
            if not answer.done():
                answer.set_result(problem)

        number = crc32(value) % len(self._partitions)
        if not self._sender.send(number, value, told) or await answer:
            raise NotAcknowledged
