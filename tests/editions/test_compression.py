"""Chunks move to the columnstore one by one, and every answer stays the same."""

from __future__ import annotations

import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import psycopg
import pytest

from tests.support.readings import (
    NOW,
    Connection,
    MeterReading,
    VehicleReading,
    ingest_meters,
    ingest_vehicles,
    meter_history,
)

DAY = timedelta(days=1)
NOON = NOW.replace(hour=12, minute=0)
ROLLUPS = [
    f"{side}_energy_{width}" for side in ("meter", "vehicle") for width in ("hourly", "daily")
]


@pytest.fixture
def db(db: Connection) -> Connection:
    """A database of the Community edition, on each engine that has it."""
    if db.execute("SELECT telemetry.has_policies()").fetchone() != (True,):
        pytest.skip("this engine is the Apache edition, which has no columnstore")
    # the test's own transactions are all that there is
    db.execute("SET ROLE wattledger_owner")
    db.execute(
        "SELECT public.alter_job(p.job_id, scheduled => FALSE) FROM telemetry.present_policy AS p"
    )
    db.execute("RESET ROLE")
    return db


def fill(db: Connection, days: Sequence[int]) -> None:
    """Readings of two devices a side, three hours a day."""
    times = [NOON - day * DAY + timedelta(hours=hour) for day in days for hour in (0, 1, 5)]
    for number, name in enumerate(("one", "two"), 1):
        energy = number * 0.1
        assert ingest_meters(db, [MeterReading(name, ts, energy) for ts in times]) == []
        assert ingest_vehicles(db, [VehicleReading(name, ts, energy) for ts in times]) == []


def told(db: Connection, statement: str) -> list[str]:
    """Run it; return the notices and warnings that it gave."""
    messages: list[str] = []

    def note(diagnostic: psycopg.errors.Diagnostic) -> None:
        # TimescaleDB's own, that so few rows take no less room
        if "poor compression" not in str(diagnostic.message_primary):
            messages.append(f"{diagnostic.severity}: {diagnostic.message_primary}")

    db.add_notice_handler(note)
    try:
        db.execute(statement.encode())
    finally:
        db.remove_notice_handler(note)
    return messages


def chunks(db: Connection, dataset: str) -> list[tuple[str, bool]]:
    """The dataset's chunks from the oldest on, and whether each is compressed."""
    return db.execute(
        "SELECT format('%%I.%%I', c.chunk_schema, c.chunk_name), c.is_compressed"
        " FROM telemetry.dataset_hypertable() AS h INNER JOIN timescaledb_information.chunks AS c"
        " ON (c.hypertable_schema, c.hypertable_name) = (h.hypertable_schema, h.hypertable_name)"
        " WHERE h.dataset = %s ORDER BY c.range_start",
        [dataset],
    ).fetchall()


def rollups(db: Connection) -> dict[str, list[tuple[Any, ...]]]:
    """All that bi answers of hours and days."""
    return {
        name: db.execute(
            f"SELECT r.* FROM bi.{name} AS r ORDER BY r.bucket, r.{name.split('_')[0]}_id".encode()
        ).fetchall()
        for name in ROLLUPS
    }


def test_chunks_that_are_old_enough_are_compressed_from_the_oldest_on(db: Connection) -> None:
    fill(db, [1, 3, 9, 10, 12])
    before = meter_history(db)
    due = [name for name, _ in chunks(db, "meter_reading")][:3]
    assert told(db, "CALL telemetry.compress_due('meter_reading')") == [
        f"NOTICE: compressed {name} of meter_reading" for name in due
    ]
    assert [done for _, done in chunks(db, "meter_reading")] == [True] * 3 + [False] * 2
    assert [done for _, done in chunks(db, "vehicle_reading")] == [False] * 5
    assert meter_history(db) == before
    assert told(db, "CALL telemetry.compress_due('meter_reading')") == []


def test_a_chunk_that_got_late_readings_is_compressed_again(db: Connection) -> None:
    fill(db, [9, 10])
    db.execute("CALL telemetry.compress_due('meter_reading')")
    late = MeterReading("late", NOON - 9 * DAY, 0.3)
    assert ingest_meters(db, [late]) == []
    before = meter_history(db)
    (_, (name, _)) = chunks(db, "meter_reading")
    due = "SELECT c.chunk, c.again FROM telemetry.chunks_to_compress('meter_reading') AS c"
    assert db.execute(due).fetchall() == [(name, True)]
    assert told(db, "CALL telemetry.compress_due('meter_reading')") == [
        f"NOTICE: compressed {name} of meter_reading"
    ]
    assert db.execute(due).fetchall() == []
    assert meter_history(db) == before
    assert [answer.outcome for answer in ingest_meters(db, [late])] == ["duplicate"]


def test_compressed_rollups_give_the_answers_of_before(db: Connection) -> None:
    fill(db, range(1, 80, 3))
    db.execute("CALL ops.refresh(%s, %s)", [NOON - 80 * DAY, NOON])
    before = rollups(db)
    db.execute("UPDATE telemetry.dataset SET keep = '8 days' WHERE dataset LIKE '%%reading'")
    for name in ROLLUPS:
        db.execute("SELECT ops.set_compression(%s, '12 days')", [name])
        db.execute("SELECT ops.set_chunk_interval(%s, '7 days')", [name])
        assert told(db, f"CALL telemetry.compress_due('{name}')") or name.endswith("daily")
    assert chunks(db, "meter_energy_hourly")[0][1]
    for name in ROLLUPS:
        (oldest, _) = chunks(db, name)[0]
        db.execute(
            "SELECT public.compress_chunk(%s::regclass, if_not_compressed => TRUE)", [oldest]
        )
    assert rollups(db) == before


