"""Mark of a committed offset: when the last record before it was sent, for whoever looks."""

from __future__ import annotations

from confluent_kafka import TopicPartition

from service.buffer.taken import Place


def marked(place: Place, offset: int, sent_at: float) -> TopicPartition:
    """An offset with its mark, as the group's offsets have it; `sent_at` in seconds since 1970.

    Without one where that is 0: unknown.
    """
    if not sent_at:
        return TopicPartition(*place, offset)
    return TopicPartition(*place, offset, metadata=str(round(sent_at * 1000)))


def stored_until_ms(offset: TopicPartition) -> int | None:
    """When the last record before an offset was sent, in ms since 1970; None if it has no mark."""
    told = offset.metadata or ""
    return int(told) if told.isascii() and told.isdecimal() and len(told) < 16 else None
