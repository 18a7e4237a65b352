"""Records as they were taken from a topic, and where they were."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec
from confluent_kafka import Message, TopicPartition

# a topic, and the number of a partition of it
Place = tuple[str, int]


class Record(msgspec.Struct, gc=False):
    """A record as it came, and where it was; `term` is how often its partition was lost before.

    `era` is how often its partition had started again, at an offset that was there before.
    `sent_at`: when it was sent, in seconds since 1970, by the clock of whoever did; 0 if unknown.
    `by_gateway`: of gateways' own topic; only there `key` and `content_type` tell anything.
    """

    topic: str
    partition: int
    offset: int
    value: bytes
    term: int
    era: int = 0
    sent_at: float = 0.0
    by_gateway: bool = False
    key: bytes = b""
    content_type: str = ""

    @property
    def place(self) -> Place:
        """Its partition."""
        return self.topic, self.partition

    @property
    def source(self) -> str:
        """Its place, as the quarantine has it."""
        return f"{self.topic}/{self.partition}/{self.offset}"


def record_of(message: Message, gateway_topic: str | None) -> Record:
    """The record that a message is, of the first term."""
    topic, partition, offset = message.topic(), message.partition(), message.offset()
    assert topic is not None  # noqa: S101  records that came have a place
    assert partition is not None  # noqa: S101
    assert offset is not None  # noqa: S101
    _, sent_ms = message.timestamp()
    record = Record(topic, partition, offset, message.value() or b"", 0)
    record.sent_at = max(sent_ms, 0) / 1000
    if topic == gateway_topic:
        record.by_gateway = True
        record.key = message.key() or b""
        record.content_type = _content_type(message)
    return record


def _content_type(message: Message) -> str:
    """What the header of that name says, if there is one that can be read."""
    try:
        headers = message.headers() or []
    except ValueError:
        # a name that is no text
        return ""
    for name, value in headers:
        if name.lower() == "content-type" and value:
            text = value if isinstance(value, str) else value.decode("latin-1")
            return text.partition(";")[0].strip().lower()
    return ""


def place_of(partition: TopicPartition) -> Place:
    """A partition by topic and number."""
    return partition.topic, partition.partition


def places(partitions: Iterable[TopicPartition]) -> set[Place]:
    """Partitions by topic and number."""
    return {place_of(one) for one in partitions}


def listed(some: Iterable[Place]) -> str:
    """Partitions for a line of the log."""
    return ", ".join(f"{topic}/{partition}" for topic, partition in sorted(some)) or "none"
