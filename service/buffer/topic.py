"""Topic of the buffer: how many copies of a record there are before it is acknowledged."""

from __future__ import annotations

import logging
from concurrent.futures import Future
from typing import Any, cast

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient
from confluent_kafka.admin._config import ConfigResource
from confluent_kafka.admin._resource import ResourceType

from service.buffer.address import Address

_log = logging.getLogger(__name__)

_ENOUGH = 2
_SETTING = "min.insync.replicas"
_LARGEST = "max.message.bytes"
# a record, what Kafka puts around it, and room for one that is hardly made smaller
_ENOUGH_BYTES = 500_000


def warnings(address: Address, timeout_seconds: float) -> list[str]:
    """What makes the topic less safe than it should be. Raises KafkaException."""
    admin = AdminClient(address.client("look at the topic"))
    topic = address.topic
    found = admin.list_topics(topic, timeout=timeout_seconds).topics[topic]
    if found.error is not None:
        raise KafkaException(found.error)
    told: list[str] = []
    replicas = min(len(one.replicas) for one in found.partitions.values())
    if replicas < _ENOUGH:
        told.append(
            f"the topic {topic} has {replicas} replica: what was acknowledged is lost with that"
            " broker; make it with a replication factor of 3"
        )
    resource = ConfigResource(ResourceType.TOPIC, topic)
    try:
        # its types say nothing of what comes
        futures: dict[ConfigResource, Future[Any]] = cast("Any", admin).describe_configs(
            [resource], request_timeout=timeout_seconds
        )
        settings = futures[resource].result(timeout_seconds)
        in_sync, largest = int(settings[_SETTING].value), int(settings[_LARGEST].value)
    except (KafkaException, TimeoutError, KeyError, ValueError) as error:
        told.append(f"the settings of the topic {topic} could not be looked at: {error}")
    else:
        if in_sync < _ENOUGH:
            told.append(
                f"the topic {topic} has {_SETTING}={in_sync}: a record may be acknowledged that"
                f" one broker has; set it to {_ENOUGH}"
            )
        if largest < _ENOUGH_BYTES:
            told.append(
                f"the topic {topic} has {_LARGEST}={largest}: it takes no record of many readings,"
                f" so that whoever sends them hears 503; set it to {_ENOUGH_BYTES} at least"
            )
    return told


def tell_warnings(address: Address, timeout_seconds: float) -> None:
    """Tell the operator, loudly, what makes the topic less safe. Raises KafkaException."""
    for warning in warnings(address, timeout_seconds):
        _log.warning("THE BUFFER IS NOT SAFE: %s", warning)
