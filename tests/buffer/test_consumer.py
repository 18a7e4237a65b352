"""Consumer of records: what the group does not take down at first, it is asked for again."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Any

import pytest
from confluent_kafka import Consumer as Client
from confluent_kafka import KafkaError, KafkaException

from service.buffer import consumer as module
from service.buffer.address import Address
from service.buffer.consumer import Consumer
from service.buffer.taken import Record
from service.settings import Settings
from tests.buffer.test_way import put
from tests.support.kafka import Brokers

SECONDS = 60
REFUSED = 3


class Refusing(Client):
    """A client whose first commits are refused, as while partitions change hands."""

    refused = 0

    def commit(self, *arguments: Any, **options: Any) -> Any:
        if self.refused < REFUSED:
            self.refused += 1
            raise KafkaException(KafkaError(KafkaError.REBALANCE_IN_PROGRESS))
        return super().commit(*arguments, **options)


async def taken(consumer: Consumer, enough: Callable[[list[Record]], bool]) -> list[Record]:
    """Take records until there are enough."""
    records: list[Record] = []
    async with asyncio.timeout(SECONDS):
        while not enough(records):
            records += await consumer.take(0.1, pause=False)
    return records


@pytest.mark.slow
def test_offsets_that_are_not_committed_are_committed_later_without_another_record(
    brokers: Brokers,
    topic: str,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(module, "Client", Refusing)
    put(brokers, topic, b"first", b"second")

    async def consume() -> dict[tuple[str, int], int]:
        consumer = Consumer(Address(Settings(buffer=brokers.url(topic))))
        await consumer.start()
        for record in await taken(consumer, lambda records: len(records) == 2):
            consumer.stored(record)
        lag: dict[tuple[str, int], int] | None = None
        async with asyncio.timeout(SECONDS):
            while lag is None or lag[topic, 0]:
                assert await consumer.take(0.1, pause=False) == []
                lag = await consumer.lag()
        await consumer.stop()
        return lag

    with caplog.at_level(logging.WARNING):
        assert asyncio.run(consume())[topic, 0] == 0
    told = [line for line in caplog.messages if "could not be committed" in line]
    assert len(told) == 1, told
    client = Client({"bootstrap.servers": brokers.addresses, "group.id": "wattledger"})
    [found] = client.committed([module.TopicPartition(topic, 0)], 30)
    client.close()
    assert found.offset == 2
