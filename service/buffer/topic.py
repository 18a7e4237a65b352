"""Topic of the buffer: how many copies of a record there are before it is acknowledged."""

from __future__ import annotations

import logging
from concurrent.futures import Future
from typing import Any, NamedTuple, cast

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient
from confluent_kafka.admin._config import ConfigResource
from confluent_kafka.admin._resource import ResourceType

from service.buffer.address import Address

_log = logging.getLogger(__name__)

_ENOUGH = 2
_IN_SYNC = "min.insync.replicas"
_KEPT = "retention.ms"
_LARGEST = "max.message.bytes"
# a record, what Kafka puts around it, and room for one that is hardly made smaller
_ENOUGH_BYTES = 500_000


class Settings(NamedTuple):
    """What a topic is kept by; None: not known, or without end."""

    replicas: int | None
    in_sync: int | None
    kept_seconds: float | None
    largest_bytes: int | None


def settings_of(admin: AdminClient, topic: str, timeout_seconds: float) -> Settings:
    """What a topic is kept by now. Raises KafkaException."""
    found = admin.list_topics(topic, timeout=timeout_seconds).topics[topic]
    if found.error is not None:
        raise KafkaException(found.error)
    replicas = min(len(one.replicas) for one in found.partitions.values())
    resource = ConfigResource(ResourceType.TOPIC, topic)
    try:
        # its types say nothing of what comes
        futures: dict[ConfigResource, Future[Any]] = cast("Any", admin).describe_configs(
            [resource], request_timeout=timeout_seconds
        )
        told = futures[resource].result(timeout_seconds)
        in_sync, kept_ms, largest = (int(told[n].value) for n in (_IN_SYNC, _KEPT, _LARGEST))
    except (KafkaException, TimeoutError, KeyError, ValueError) as error:
        _log.debug("settings of the topic %s could not be looked at: %s", topic, error)
        return Settings(replicas, None, None, None)
    kept_seconds = kept_ms / 1000 if kept_ms >= 0 else None
    return Settings(replicas, in_sync, kept_seconds, largest)


def warnings(address: Address, timeout_seconds: float) -> list[str]:
    """What makes the topic less safe than it should be. Raises KafkaException."""
    admin = AdminClient(address.client("look at the topic"))
    topic = address.topic
    found = settings_of(admin, topic, timeout_seconds)
    told: list[str] = []
    if found.replicas is not None and found.replicas < _ENOUGH:
        told.append(
            f"the topic {topic} has {found.replicas} replica: what was acknowledged is lost with"
            " that broker; make it with a replication factor of 3"
        )
    if found.in_sync is None:
        told.append(f"the settings of the topic {topic} could not be looked at")
    elif found.in_sync < _ENOUGH:
        told.append(
            f"the topic {topic} has {_IN_SYNC}={found.in_sync}: a record may be acknowledged that"
            f" one broker has; set it to {_ENOUGH}"
        )
    if found.largest_bytes is not None and found.largest_bytes < _ENOUGH_BYTES:
        told.append(
            f"the topic {topic} has {_LARGEST}={found.largest_bytes}: it takes no record of many"
            f" readings, so that whoever sends them hears 503; set it to {_ENOUGH_BYTES} at least"
        )
    return told


def tell_warnings(address: Address, timeout_seconds: float) -> None:
    """Tell the operator, loudly, what makes the topic less safe. Raises KafkaException."""
    for warning in warnings(address, timeout_seconds):
        _log.warning("THE BUFFER IS NOT SAFE: %s", warning)
