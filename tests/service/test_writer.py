"""Group commit: the same results as one by one, poison alone, and a queue with an end."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Coroutine
from datetime import timedelta
from typing import Any

import psycopg
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from service.database.errors import DatabaseUnavailable
from service.ingest.store import Outcome
from service.ingest.writer import QueueFull, Writer
from service.settings import Settings
from service.wire import Batch, decode
from tests.support.http import meter, vehicle
from tests.support.readings import (
    NOW,
    Connection,
    meter_history,
    meter_states,
    vehicle_history,
    vehicle_states,
)
from tests.support.server import Server, as_role, as_service

MINUTE = timedelta(minutes=1)


def batch_of(*readings: dict[str, Any]) -> Batch:
    return decode(json.dumps(readings).encode(), "application/json", 20_000)


def with_writer(
    url: str, use: Callable[[Writer], Coroutine[Any, Any, Any]], options: Settings | None = None
) -> Any:
    """Run `use` with a started, connected writer."""

    async def run() -> Any:
        writer = Writer(url, options or Settings())
        await writer.start()
        try:
            return await use(writer)
        finally:
            await writer.stop()

    return asyncio.run(run())


def submit_all(url: str, batches: list[Batch], options: Settings | None = None) -> list[Outcome]:
    """Submit all at the same moment."""

    async def use(writer: Writer) -> list[Outcome]:
        return await asyncio.gather(*(writer.submit(batch, 100) for batch in batches))

    return with_writer(url, use, options)


def submit_each(url: str, batches: list[Batch]) -> list[Outcome]:
    """Submit one after another."""

    async def use(writer: Writer) -> list[Outcome]:
        return [await writer.submit(batch, 100) for batch in batches]

    return with_writer(url, use, Settings(writers=1))


def everything(connection: Connection) -> tuple[Any, ...]:
    return (
        meter_history(connection),
        vehicle_history(connection),
        meter_states(connection),
        vehicle_states(connection),
    )


KEYS = st.tuples(st.sampled_from("AB"), st.integers(0, 30))
# energies over the limit are refused, repeated ones are duplicates
READINGS = st.builds(
    lambda key, is_meter, energy: (meter if is_meter else vehicle)(
        key[0],
        NOW - timedelta(hours=key[1]),
        **{"kwhConsumedAc" if is_meter else "kwhDeliveredDc": energy},
    ),
    KEYS,
    st.booleans(),
    st.sampled_from([1, 5000]),
)


@settings(max_examples=15, deadline=None)
@given(requests=st.lists(st.lists(READINGS, min_size=1, max_size=5), min_size=1, max_size=12))
def test_requests_written_together_give_what_they_give_one_by_one(
    database_server: Server, requests: list[list[dict[str, Any]]]
) -> None:
    batches = [batch_of(*readings) for readings in requests]
    with database_server.clone() as apart_url, database_server.clone() as together_url:
        apart = submit_each(as_service(apart_url), batches)
        together = submit_all(as_service(together_url), batches)
        with psycopg.connect(apart_url) as one, psycopg.connect(together_url) as other:
            assert everything(one) == everything(other)
    # which request of two that hold the same reading comes first is open; their sum is not
    assert sum(o.duplicates for o in apart) == sum(o.duplicates for o in together)
    for first, second in zip(apart, together, strict=True):
        assert {(r.index, r.reason) for r in first.refused} == {
            (r.index, r.reason) for r in second.refused
        }


def test_many_requests_at_once_are_written_by_few_commits(
    service_url: str, connection: Connection
) -> None:
    def commits() -> int:
        row = connection.execute(
            "SELECT pg_stat_force_next_flush(), xact_commit FROM pg_stat_database"
            " WHERE datname = current_database()"
        ).fetchone()
        assert row is not None
        return row[1]

    before = commits()
    submit_all(service_url, [batch_of(meter(f"M-{n}")) for n in range(500)])
    assert len(meter_history(connection)) == 500
    assert commits() - before < 100


def poison(connection: Connection) -> None:
    """Make the database refuse one meter, for a reason that our functions do not look for."""
    connection.execute(
        "ALTER TABLE telemetry.meter_state ADD CONSTRAINT no_poison CHECK (meter_id <> 'poison')"
    )


def test_a_poisonous_reading_fails_alone_among_its_neighbours(
    service_url: str, connection: Connection
) -> None:
    poison(connection)
    batches = [batch_of(meter(f"M-{n}"), vehicle(f"V-{n}")) for n in range(20)]
    batches[7] = batch_of(meter("good"), meter("poison"), vehicle("V-7"), meter("bad", voltage="x"))
    outcomes = submit_all(service_url, batches)
    for number, outcome in enumerate(outcomes):
        if number != 7:
            assert outcome.refused == []
    assert sorted((r.index, r.reason) for r in outcomes[7].refused) == [
        (1, "malformed"),
        (3, "malformed"),
    ]
    assert "no_poison" in next(r.detail for r in outcomes[7].refused if r.index == 1)
    assert len(meter_history(connection)) == 20
    assert len(vehicle_history(connection)) == 20


def test_a_full_queue_refuses_at_once_and_takes_again_when_it_is_written(
    service_url: str, database_url: str
) -> None:
    options = Settings(queue_readings=10, group_readings=1, writers=1)

    async def use(writer: Writer) -> None:
        with psycopg.connect(database_url) as blocker:
            blocker.execute("LOCK TABLE telemetry.meter_state IN ACCESS EXCLUSIVE MODE")
            tasks = [
                asyncio.create_task(writer.submit(batch_of(meter(f"M-{n}")), 100))
                for n in range(10)
            ]
            await asyncio.sleep(0.2)
            tasks.append(asyncio.create_task(writer.submit(batch_of(meter("M-10")), 100)))
            await asyncio.sleep(0.1)
            with pytest.raises(QueueFull):
                await asyncio.wait_for(writer.submit(batch_of(meter("M-11")), 100), 0.5)
        assert all(outcome.refused == [] for outcome in await asyncio.gather(*tasks))
        assert (await writer.submit(batch_of(meter("M-11")), 100)).refused == []

    with_writer(service_url, use, options)


def test_a_queue_is_bounded_in_bytes_too(service_url: str, database_url: str) -> None:
    async def use(writer: Writer) -> None:
        with psycopg.connect(database_url) as blocker:
            blocker.execute("LOCK TABLE telemetry.meter_state IN ACCESS EXCLUSIVE MODE")
            first = asyncio.create_task(writer.submit(batch_of(meter("M-1")), 900))
            await asyncio.sleep(0.1)
            second = asyncio.create_task(writer.submit(batch_of(meter("M-2")), 900))
            await asyncio.sleep(0)
            with pytest.raises(QueueFull):
                await writer.submit(batch_of(meter("M-3")), 900)
        await asyncio.gather(first, second)

    with_writer(service_url, use, Settings(queue_bytes=1000, writers=1))


def locking(database_url: str, meter_id: str) -> psycopg.Connection[Any]:
    """A session that holds the row of a meter's state."""
    blocker = psycopg.connect(database_url)
    blocker.execute("SELECT FROM telemetry.meter_state WHERE meter_id = %s FOR UPDATE", [meter_id])
    return blocker


