"""Storing of records that are odd, or in a database that has trouble: none of them is lost."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from service.buffer.storing import Stored, Storing
from service.buffer.taken import Record
from service.database.conninfo import reason
from service.database.errors import DatabaseUnavailable
from service.ingest.store import Store
from service.settings import Settings
from tests.buffer.test_way import count, quarantined, readings, row

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


def stored(url: str, odd: list[Record], seconds: float = 30, **settings: Any) -> Stored:
    """What becomes of records. Raises DatabaseUnavailable."""

    async def store() -> Stored:
        async with storing(url, **settings) as one:
            return await one.store(odd)

    return asyncio.run(asyncio.wait_for(store(), seconds))


@pytest.mark.parametrize(
    ("broken", "mended", "why"),
    [
        (
            "REVOKE EXECUTE ON ALL FUNCTIONS IN SCHEMA api FROM wattledger_service",
            "GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA api TO wattledger_service",
            "permission denied",
        ),
        (
            "ALTER FUNCTION api.quarantine_readings RENAME TO elsewhere",
            "ALTER FUNCTION api.elsewhere RENAME TO quarantine_readings",
            "does not exist",
        ),
        ("ALTER SCHEMA api RENAME TO b", "ALTER SCHEMA b RENAME TO api", "does not exist"),
        (
            "ALTER TABLE telemetry.quarantine ADD CONSTRAINT nothing CHECK (FALSE) NOT VALID",
            "ALTER TABLE telemetry.quarantine DROP CONSTRAINT nothing",
            "nothing",
        ),
        (
            # of this database alone: other tests have theirs on the same server
            "ALTER ROLE wattledger_service IN DATABASE {database}"
            " SET default_transaction_read_only = on",
            "ALTER ROLE wattledger_service IN DATABASE {database}"
            " RESET default_transaction_read_only",
            "read-only transaction",
        ),
    ],
)
def test_what_a_database_does_not_take_for_reasons_of_its_own_is_not_done(
    service_url: str, connection: Connection, broken: str, mended: str, why: str
) -> None:
    odd = records(readings(row("M-1"), row("M-2", 1e9)), b"poison")
    database = connection.info.dbname

    async def store() -> Stored:
        async with storing(service_url) as one:
            connection.execute(broken.format(database=database))
            try:
                for _ in range(2):
                    with pytest.raises(DatabaseUnavailable) as refused:
                        await one.store(odd)
                    assert why in reason(refused.value)
            finally:
                connection.execute(mended.format(database=database))
            # the same process goes on by itself
            return await one.store(odd)

    result = asyncio.run(asyncio.wait_for(store(), 30))
    assert result.refused == 2
    assert (count(connection), len(quarantined(connection))) == (1, 2)


@pytest.mark.parametrize(
    ("name", "value"),
    [("options", "-c work_mem=much"), ("sslmode", "nonsense"), ("password", "wrong")],
)
def test_a_connection_that_is_not_made_is_no_readings_fault(
    service_url: str, connection: Connection, name: str, value: str
) -> None:
    with pytest.raises(DatabaseUnavailable) as refused:
        stored(make_conninfo(service_url, **{name: value}), records(readings(row("M-1"))))
    assert ("work_mem" if name == "options" else name) in reason(refused.value)
    assert stored(service_url, records(readings(row("M-1")))).accepted == 1
    assert quarantined(connection) == []


@pytest.mark.slow
def test_a_record_that_takes_longer_than_a_call_may_is_stored_in_parts(
    service_url: str, connection: Connection
) -> None:
    connection.execute(
        "CREATE FUNCTION public.slow() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
        " PERFORM pg_sleep(0.01 * (SELECT count(*) FROM new_rows)); RETURN NULL; END $$;"
        "GRANT EXECUTE ON FUNCTION public.slow TO PUBLIC;"
        "CREATE TRIGGER slow AFTER INSERT ON telemetry.quarantine"
        " REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION public.slow();"
        "CREATE TRIGGER slow AFTER INSERT ON telemetry.meter_reading"
        " REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION public.slow();"
    )
    now = datetime.now(UTC)
    rows = [row(f"M-{n}", 1e9 if n % 2 else 0.42, now) for n in range(160)]

    async def store() -> int:
        async with storing(service_url, write_timeout_seconds=0.4) as one:
            for attempt in range(20):
                with suppress(DatabaseUnavailable):
                    await one.store(records(readings(*rows)))
                    return attempt
        raise AssertionError("it is tried for ever")

    assert asyncio.run(asyncio.wait_for(store(), 60)) > 0
    assert (count(connection), len(quarantined(connection))) == (80, 80)


def test_readings_ahead_of_their_time_are_kept_where_too_many_wait(
    service_url: str, connection: Connection
) -> None:
    ahead = datetime.now(UTC) + timedelta(hours=2)
    connection.execute("UPDATE telemetry.quarantine_bounds SET max_bytes_per_key = 1000")
    rows = [row(f"M-{n}", 0.42, ahead) for n in range(6)]
    odd = records(readings(*rows, row("M-high", 1e9)), readings(*rows, row("M-7", 0.42, ahead)))
    assert stored(service_url, odd).refused == 14
    # the oldest are removed to keep within the bounds, as ever
    kept = quarantined(connection)
    assert 0 < len(kept) < 14
    assert "M-7" in bytes(kept[-1][4], "utf-8").decode()


def test_records_of_a_topic_that_was_made_again_are_kept_beside_those_of_the_former(
    service_url: str, connection: Connection
) -> None:
    former, later = records(b"former"), records(b"later")
    for some in (former, later, former, later):
        assert stored(service_url, some).refused == 1
    assert len(quarantined(connection)) == 2
