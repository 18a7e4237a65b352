"""Producer of records, and the thread that hears what became of each.

It is librdkafka's plain producer: idempotent, so that a record that is sent again after a broken
connection stands in the topic once, and `acks=all`, so that it is acknowledged when all replicas
in sync have it. That is their memory, not their disks: what it means is in docs/operations.md.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Callable
from contextlib import suppress
from functools import partial

from confluent_kafka import KafkaError, KafkaException, Message, Producer

from service.buffer.address import Address
from service.buffer.counts import SenderCounts
from service.buffer.telling import Telling

_log = logging.getLogger(__name__)

# what became of a record: None where it is acknowledged, else why it may not be in the topic
Delivered = Callable[[str | None], None]

_POLL_SECONDS = 0.1
# what came within it goes in one request to a broker, where there are several partitions
_LINGER_MILLISECONDS = 2
# a record has less than half of what brokers take, unless told otherwise (message.max.bytes)
MOST_BYTES = 400_000
_ALL_DOWN = KafkaError._ALL_BROKERS_DOWN  # pyright: ignore[reportPrivateUsage]
# by the code, since what produce() raises does not say of itself that it is fatal
_FATAL = KafkaError._FATAL  # pyright: ignore[reportPrivateUsage]


class Sender:
    """Sends records to partitions; each is told of in the event loop, once."""

    def __init__(
        self,
        address: Address,
        *,
        timeout_seconds: float,
        most_bytes: int,
        counts: SenderCounts | None = None,
    ) -> None:
        """`most_bytes`: what may wait to be sent; `timeout_seconds`: for how long it is tried.

        `counts`: where records are counted, if others should see that.
        """
        self._address = address
        self._counts = counts or SenderCounts()
        # records that are sent and not told of yet
        self.sending = 0
        self._options = {
            "acks": "all",
            "enable.idempotence": True,
            "linger.ms": _LINGER_MILLISECONDS,
            "compression.type": "lz4",
            "message.timeout.ms": round(timeout_seconds * 1000),
            "socket.timeout.ms": 10_000,
            "queue.buffering.max.kbytes": max(1024, most_bytes // 1024),
            "queue.buffering.max.messages": 1_000_000,
            "error_cb": self._note,
        }
        # what a connection failed for last, such as a wrong password
        self.problem: str | None = None
        self._telling: Telling | None = None
        self._producer: Producer | None = None
        self._thread: threading.Thread | None = None
        self._stopping = False

    def start(self) -> None:
        """Start it, in the loop that is to be told; it connects by itself."""
        self._telling = Telling(asyncio.get_running_loop())
        self._producer = self._made()
        self._thread = threading.Thread(target=self._poll, name="buffer", daemon=True)
        self._thread.start()

    def _made(self) -> Producer:
        return Producer(self._address.client("api", **self._options))

    async def stop(self) -> None:
        """End; what is still under way is not waited for, but told of before."""
        self._stopping = True
        if self._producer is not None:
            self._producer.purge()
        if self._thread is not None:
            await asyncio.to_thread(self._thread.join)

    def send(self, partition: int, value: bytes, tell: Delivered) -> bool:
        """Send a record; false, and `tell` is not called, where there is no room for it."""
        assert self._producer is not None  # noqa: S101  start() makes it
        assert self._telling is not None  # noqa: S101  start() makes it
        put = self._telling.put

        def told(error: KafkaError | None, sent: Message) -> None:
            problem = None if error is None else error.str()
            put(partial(self._ended, tell, problem, len(value), sent.latency() or 0.0))

        producer = self._producer
        try:
            producer.produce(
                self._address.topic, value=value, partition=partition, on_delivery=told
            )
        except (BufferError, KafkaException) as error:
            if isinstance(error, KafkaException) and error.args[0].code() == _FATAL:
                self._renew(producer)
            self._counts.failed()
            return False
        self.sending += 1
        return True

    def partitions(self, timeout_seconds: float) -> int:
        """How many partitions the topic has now; waits for a broker. Raises KafkaException."""
        assert self._producer is not None  # noqa: S101  start() makes it
        topic = self._address.topic
        found = self._producer.list_topics(topic, timeout=timeout_seconds).topics[topic]
        if found.error is not None:
            raise KafkaException(found.error)
        return len(found.partitions)

    def _note(self, error: KafkaError) -> None:
        # that all are down says less than what each of them is down for
        if error.code() != _ALL_DOWN:
            self.problem = error.str()

    def _ended(self, tell: Delivered, problem: str | None, size_bytes: int, seconds: float) -> None:
        self.sending -= 1
        if problem is None:
            self._counts.acknowledged(size_bytes, seconds)
        else:
            self._counts.failed()
        tell(problem)

    def _poll(self) -> None:
        assert self._telling is not None  # noqa: S101  start() makes it
        while True:
            producer = self._producer
            assert producer is not None  # noqa: S101  start() makes it
            try:
                producer.poll(_POLL_SECONDS)
            except KafkaException as error:
                # what it cannot get over is raised here, once, whatever callbacks there are
                _log.error("the producer of the buffer failed: %s", error.args[0].str())
                self._telling.put(partial(self._renew, producer))
            if self._stopping and len(producer) == 0:
                return

    def _renew(self, failed: Producer) -> None:
        """Go on with another producer after an error that the client cannot get over."""
        if self._producer is not failed:
            return
        try:
            self._producer = self._made()
        except KafkaException as error:
            _log.error("another producer of the buffer cannot be made: %s", error.args[0].str())
            return
        _log.error("the producer of the buffer could not go on, and was made anew")
        threading.Thread(target=_end, args=[failed], name="buffer's end", daemon=True).start()


def _end(producer: Producer) -> None:
    """Have each record told of that a producer did not send, or whose end it does not know."""
    producer.purge()
    while len(producer):
        # it may raise first what it failed by
        with suppress(KafkaException):
            producer.flush(1)
