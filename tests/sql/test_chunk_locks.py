"""Groups that make chunks wait for one another in one order, so that none of them is given up."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import psycopg
import pytest

from tests.support.readings import (
    NOW,
    Connection,
    MeterReading,
    VehicleReading,
    ingest_meters,
    ingest_vehicles,
)

DAY = timedelta(days=1)
# a test's own, held by the test while a writer of the device "pause" should wait
_LOCK = 20_261_126


def waits(connection: Connection, pid: int) -> bool:
    row = connection.execute(
        "SELECT count(*) FROM pg_locks WHERE pid = %s AND NOT granted", [pid]
    ).fetchone()
    return row is not None and row[0] > 0


def wait_until(what: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not what():
        assert time.monotonic() < deadline, "the other session did not come so far"
        time.sleep(0.01)


@pytest.mark.parametrize("first_day", [-10, -1], ids=["late by days", "about midnight"])
@pytest.mark.parametrize("side", ["meter", "vehicle"])
def test_two_groups_that_each_make_a_chunk_and_share_a_reading_are_both_stored(
    connection: Connection, database_url: str, side: str, first_day: int
) -> None:
    ingest, kind = (
        (ingest_meters, MeterReading) if side == "meter" else (ingest_vehicles, VehicleReading)
    )
    days = [NOW + (first_day + n) * DAY for n in range(3)]
    connection.execute("UPDATE telemetry.rules SET clock_skew = '2 days'")
    assert ingest(connection, [kind("there", days[1])]) == []
    connection.execute(
        "CREATE FUNCTION public.pause() RETURNS trigger LANGUAGE plpgsql AS"
        f" $$ BEGIN PERFORM pg_advisory_xact_lock({_LOCK}); RETURN NEW; END $$"
    )
    connection.execute(
        f"CREATE TRIGGER pause BEFORE INSERT ON telemetry.{side}_reading FOR EACH ROW"
        f" WHEN (NEW.{side}_id = 'pause') EXECUTE FUNCTION public.pause()"
    )
    connection.execute(f"SELECT pg_advisory_lock({_LOCK})")
    with (
        psycopg.connect(database_url, autocommit=True) as one,
        psycopg.connect(database_url, autocommit=True) as other,
        ThreadPoolExecutor(2) as pool,
    ):
        # has the shared reading, and is to make the last day's chunk
        holder = pool.submit(
            ingest,
            one,
            [
                kind("shared", days[1]),
                kind("pause", days[1] + timedelta(seconds=1)),
                kind("last", days[2]),
            ],
        )
        wait_until(lambda: waits(connection, one.info.backend_pid))
        # makes the first day's chunk, and then needs the shared reading
        follower = pool.submit(ingest, other, [kind("first", days[0]), kind("shared", days[1])])
        wait_until(lambda: waits(connection, other.info.backend_pid))
        connection.execute(f"SELECT pg_advisory_unlock({_LOCK})")
        assert holder.result(60) == []
        assert [answer.outcome for answer in follower.result(60)] == ["duplicate"]
    stored = connection.execute(f"SELECT count(*) FROM telemetry.{side}_reading").fetchone()
    assert stored == (5,)


def test_a_group_whose_chunks_are_there_waits_for_nobody_who_makes_one(
    connection: Connection, database_url: str
) -> None:
    assert ingest_meters(connection, [MeterReading("there", NOW)]) == []
    with (
        psycopg.connect(database_url) as maker,
        psycopg.connect(database_url, autocommit=True) as live,
    ):
        ingest_meters(maker, [MeterReading("late", NOW - 10 * DAY)])
        live.execute("SET lock_timeout = '5s'")
        assert ingest_meters(live, [MeterReading("live", NOW)]) == []
