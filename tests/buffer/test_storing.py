"""Storing of records that are odd, or in a database that has trouble: none of them is lost."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import msgspec
import psycopg

from service.buffer.storing import Storing
from service.buffer.taken import Record
from service.ingest.store import Store
from service.settings import Settings
from tests.buffer.test_way import count, readings, row

Connection = psycopg.Connection[tuple[Any, ...]]


@asynccontextmanager
async def storing(url: str, **settings: Any) -> AsyncGenerator[Storing]:
    """What stores records in a database."""
    loaded = Settings(**settings)
    store = Store(url, loaded)
    try:
        yield Storing(store, loaded)
    finally:
        await store.close()


def records(*values: bytes, topic: str = "t") -> list[Record]:
    return [Record(topic, 0, offset, value, 0) for offset, value in enumerate(values)]


def refused(*entries: tuple[Any, ...], key_id: str | None = None) -> bytes:
    """A record of what was refused at the door."""
    return msgspec.msgpack.encode(["refused/1", key_id, entries])


def test_whatever_a_record_says_of_what_was_refused_its_bytes_are_kept(
    service_url: str, connection: Connection
) -> None:
    odd = records(
        refused((7, "malformed", "a\0detail", "text/plain", b"1")),
        refused((2**40, "malformed", "d", "text/plain", b"2"), (-1, "future", "d", "t", b"3")),
        refused((None, "no\0reason", "d", "text\0/plain", b"4"), key_id="a\0key"),
        refused((1, "unheard_of", "d", "text/plain", b"5"), (1, "malformed", "d", "t", b"6")),
        readings(row("M-\0", 1e9), row("M-2"), key_id="k\0"),
        b"poison",
    )

    async def store() -> None:
        async with storing(service_url) as one:
            await one.store(odd)
            await one.store(odd)

    asyncio.run(asyncio.wait_for(store(), 30))
    raws = sorted(
        raw for (raw,) in connection.execute("SELECT q.raw FROM telemetry.quarantine AS q")
    )
    assert raws[:7] == [b"1", b"2", b"3", b"4", b"5", b"6", b"poison"]
    assert len(raws) == 8
    assert count(connection) == 1
