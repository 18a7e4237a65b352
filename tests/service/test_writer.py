"""Group commit: the same results as one by one, poison alone, and lines with an end."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import psycopg
import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.concurrency import told
from service.database.errors import DatabaseUnavailable
from service.ingest.line import Line
from service.ingest.store import Outcome, Store
from service.ingest.writer import QueueFull, Writer
from service.settings import Settings
from service.wire import Batch, decode
from tests.support.examples import examples
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

# late for the writer, however long the tests run
LATE = NOW - timedelta(hours=1)


def present(meter_id: str) -> dict[str, Any]:
    """A meter's reading of this moment."""
    return meter(meter_id, datetime.now(UTC))


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


def write_all(url: str, batches: list[Batch]) -> list[Outcome]:
    """Put all at the same moment into a line that has one connection, and no other is made."""

    async def run() -> list[Outcome]:
        line = Line([Store(url, Settings())], group_readings=1000)
        await line.start()
        try:
            return await asyncio.gather(*(told(partial(line.put, batch, 100)) for batch in batches))
        finally:
            await line.stop()

    return asyncio.run(run())


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


@examples(15)
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


async def until(happened: Callable[[], bool]) -> None:
    """Look again and again, while the writer works, until it has happened."""
    async with asyncio.timeout(30):
        while not happened():  # noqa: ASYNC110  nobody tells
            await asyncio.sleep(0.01)


class Blocker:
    """A session that holds what others wait for."""

    def __init__(self, session: psycopg.Connection[Any]) -> None:
        self.session = session

    def waiting(self) -> list[int]:
        """The sessions that wait for it."""
        rows = self.session.execute(
            "SELECT a.pid FROM pg_stat_activity AS a"
            " WHERE pg_backend_pid() = ANY (pg_blocking_pids(a.pid))"
        ).fetchall()
        return [pid for (pid,) in rows]


@contextmanager
def holding(database_url: str, *meter_ids: str) -> Iterator[Blocker]:
    """Hold the states of meters, or all of them."""
    with psycopg.connect(database_url) as session:
        if meter_ids:
            session.execute(
                "SELECT FROM telemetry.meter_state WHERE meter_id = ANY (%s) FOR UPDATE",
                [list(meter_ids)],
            )
        else:
            session.execute("LOCK TABLE telemetry.meter_state IN ACCESS EXCLUSIVE MODE")
        yield Blocker(session)


def submitting(writer: Writer, *readings: dict[str, Any], size: int = 100) -> asyncio.Task[Outcome]:
    return asyncio.create_task(writer.submit(batch_of(*readings), size))


async def submitted(writer: Writer, *readings: dict[str, Any]) -> Outcome:
    """What became of them, where that is told in time."""
    return await asyncio.wait_for(writer.submit(batch_of(*readings), 100), 30)


def test_a_full_queue_refuses_at_once_and_takes_again_when_it_is_written(
    service_url: str, database_url: str
) -> None:
    options = Settings(queue_readings=10, group_readings=1, writers=1)

    async def use(writer: Writer) -> None:
        with holding(database_url) as blocker:
            tasks = [submitting(writer, present("M-0"))]
            await until(lambda: len(blocker.waiting()) == 1)
            tasks += [submitting(writer, present(f"M-{n}")) for n in range(1, 11)]
            await asyncio.sleep(0)
            with pytest.raises(QueueFull):
                await submitted(writer, present("M-11"))
        assert all(outcome.refused == [] for outcome in await asyncio.gather(*tasks))
        assert (await submitted(writer, present("M-11"))).refused == []

    with_writer(service_url, use, options)


def test_a_queue_is_bounded_in_bytes_too(service_url: str, database_url: str) -> None:
    async def use(writer: Writer) -> None:
        with holding(database_url) as blocker:
            first = submitting(writer, present("M-1"), size=900)
            await until(lambda: len(blocker.waiting()) == 1)
            second = submitting(writer, present("M-2"), size=900)
            await asyncio.sleep(0)
            with pytest.raises(QueueFull):
                await writer.submit(batch_of(present("M-3")), 900)
        await asyncio.gather(first, second)

    with_writer(service_url, use, Settings(queue_bytes=1000, writers=1))


@pytest.mark.parametrize("size", [1, 100])
def test_late_readings_fill_half_of_the_queue_and_live_ones_the_rest(
    service_url: str, database_url: str, size: int
) -> None:
    # the first by readings, the second by bytes
    options = Settings(
        queue_readings=10 if size == 1 else 1000, queue_bytes=1000, group_readings=1, writers=1
    )

    async def use(writer: Writer) -> None:
        # makes chunks, for which they would wait for one another
        await submitted(writer, present("M"), meter("L", LATE))
        with holding(database_url) as blocker:
            tasks = [
                submitting(writer, meter("L-0", LATE), size=size),
                submitting(writer, present("M-0"), size=size),
            ]
            await until(lambda: len(blocker.waiting()) == 2)
            tasks += [submitting(writer, meter(f"L-{n}", LATE), size=size) for n in range(1, 6)]
            await asyncio.sleep(0)
            with pytest.raises(QueueFull):
                await writer.submit(batch_of(meter("L-6", LATE)), size)
            tasks += [submitting(writer, present(f"M-{n}"), size=size) for n in range(1, 6)]
            await asyncio.sleep(0)
            with pytest.raises(QueueFull):
                await writer.submit(batch_of(present("M-6")), size)
        assert all(outcome.refused == [] for outcome in await asyncio.gather(*tasks))

    with_writer(service_url, use, options)