def test_a_refresh_changes_hours_and_days_that_are_compressed(db: Connection) -> None:
    fill(db, range(1, 40))
    db.execute("CALL ops.refresh(%s, %s)", [NOON - 40 * DAY, NOON])
    for name in ROLLUPS:
        for chunk, _ in chunks(db, name):
            db.execute("SELECT public.compress_chunk(%s::regclass)", [chunk])
    late = NOON - 20 * DAY + timedelta(minutes=7)
    ingest_meters(db, [MeterReading("one", late, 0.5), MeterReading("late", late, 0.7)])
    ingest_vehicles(db, [VehicleReading("one", late, 0.5), VehicleReading("late", late, 0.7)])
    db.execute("CALL ops.refresh(%s, %s)", [NOON - 25 * DAY, NOON - 15 * DAY])
    found = db.execute("SELECT * FROM ops.verify(%s, %s)", [NOON - 40 * DAY, NOON]).fetchall()
    assert found == []
    hours = db.execute(
        "SELECT h.meter_id, h.energy_mwh, h.samples FROM bi.meter_energy_hourly AS h"
        " WHERE h.bucket = %s ORDER BY 1",
        [NOON - 20 * DAY],
    ).fetchall()
    assert hours == [("late", 700_000, 1), ("one", 600_000, 2), ("two", 200_000, 1)]
    # and what is in two parts now becomes one again
    db.execute("UPDATE telemetry.dataset SET keep = '8 days' WHERE dataset LIKE '%%reading'")
    before = rollups(db)
    db.execute("SELECT ops.set_compression('meter_energy_hourly', '12 days')")
    assert told(db, "CALL telemetry.compress_due('meter_energy_hourly')") != []
    assert rollups(db) == before


def test_hours_wait_for_a_longer_retention_of_what_changes_them(db: Connection) -> None:
    fill(db, [60])
    db.execute("CALL ops.refresh(%s, %s)", [NOON - 61 * DAY, NOON - 59 * DAY])
    db.execute("UPDATE telemetry.dataset SET keep = '8 days' WHERE dataset LIKE '%%reading'")
    db.execute("SELECT ops.set_compression('meter_energy_hourly', '11 days')")
    for keep, due in (("90 days", 0), (None, 0), ("8 days", 1)):
        db.execute("UPDATE telemetry.dataset SET keep = %s WHERE dataset LIKE '%%reading'", [keep])
        rows = db.execute("SELECT * FROM telemetry.chunks_to_compress('meter_energy_hourly')")
        assert len(rows.fetchall()) == due


def test_rollups_of_readings_that_are_kept_for_ever_are_not_compressed(db: Connection) -> None:
    db.execute("UPDATE telemetry.dataset SET keep = NULL WHERE dataset LIKE '%%meter%%'")
    with pytest.raises(psycopg.Error, match="for ever") as raised:
        db.execute("SELECT ops.set_compression('meter_energy_hourly', '100 days')")
    assert raised.value.sqlstate == "WL020"
    assert raised.value.diag.message_hint
    db.execute("SELECT ops.set_compression('meter_energy_hourly', NULL)")


@pytest.mark.parametrize("lock", ["a late reading", "a query"])
def test_a_chunk_that_others_use_waits_and_the_others_do_not(
    db: Connection, where: str, url: str, lock: str
) -> None:
    if where == "webassembly":
        pytest.skip("this engine takes one connection at a time")
    fill(db, [9, 10, 12])
    names = [name for name, _ in chunks(db, "meter_reading")]
    call = "CALL telemetry.compress_due('meter_reading', patience => INTERVAL '0')"
    with psycopg.connect(url) as other:
        if lock == "a late reading":
            ingest_meters(other, [MeterReading("late", NOON - 10 * DAY)])
        else:
            other.execute(f"SELECT FROM {names[1]}".encode())
        assert told(db, call) == [
            f"NOTICE: compressed {names[0]} of meter_reading",
            f"NOTICE: compressed {names[2]} of meter_reading",
            f"WARNING: could not compress {names[1]} of meter_reading: it is in use",
        ]
        (problem,) = db.execute(call.encode()).fetchone() or (None,)
        assert str(problem).startswith("none of 1 chunks")
        # who holds it goes on
        assert ingest_meters(other, [MeterReading("later", NOON - 10 * DAY)]) == []
    assert told(db, call) == [f"NOTICE: compressed {names[1]} of meter_reading"]


def asleep(connection: Connection, pid: int) -> bool:
    """Whether that session pauses."""
    row = connection.execute(
        "SELECT a.wait_event = 'PgSleep' FROM pg_stat_activity AS a WHERE a.pid = %s", [pid]
    ).fetchone()
    return row == (True,)


def test_a_chunk_is_tried_again_when_it_is_free(db: Connection, where: str, url: str) -> None:
    if where == "webassembly":
        pytest.skip("this engine takes one connection at a time")
    fill(db, [9, 10])
    names = [name for name, _ in chunks(db, "meter_reading")]
    with (
        psycopg.connect(url) as other,
        psycopg.connect(url, autocommit=True) as watcher,
        ThreadPoolExecutor(1) as pool,
    ):
        ingest_meters(other, [MeterReading("late", NOON - 10 * DAY)])
        answer = pool.submit(told, db, "CALL telemetry.compress_due('meter_reading')")
        deadline = time.monotonic() + 60
        while not asleep(watcher, db.info.backend_pid):
            assert time.monotonic() < deadline, "it did not come so far"
        # whoever pauses stands in nobody's way
        assert ingest_meters(other, [MeterReading("late", NOON - 9 * DAY)]) == []
        other.commit()
        compressed = answer.result(120)
    assert compressed == [f"NOTICE: compressed {name} of meter_reading" for name in names[::-1]]
