"""Holdings of a worker: its partitions, and how many of their records are not stored yet."""

from __future__ import annotations

import logging
from collections.abc import Iterable

from confluent_kafka import Consumer, KafkaException, TopicPartition

from service.buffer.counts import WorkerCounts
from service.buffer.taken import Place, place_of

_log = logging.getLogger(__name__)

_LOOK_SECONDS = 1.0


class Holdings:
    """Hears what becomes of partitions; all is called by the consumer's thread."""

    def __init__(self, counts: WorkerCounts | None = None) -> None:
        """`counts`: where rebalances are counted, if others should see that."""
        self._counts = counts or WorkerCounts()
        # of each partition the offset after the last one that is stored; None: not known yet
        self._next: dict[Place, int | None] = {}
        # whether the group knows this worker, perhaps without a partition for it
        self.joined = False

    def assigned(self, some: Iterable[Place]) -> None:
        """Partitions came."""
        self.joined = True
        self._next |= dict.fromkeys(some)
        self._counts.partitions(len(self._next))

    def given_up(self, some: Iterable[Place], *, lost: bool = False) -> None:
        """Partitions went; `lost`: with the membership in the group."""
        self.joined = not lost
        for place in some:
            self._next.pop(place, None)
        self._counts.partitions(len(self._next))

    def lost(self, records: int) -> None:
        """So many records of a partition were removed before this worker could take them."""
        self._counts.lost(records)

    def committed(self, offsets: Iterable[TopicPartition]) -> None:
        """Offsets are committed."""
        for one in offsets:
            if place_of(one) in self._next:
                self._next[place_of(one)] = one.offset

    def lag(self, client: Consumer, *, fetching: bool) -> dict[Place, int] | None:
        """How many records of each partition are not stored; None while that cannot be known.

        `fetching`: then the client knows the ends, and no broker is asked for them.
        """
        try:
            return self._lag(client, fetching)
        except KafkaException as error:
            _log.debug("how much waits is not known: %s", error)
            return None

    def _lag(self, client: Consumer, fetching: bool) -> dict[Place, int]:
        new = [TopicPartition(*place) for place, offset in self._next.items() if offset is None]
        for one in client.committed(new, timeout=_LOOK_SECONDS) if new else ():
            if one.error is not None:
                raise KafkaException(one.error)
            self._next[place_of(one)] = one.offset
        found: dict[Place, int] = {}
        for place, offset in self._next.items():
            assert offset is not None  # noqa: S101  asked above
            first, end = client.get_watermark_offsets(TopicPartition(*place), cached=True)
            if not fetching or end < 0 or offset < 0:
                first, end = client.get_watermark_offsets(
                    TopicPartition(*place), timeout=_LOOK_SECONDS
                )
            # nothing was committed: then it begins with the first one that is there
            found[place] = max(end - max(offset, first), 0)
        return found
