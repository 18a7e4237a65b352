"""Consumer of records: in a group of workers that share the topics' partitions."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from threading import Lock
from typing import NamedTuple

from confluent_kafka import Consumer as Client
from confluent_kafka import KafkaError, KafkaException, Message, TopicPartition

from service.buffer.address import Address, BufferUnusable
from service.buffer.holdings import Holdings
from service.buffer.own_thread import OwnThread
from service.buffer.progress import Progress
from service.buffer.stored_until import marked
from service.buffer.taken import Place, Record, listed, place_of, places, record_of

_log = logging.getLogger(__name__)

# another worker gets the partitions of one that was killed after so long
_SESSION_SECONDS = 10
_MOST_AHEAD_KILOBYTES = 32 * 1024
_MOST_RECORDS = 1_000
_LEAVE_SECONDS = 10.0


class _Done(NamedTuple):
    """The offset after the last record that is stored, and when that one was sent."""

    offset: int
    sent_at: float


class Consumer:
    """Takes records; partitions come and go while it does.

    The client is used by one thread, its own, which also calls what is told of partitions.
    """

    def __init__(self, address: Address, holdings: Holdings | None = None) -> None:
        """`holdings`: what hears of partitions, if others should see that."""
        self._holdings = holdings or Holdings()
        self._topics = [address.topic]
        self._gateway_topic = address.gateway_topic
        if address.gateway_topic is not None:
            self._topics.append(address.gateway_topic)
        self._client = Client(
            address.client(
                "worker",
                **{
                    "group.id": address.group,
                    "enable.auto.commit": False,
                    "auto.offset.reset": "earliest",
                    "partition.assignment.strategy": "cooperative-sticky",
                    "session.timeout.ms": _SESSION_SECONDS * 1000,
                    "queued.max.messages.kbytes": _MOST_AHEAD_KILOBYTES,
                    "error_cb": self._tell,
                    "on_commit": self._committed,
                },
            )
        )
        self._thread = OwnThread("consumer")
        self._owned: set[Place] = set()
        # how often each partition was given up: what was taken before comes again, to whoever has
        # it then, and what is committed must have no such gap before it
        self._terms: Counter[Place] = Counter()
        # how often each started again: offsets of before are not to be committed then
        self._eras: Counter[Place] = Counter()
        self._progress = Progress(self._holdings.lost)
        # by partition, where it is not committed
        self._done: dict[Place, _Done] = {}
        # by partition: what the group was asked to keep last
        self._asked: dict[Place, _Done] = {}
        self._refused = False
        self._lock = Lock()
        self._paused = False
        self._ending = False
        # kinds of what is wrong
        self._told: set[int] = set()

    async def start(self) -> None:
        """Join the group; what it has is taken as it comes."""
        await self._thread.call(self._subscribe)

    async def stop(self) -> None:
        """Commit what is done, and leave the group."""
        self._ending = True
        leaving = self._thread.call(self._leave)
        self._thread.end()
        await asyncio.wait([leaving], timeout=_LEAVE_SECONDS)
        if leaving.done():
            leaving.result()
        else:
            # it takes over by itself what is not committed
            _log.warning("the group does not hear that this worker ends")

    async def take(self, wait_seconds: float, *, pause: bool) -> list[Record]:
        """Records that came within the time; partitions come and go meanwhile (see `holds`).

        With `pause` nothing is taken, but the group hears that this worker lives. Raises
        BufferUnusable.
        """
        return await self._thread.call(lambda: self._take(wait_seconds, pause))

    async def lag(self) -> dict[Place, int] | None:
        """How many records of each partition are not stored; None while that cannot be known."""
        if self._ending:
            return None
        fetching = not self._paused
        return await self._thread.call(lambda: self._holdings.lag(self._client, fetching=fetching))

    def holds(self, record: Record) -> bool:
        """Whether a record is this worker's still; one that is not comes again to its owner."""
        return self._terms[record.place] == record.term

    def stored(self, record: Record) -> None:
        """Have the group told, soon, that all up to a record of a partition is stored."""
        with self._lock:
            if self.holds(record) and self._eras[record.place] == record.era:
                self._note(record.place, _Done(record.offset + 1, record.sent_at))

    def _note(self, place: Place, done: _Done) -> None:
        self._done[place] = max(done, self._done.get(place, done))

    def _subscribe(self) -> None:
        self._client.subscribe(
            self._topics,
            on_assign=self._assigned,
            on_revoke=self._revoked,
            on_lost=self._lost,
        )

    def _leave(self) -> None:
        self._commit()
        self._client.close()

    def _take(self, wait_seconds: float, pause: bool) -> list[Record]:
        if self._done:
            self._commit()
        if pause:
            # each time: partitions that came meanwhile are not paused
            self._client.pause(self._client.assignment())
        elif self._paused:
            self._client.resume(self._client.assignment())
        self._paused = pause
        # the first one as soon as it is there, the others as far as they are
        first = self._client.poll(wait_seconds)
        if first is None:
            return []
        # each with the term that it came in: the second call may lose partitions, too
        records = self._records([first])
        records += self._records(self._client.consume(_MOST_RECORDS, 0))
        if records:
            self._told.clear()
        return records

    def _records(self, messages: list[Message]) -> list[Record]:
        found: list[Record] = []
        for message in messages:
            if (error := message.error()) is not None:
                if error.fatal():
                    raise BufferUnusable(error.str())
                self._tell(error)
                continue
            found.append(record_of(message, self._gateway_topic))
        self._progress.learn(self._client, {record.place for record in found})
        for record in found:
            if self._progress.follow(self._client, record):
                self._start_again(record.place)
            record.term, record.era = self._terms[record.place], self._eras[record.place]
        return found

    def _start_again(self, place: Place) -> None:
        with self._lock:
            self._eras[place] += 1
            self._done.pop(place, None)
            self._asked.pop(place, None)

    def _commit(self) -> None:
        """Commit what is done of partitions that it has, and forget what is done of others.

        Nobody waits for it, which may be for ever while brokers are away. What comes after it,
        such as leaving the group, reaches the same broker after it.
        """
        with self._lock:
            done, self._done = self._done, {}
        asked = {place: one for place, one in done.items() if place in self._owned}
        if not asked:
            return
        self._asked |= asked
        offsets = [marked(place, *one) for place, one in asked.items()]
        try:
            self._client.commit(offsets=offsets, asynchronous=True)
        except KafkaException as error:
            self._committed(error.args[0], offsets)

    def _committed(self, error: KafkaError | None, offsets: list[TopicPartition]) -> None:
        self._holdings.committed(one for one in offsets if (error or one.error) is None)
        failed = [one for one in offsets if (error or one.error) is not None]
        if not failed:
            self._refused = False
            return
        # such as while partitions change hands; perhaps no record comes that would ask again
        with self._lock:
            for one in failed:
                place = place_of(one)
                asked = self._asked.get(place)
                if asked is not None and asked.offset == one.offset:
                    self._note(place, asked)
        if not self._refused:
            self._refused = True
            why = error or failed[0].error
            _log.warning("what is stored could not be committed, asking on: %s", why and why.str())

    def _tell(self, error: KafkaError) -> None:
        """Say what is wrong, once of its kind until records come again."""
        if error.code() not in self._told:
            self._told.add(error.code())
            _log.warning("the buffer cannot be read well, trying on: %s", error.str())

    def _assigned(self, _: Client, partitions: list[TopicPartition]) -> None:
        new = places(partitions)
        self._owned |= new
        self._progress.forget(new)
        self._holdings.assigned(new)
        _log.info("took over the partitions %s; has %s", listed(new), listed(self._owned))

    def _revoked(self, _: Client, partitions: list[TopicPartition]) -> None:
        self._commit()
        self._give_up(places(partitions))

    def _lost(self, _: Client, partitions: list[TopicPartition]) -> None:
        # another has them already: what is done of them is not ours to commit any more
        self._give_up(places(partitions), lost=True)

    def _give_up(self, gone: set[Place], *, lost: bool = False) -> None:
        self._owned -= gone
        self._progress.forget(gone)
        self._holdings.given_up(gone, lost=lost)
        with self._lock:
            self._terms.update(gone)
            for place in gone:
                self._done.pop(place, None)
                self._asked.pop(place, None)
        if gone:
            _log.info("gave up the partitions %s; has %s", listed(gone), listed(self._owned))
