"""Which chunks a group of readings touches, makes and waits for, on both editions."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any

import psycopg
import pytest

from tests.support.readings import (
    NOW,
    Connection,
    MeterReading,
    NotStored,
    VehicleReading,
    ingest_meters,
    ingest_vehicles,
)

DAY = timedelta(days=1)
HOUR = timedelta(hours=1)
NOON = NOW.replace(hour=12, minute=0)
DAYS = 24
SIDES: dict[str, tuple[Callable[[Connection, Sequence[Any]], list[NotStored]], Any]] = {
    "meter": (ingest_meters, MeterReading),
    "vehicle": (ingest_vehicles, VehicleReading),
}


def compress_older_than(db: Connection, side: str, days: int) -> None:
    """Move the older chunks to the columnstore, where there is one."""
    row = db.execute("SELECT telemetry.has_policies()").fetchone()
    if row == (True,):
        db.execute(
            "SELECT public.compress_chunk(c) FROM public.show_chunks("
            f"'telemetry.{side}_reading', older_than => %s::timestamptz) AS c",
            [NOON - days * DAY],
        )


# one process for all has no number, and neither have its locks
OWN_LOCKS = "coalesce(l.pid, 0) = pg_backend_pid()"


def touched(db: Connection, side: str) -> tuple[set[object], int]:
    """The days whose chunks this transaction has locked, and how many relations of chunks."""
    days = {
        day
        for (day,) in db.execute(
            "SELECT c.range_start FROM pg_locks AS l INNER JOIN timescaledb_information.chunks AS c"
            " ON l.relation = format('%%I.%%I', c.chunk_schema, c.chunk_name)::regclass"
            f" WHERE {OWN_LOCKS} AND c.hypertable_name = %s",
            [f"{side}_reading"],
        )
    }
    row = db.execute(
        "SELECT count(DISTINCT l.relation) FROM pg_locks AS l"
        " INNER JOIN pg_class AS c ON c.oid = l.relation AND c.relkind = 'r'"
        f" WHERE {OWN_LOCKS} AND c.relnamespace = '_timescaledb_internal'::regnamespace"
    ).fetchone()
    assert row is not None
    return days, row[0]


@pytest.mark.slow_on_webassembly
@pytest.mark.parametrize("side", list(SIDES))
def test_readings_that_come_again_touch_the_chunks_of_their_own_times_alone(
    db: Connection, side: str
) -> None:
    ingest, kind = SIDES[side]
    times = [NOON - day * DAY for day in range(1, DAYS + 1)]
    assert ingest(db, [kind("here", ts) for ts in times]) == []
    compress_older_than(db, side, 7)
    again = [times[1], times[19]]
    with db.transaction(force_rollback=True):
        answers = ingest(db, [kind("here", ts, 0.7) for ts in again])
        days, relations = touched(db, side)
    assert [answer.outcome for answer in answers] == ["conflict"] * 2
    assert days == {ts.replace(hour=0) for ts in again}
    # and the columnstore's part of the older one
    assert relations <= 3


@pytest.mark.slow_on_webassembly
@pytest.mark.parametrize("side", list(SIDES))
def test_each_reading_that_comes_again_is_told_what_stands(db: Connection, side: str) -> None:
    ingest, kind = SIDES[side]
    times = [NOON - day * DAY for day in range(1, DAYS + 1)]
    assert ingest(db, [kind("here", ts, day) for day, ts in enumerate(times, 1)]) == []
    compress_older_than(db, side, 7)
    # in any order, the same one twice, and a new one between
    sent = [kind("here", ts, 50.0) for ts in times[::-1]]
    sent.insert(3, kind("new", times[20], 50.0))
    sent.append(kind("here", times[9], 10.0))
    answers = ingest(db, sent)
    assert [answer.index for answer in answers] == [0, 1, 2, *range(4, DAYS + 2)]
    assert [answer.outcome for answer in answers] == ["conflict"] * DAYS + ["duplicate"]
    told = [str(answer.detail).split(": ")[1].split(" kWh")[0] for answer in answers[:-1]]
    assert told == [str(day) for day in range(DAYS, 0, -1)]


@pytest.mark.parametrize("side", list(SIDES))
@pytest.mark.parametrize("level", ["REPEATABLE READ", "SERIALIZABLE"])
def test_a_transaction_that_sees_the_past_stores_no_reading(
    db: Connection, side: str, level: str
) -> None:
    ingest, kind = SIDES[side]
    with db.transaction():
        db.execute(f"SET TRANSACTION ISOLATION LEVEL {level}")
        with pytest.raises(psycopg.Error, match=level) as raised, db.transaction():
            ingest(db, [kind()])
    assert raised.value.sqlstate == "WL052"


@pytest.mark.parametrize("side", list(SIDES))
def test_a_group_whose_readings_are_all_refused_holds_the_writers_lock(
    db: Connection, side: str
) -> None:
    ingest, kind = SIDES[side]
    with db.transaction(force_rollback=True):
        assert [a.outcome for a in ingest(db, [kind(ts=NOW - 400 * DAY)])] == ["too_old"]
        held = db.execute(
            f"SELECT l.mode FROM pg_locks AS l WHERE {OWN_LOCKS}"
            " AND l.relation = %s::regclass AND l.mode <> 'AccessShareLock'",
            [f"telemetry.{side}_reading"],
        ).fetchall()
    assert held == [("RowExclusiveLock",)]


def set_chunk_interval(db: Connection, interval: str) -> None:
    db.execute("SET ROLE wattledger_owner")
    db.execute(
        "SELECT public.set_chunk_time_interval('telemetry.meter_reading', %s::interval)", [interval]
    )
    db.execute("RESET ROLE")


def waits_for_its_turn(db: Connection, readings: Sequence[MeterReading]) -> bool:
    """Store them; return whether that took the lock of those who make chunks."""
    with db.transaction():
        ingest_meters(db, readings)
        row = db.execute(
            f"SELECT count(*) FROM pg_locks AS l WHERE {OWN_LOCKS}"
            " AND l.relation = 'telemetry.meter_reading'::regclass"
            " AND l.mode = 'ShareUpdateExclusiveLock'"
        ).fetchone()
    assert row is not None
    return row[0] > 0


@pytest.mark.parametrize("interval", ["1 hour", "5 hours", "1 day", "7 days"])
def test_a_group_over_several_chunks_waits_only_where_one_is_missing(
    db: Connection, interval: str
) -> None:
    set_chunk_interval(db, interval)
    start = NOON - 20 * DAY
    times = [start + hour * HOUR for hour in range(60)]
    assert waits_for_its_turn(db, [MeterReading("first", ts) for ts in times])
    assert not waits_for_its_turn(db, [MeterReading("second", ts) for ts in times])
    # minutes of a day on which others have readings at other times
    assert not waits_for_its_turn(
        db, [MeterReading("third", ts + timedelta(minutes=59)) for ts in times[::7]]
    )
    assert waits_for_its_turn(
        db, [MeterReading("fourth", ts) for ts in (times[0], start + 9 * DAY)]
    )


def drop(db: Connection, older_than: object, newer_than: object) -> None:
    db.execute("SET ROLE wattledger_owner")
    dropped = db.execute(
        "SELECT public.drop_chunks('telemetry.meter_reading', newer_than => %s, older_than => %s)",
        [newer_than, older_than],
    ).fetchall()
    db.execute("RESET ROLE")
    assert dropped


def outcomes(db: Connection, *times: object) -> list[str]:
    """What becomes of one reading of a new meter at each of these times, each on its own."""
    found: list[str] = []
    for place, ts in enumerate(times):
        answers = ingest_meters(db, [MeterReading(f"new-{place}", ts)])  # type: ignore[arg-type]
        found.append(answers[0].outcome if answers else "stored")
    return found


def test_an_hour_whose_chunk_was_dropped_stays_closed_beside_hours_that_are_there(
    db: Connection,
) -> None:
    set_chunk_interval(db, "1 hour")
    midnight = NOON.replace(hour=0) - 20 * DAY
    ingest_meters(db, [MeterReading(ts=midnight + hour * HOUR) for hour in (1, 2, 3, 5)])
    db.execute("CALL ops.refresh(%s, %s)", [midnight, midnight + DAY])
    drop(db, midnight + 3 * HOUR, midnight + 2 * HOUR)
    assert outcomes(db, *(midnight + hour * HOUR for hour in (1, 2, 3, 4, 5))) == [
        "stored",
        "too_old",
        "stored",
        "stored",
        "stored",
    ]


def test_a_longer_chunk_is_not_made_where_it_would_hold_dropped_days(db: Connection) -> None:
    # what is in one week, as TimescaleDB counts them
    week = NOON.replace(hour=0) - 20 * DAY
    while week.timestamp() % (7 * 86400):
        week -= DAY
    ingest_meters(db, [MeterReading(ts=week + day * DAY) for day in (0, 2, 3, 5)])
    db.execute("CALL ops.refresh(%s, %s)", [week, week + 7 * DAY])
    drop(db, week + 3 * DAY, week + 2 * DAY)
    set_chunk_interval(db, "7 days")
    # the day before never had a reading, but its chunk would be that of the dropped day too
    assert outcomes(db, *(week + day * DAY + HOUR for day in (1, 2, 4, 7))) == [
        "too_old",
        "too_old",
        "stored",
        "stored",
    ]
