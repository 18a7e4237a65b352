"""Progress through partitions: what should come next, and what never came."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable

from confluent_kafka import Consumer as Client
from confluent_kafka import KafkaException, TopicPartition

from service.buffer.taken import Place, Record, place_of

_log = logging.getLogger(__name__)

_ASK_SECONDS = 3.0


class Progress:
    """Follows the offsets of partitions, and tells loudly of records that were removed unread.

    Used by the client's thread alone.
    """

    def __init__(self, lost: Callable[[int], None]) -> None:
        """`lost` is told how many records were removed before this worker could take them."""
        # by partition: the offset of the next record; None where that is not known
        self._next: dict[Place, int | None] = {}
        self._lost = lost

    def forget(self, some: Iterable[Place]) -> None:
        """Partitions are another worker's from now on."""
        for place in some:
            self._next.pop(place, None)

    def learn(self, client: Client, some: Iterable[Place]) -> None:
        """Ask where the group was in partitions that are new here."""
        new = sorted(set(some) - self._next.keys())
        if not new:
            return
        self._next |= dict.fromkeys(new)
        try:
            for one in client.committed([TopicPartition(*place) for place in new], _ASK_SECONDS):
                if one.error is None and one.offset >= 0:
                    self._next[place_of(one)] = one.offset
        except KafkaException as error:
            _log.warning("where the group was is not known: %s", error.args[0].str())

    def follow(self, client: Client, record: Record) -> bool:
        """Take a record as the next one; return whether its partition starts again with it."""
        place, offset = record.place, record.offset
        expected = self._next.get(place)
        self._next[place] = offset + 1
        if expected is None or offset == expected:
            return False
        if offset > expected:
            self._skipped(client, record, expected)
            return False
        _log.error(
            "THE BUFFER STARTS AGAIN: %s/%d is at %d, and was at %d: the topic was made again, or"
            " brokers lost the end of it",
            *(*place, offset, expected),
        )
        return True

    def _skipped(self, client: Client, record: Record, expected: int) -> None:
        try:
            first, _ = client.get_watermark_offsets(TopicPartition(*record.place), _ASK_SECONDS)
        except KafkaException as error:
            _log.warning("the start of %s/%d: %s", *record.place, error.args[0].str())
            first = record.offset
        # what a transaction ends with takes an offset, and is no record
        lost = min(first, record.offset) - expected
        if lost > 0:
            self._lost(lost)
            _log.error(
                "READINGS ARE LOST: %d records of %s/%d, from %d on, were removed by the topic's"
                " retention before a worker stored them",
                *(lost, *record.place, expected),
            )
