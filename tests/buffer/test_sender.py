"""The producer of the buffer: what it cannot get over ends it, not the service that sends."""

from __future__ import annotations

import asyncio
import ctypes
from collections.abc import Callable

import pytest
from confluent_kafka import KafkaError, Producer, cimpl

from service.buffer import sender as module
from service.buffer.address import Address
from service.buffer.counts import SenderCounts
from service.buffer.record import EMPTY
from service.buffer.sender import Sender
from service.settings import Settings
from tests.support.kafka import Brokers

SECONDS = 60


def fail(producer: Producer) -> None:
    """Have the client meet an error that it cannot get over, as its own function for tests does."""
    client = ctypes.CDLL(cimpl.__file__)
    client.rd_kafka_name.argtypes = [ctypes.c_void_p]
    client.rd_kafka_name.restype = ctypes.c_char_p
    client.rd_kafka_test_fatal_error.argtypes = [ctypes.c_void_p, ctypes.c_int, ctypes.c_char_p]
    # it follows the two words that each object of Python's starts with
    its_client = ctypes.c_void_p.from_address(id(producer) + 2 * ctypes.sizeof(ctypes.c_void_p))
    assert b"#producer-" in client.rd_kafka_name(its_client)
    code = KafkaError.OUT_OF_ORDER_SEQUENCE_NUMBER
    assert client.rd_kafka_test_fatal_error(its_client, code, b"as if records were gone") == 0


async def until(happened: Callable[[], bool]) -> None:
    """Look again and again, while the loop goes on, until it has happened."""
    async with asyncio.timeout(SECONDS):
        while not happened():  # noqa: ASYNC110  there is no event for it
            await asyncio.sleep(0.02)


@pytest.mark.parametrize("under_way", [0, 50])
def test_a_producer_that_fails_for_good_is_made_anew_and_each_record_is_told_of(
    brokers: Brokers, topic: str, monkeypatch: pytest.MonkeyPatch, under_way: int
) -> None:
    made: list[Producer] = []

    class Watched(Producer):
        def __init__(self, *arguments: object, **options: object) -> None:
            super().__init__(*arguments, **options)
            made.append(self)

    monkeypatch.setattr(module, "Producer", Watched)
    told: list[str | None] = []

    async def send() -> None:
        counts = SenderCounts()
        address = Address(Settings(buffer=brokers.url(topic)))
        sender = Sender(address, timeout_seconds=15, most_bytes=2**20, counts=counts)
        sender.start()
        assert sender.send(0, EMPTY, told.append)
        await until(lambda: told == [None])
        for _ in range(under_way):
            assert sender.send(0, EMPTY, told.append)
        fail(made[0])
        # those that are refused at once were not sent
        sent = 1 + under_way + sum(sender.send(0, EMPTY, told.append) for _ in range(2))
        await until(lambda: len(told) == sent and len(made) == 2)
        assert sender.sending == 0
        before = len(told)
        assert sender.send(0, EMPTY, told.append)
        await until(lambda: told[before:] == [None])
        await asyncio.wait_for(sender.stop(), SECONDS)
        assert sender.sending == 0

    asyncio.run(send())
    assert len(made) == 2