def test_nobody_waits_for_a_large_group_of_others(service_url: str, database_url: str) -> None:
    async def use(writer: Writer) -> None:
        await writer.submit(batch_of(meter("held")), 100)
        with locking(database_url, "held"):
            readings = [meter("held" if n == 0 else f"L-{n}", NOW + MINUTE) for n in range(600)]
            large = asyncio.create_task(writer.submit(batch_of(*readings), 60_000))
            await asyncio.sleep(0.2)
            for number in range(3):
                await asyncio.wait_for(writer.submit(batch_of(meter(f"S-{number}")), 100), 5)
            assert not large.done()
        assert (await large).refused == []

    with_writer(service_url, use, Settings(writers=2))


def test_behind_a_small_group_readings_gather_until_they_are_a_large_one(
    service_url: str, database_url: str
) -> None:
    async def use(writer: Writer) -> None:
        await writer.submit(batch_of(meter("held")), 100)
        with locking(database_url, "held"):
            small = asyncio.create_task(writer.submit(batch_of(meter("held", NOW + MINUTE)), 100))
            await asyncio.sleep(0.2)
            first = asyncio.create_task(writer.submit(batch_of(meter("S-1")), 100))
            await asyncio.sleep(0.2)
            assert not first.done()
            readings = [meter(f"L-{n}") for n in range(600)]
            await asyncio.wait_for(writer.submit(batch_of(*readings), 60_000), 5)
            assert first.done()
            assert not small.done()
        assert (await small).refused == []

    with_writer(service_url, use, Settings(writers=2))


def test_stopping_writes_what_is_queued(service_url: str, connection: Connection) -> None:
    async def run() -> list[Outcome]:
        writer = Writer(service_url, Settings(writers=1, group_readings=2))
        await writer.start()
        tasks = [
            asyncio.create_task(writer.submit(batch_of(meter(f"M-{n}")), 100)) for n in range(20)
        ]
        await asyncio.sleep(0)
        await writer.stop()
        return await asyncio.gather(*tasks)

    assert len(asyncio.run(run())) == 20
    assert len(meter_history(connection)) == 20


def test_without_a_database_a_request_is_refused_at_once() -> None:
    async def run() -> None:
        writer = Writer("postgresql://nobody@127.0.0.1:1/none", Settings())
        await writer.start()
        try:
            with pytest.raises(DatabaseUnavailable):
                await asyncio.wait_for(writer.submit(batch_of(meter()), 100), 2)
        finally:
            await writer.stop()

    asyncio.run(run())


def test_a_login_without_the_right_to_serve_is_refused_like_a_database_that_is_away(
    database_url: str,
) -> None:
    # whoever else's login it is, it may connect, but not become the service
    url = as_role(database_url, "wattledger_bi")

    async def run() -> None:
        writer = Writer(url, Settings())
        await asyncio.wait_for(writer.start(), 5)
        try:
            with pytest.raises(DatabaseUnavailable):
                await asyncio.wait_for(writer.submit(batch_of(meter()), 100), 2)
        finally:
            await writer.stop()

    asyncio.run(run())