@pytest.mark.parametrize("writers", [1, 2])
def test_a_live_reading_is_answered_while_a_late_one_waits(
    service_url: str, database_url: str, writers: int
) -> None:
    async def use(writer: Writer) -> None:
        await submitted(writer, present("held"))
        with holding(database_url, "held") as blocker:
            # late by one of its readings
            late = submitting(writer, present("other"), meter("held", LATE))
            await until(lambda: len(blocker.waiting()) == 1)
            for number in range(5):
                assert (await submitted(writer, present(f"M-{number}"))).refused == []
            assert not late.done()
        assert (await late).refused == []

    with_writer(service_url, use, Settings(writers=writers))


@pytest.mark.parametrize("writers", [1, 2])
def test_late_readings_are_stored_while_live_ones_keep_coming_and_wait(
    service_url: str, database_url: str, writers: int
) -> None:
    options = Settings(writers=writers, group_readings=2)

    async def use(writer: Writer) -> None:
        stored = asyncio.Event()

        async def keep_coming(number: int) -> None:
            while not stored.is_set():
                await submitted(writer, present(f"M-{number}"))

        await submitted(writer, present("held"))
        with holding(database_url, "held") as blocker:
            live = [submitting(writer, present("held"))]
            await until(lambda: len(blocker.waiting()) == 1)
            coming = [asyncio.create_task(keep_coming(number)) for number in range(6)]
            for number in range(20):
                assert (await submitted(writer, meter(f"L-{number}", LATE))).refused == []
            assert not live[0].done()
            stored.set()
        await asyncio.gather(*live, *coming)

    with_writer(service_url, use, options)


def test_late_readings_are_written_in_groups_that_hold_states_briefly(
    service_url: str, database_url: str
) -> None:
    def of(name: str) -> list[dict[str, Any]]:
        return [meter(f"{name}-{number}", LATE) for number in range(300)]

    async def use(writer: Writer) -> None:
        await submitted(writer, *of("first"), *of("second"), *of("third"))
        with holding(database_url, "third-0") as blocker:
            with holding(database_url, "first-0") as before:
                first = submitting(writer, meter("first-0", LATE - timedelta(minutes=1)))
                await until(lambda: len(before.waiting()) == 1)
                later = [
                    submitting(
                        writer,
                        *(meter(f"{name}-{n}", LATE - timedelta(minutes=1)) for n in range(300)),
                    )
                    for name in ("second", "third")
                ]
                await asyncio.sleep(0)
            await asyncio.wait_for(asyncio.gather(first, later[0]), 30)
            await until(lambda: len(blocker.waiting()) == 1)
            assert not later[1].done()
        assert (await later[1]).refused == []

    with_writer(service_url, use)


def test_who_sends_late_readings_is_told_when_their_connection_breaks(
    service_url: str, database_url: str
) -> None:
    async def use(writer: Writer) -> None:
        await submitted(writer, present("held"))
        with holding(database_url, "held") as blocker:
            late = submitting(writer, meter("held", LATE))
            await until(lambda: len(blocker.waiting()) == 1)
            behind = submitting(writer, meter("M-1", LATE))
            await asyncio.sleep(0)
            blocker.session.execute("SELECT pg_terminate_backend(%s)", blocker.waiting())
            with pytest.raises(DatabaseUnavailable):
                await asyncio.wait_for(late, 30)
            # what waited is written by the next connection
            assert (await asyncio.wait_for(behind, 30)).refused == []

    with_writer(service_url, use)


def test_nobody_waits_for_a_large_group_of_others(service_url: str, database_url: str) -> None:
    async def use(writer: Writer) -> None:
        await submitted(writer, present("held"))
        with holding(database_url, "held") as blocker:
            readings = [present("held" if n == 0 else f"L-{n}") for n in range(600)]
            large = submitting(writer, *readings)
            await until(lambda: len(blocker.waiting()) == 1)
            for number in range(3):
                await submitted(writer, present(f"S-{number}"))
            assert not large.done()
        assert (await large).refused == []

    with_writer(service_url, use, Settings(writers=2))


def test_behind_a_small_group_readings_gather_until_they_are_a_large_one(
    service_url: str, database_url: str
) -> None:
    async def use(writer: Writer) -> None:
        await submitted(writer, present("held"))
        with holding(database_url, "held") as blocker:
            small = submitting(writer, present("held"))
            await until(lambda: len(blocker.waiting()) == 1)
            first = submitting(writer, present("S-1"))
            await asyncio.sleep(0.2)
            assert not first.done()
            await submitted(writer, *(present(f"L-{n}") for n in range(600)))
            assert first.done()
            assert not small.done()
        assert (await small).refused == []

    with_writer(service_url, use, Settings(writers=2))


def test_stopping_writes_what_is_queued(service_url: str, connection: Connection) -> None:
    async def run() -> list[Outcome]:
        writer = Writer(service_url, Settings(writers=1, group_readings=2))
        await writer.start()
        tasks = [
            submitting(writer, meter(f"M-{n}", LATE) if n % 2 else present(f"M-{n}"))
            for n in range(20)
        ]
        await asyncio.sleep(0)
        await writer.stop()
        return await asyncio.gather(*tasks)

    assert len(asyncio.run(run())) == 20
    assert len(meter_history(connection)) == 20


@pytest.mark.parametrize(
    "reading", [meter("M-1", datetime.now(UTC)), meter("M-1", LATE)], ids=["live", "late"]
)
def test_without_a_database_a_request_is_refused_at_once(reading: dict[str, Any]) -> None:
    async def run() -> None:
        writer = Writer("postgresql://nobody@127.0.0.1:1/none", Settings())
        await writer.start()
        try:
            with pytest.raises(DatabaseUnavailable):
                await asyncio.wait_for(writer.submit(batch_of(reading), 100), 2)
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
