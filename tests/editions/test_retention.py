"""Dropping loses nothing that counts: what was proven stays, whatever comes after.

Each runs on both editions; those that need a second session, on the server of the run.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest

from tests.support.readings import (
    NOW,
    Connection,
    MeterReading,
    VehicleReading,
    count_where_read,
    ingest_meters,
    ingest_vehicles,
)

DAY = timedelta(days=1)
NOON = NOW.replace(hour=12, minute=0, second=0, microsecond=0)
RAW = ("meter_reading", "vehicle_reading")


def fill(db: Connection, ages: Iterable[int] = range(14)) -> None:
    """A reading a day on both sides."""
    count_where_read(db)
    ingest_meters(db, [MeterReading(ts=NOON - (age + 1) * DAY, energy_kwh=2.0) for age in ages])
    ingest_vehicles(db, [VehicleReading(ts=NOON - (age + 1) * DAY, energy_kwh=1.0) for age in ages])


def retain(db: Connection, keep: str, datasets: tuple[str, ...] = RAW) -> None:
    for dataset in datasets:
        db.execute("SELECT ops.set_retention(%s, %s::interval, confirm => true)", [dataset, keep])


def maintain(db: Connection) -> None:
    db.execute("CALL ops.maintain()")


def run_jobs(db: Connection) -> None:
    """What TimescaleDB's scheduler does within an hour; none on the Apache edition."""
    db.execute("UPDATE telemetry.work_done SET last_complete_at = NULL")
    for (job,) in db.execute(
        "SELECT refresh_job FROM ops.policies WHERE refresh_job IS NOT NULL"
        " ORDER BY dataset NOT LIKE '%hourly'"
    ).fetchall():
        db.execute(f"CALL public.run_job({job})")


def energy(db: Connection) -> list[Any]:
    """Milliwatt-hours of each rollup, over all time."""
    return [
        row
        for (row,) in db.execute(
            "SELECT sum(energy_mwh) FROM bi.meter_energy_hourly"
            " UNION ALL SELECT sum(energy_mwh) FROM bi.meter_energy_daily"
            " UNION ALL SELECT sum(energy_mwh) FROM bi.vehicle_energy_hourly"
            " UNION ALL SELECT sum(energy_mwh) FROM bi.vehicle_energy_daily"
        )
    ]


def raw(db: Connection) -> int:
    row = db.execute("SELECT count(*) FROM telemetry.meter_reading WHERE entry = 0").fetchone()
    assert row is not None
    return row[0]


def is_community(db: Connection) -> bool:
    return db.execute("SELECT telemetry.has_policies()").fetchone() == (True,)


def refresh_all(db: Connection) -> None:
    """What a DBA may do past us: refresh everything, with TimescaleDB's own procedure."""
    if is_community(db):
        for rollup in ("hourly", "daily"):
            for side in ("meter", "vehicle"):
                db.execute(
                    f"CALL public.refresh_continuous_aggregate('bi.{side}_energy_{rollup}', NULL,"
                    " now() - INTERVAL '1 day')"
                )


@pytest.mark.slow_on_webassembly
def test_lengthening_leaves_the_rollups_of_what_was_dropped(db: Connection) -> None:
    fill(db)
    maintain(db)
    before = energy(db)
    retain(db, "8 days")
    maintain(db)
    assert raw(db) < 14
    assert energy(db) == before
    # what went is not taken for late readings
    run_jobs(db)
    late = db.execute("SELECT sum(late_changes) FROM ops.freshness").fetchone()
    assert late == (0,)
    retain(db, "120 days")
    for _ in range(2):
        maintain(db)
        refresh_all(db)
    assert energy(db) == before


def test_late_readings_that_no_refresh_has_seen_are_counted_before_they_go(db: Connection) -> None:
    fill(db)
    maintain(db)
    ingest_meters(db, [MeterReading("M-late", NOON - 12 * DAY, 7.0)])
    ingest_vehicles(db, [VehicleReading("V-late", NOON - 12 * DAY, 5.0)])
    retain(db, "8 days")
    maintain(db)
    assert raw(db) < 14
    refresh_all(db)
    assert energy(db) == [35_000_000, 35_000_000, 19_000_000, 19_000_000]


@pytest.mark.slow_on_webassembly
def test_hours_that_go_are_in_the_days(db: Connection) -> None:
    fill(db, [*range(14), *range(20, 60, 5)])
    retain(db, "8 days")
    retain(db, "20 days", ("meter_energy_hourly", "vehicle_energy_hourly"))
    maintain(db)
    hourly, daily, *_ = energy(db)
    assert (hourly < daily, daily) == (True, 44_000_000)
    refresh_all(db)
    assert energy(db)[1] == 44_000_000
    assert db.execute("SELECT * FROM ops.verify('-infinity')").fetchall() == []


@pytest.mark.slow_on_webassembly
def test_a_rollup_that_lacks_readings_keeps_their_chunk_and_says_so(db: Connection) -> None:
    fill(db)
    maintain(db)
    tamper(db, "energy_mwh + 1", NOON - 12 * DAY)
    retain(db, "8 days")
    with pytest.raises(psycopg.Error) as raised:
        maintain(db)
    assert raised.value.sqlstate == "WL025"
    assert "M-1 in the hour from" in str(raised.value)
    assert raised.value.diag.message_hint
    # the chunk before it is gone, those after it and the other side's are not its business
    oldest = db.execute("SELECT min(ts) FROM telemetry.meter_reading").fetchone()
    assert oldest == (NOON - 12 * DAY,)
    assert db.execute(
        "SELECT min(ts) > %s FROM telemetry.vehicle_reading", [NOON - 12 * DAY]
    ).fetchone() == (True,)
    db.execute("CALL ops.refresh(%s, now(), force => true)", [NOON - 12 * DAY])
    maintain(db)
    assert raw(db) < 12
    assert db.execute("SELECT * FROM ops.verify('-infinity')").fetchall() == []


def tamper(db: Connection, energy_mwh: str, ts: Any) -> None:
    """Change an hour of a meter past everything."""
    if is_community(db):
        row = db.execute(
            "SELECT format('%I.%I', hypertable_schema, hypertable_name)"
            " FROM telemetry.dataset_hypertable() WHERE dataset = 'meter_energy_hourly'"
        ).fetchone()
        assert row is not None
        relation = row[0]
        # else the rollup stays as it is
        db.execute("SET session_replication_role = replica")
    else:
        relation = "telemetry.meter_energy_hourly"
    cursor = db.execute(f"UPDATE {relation} SET energy_mwh = {energy_mwh} WHERE bucket = %s", [ts])
    assert cursor.rowcount == 1
    db.execute("RESET session_replication_role")


@pytest.mark.slow_on_webassembly
def test_verify_compares_what_is_kept_with_what_was_proven(db: Connection) -> None:
    fill(db)
    retain(db, "8 days")
    maintain(db)
    assert db.execute("SELECT * FROM ops.verify('-infinity')").fetchall() == []
    tamper(db, "energy_mwh - 1", NOON - 12 * DAY)
    rows = db.execute(
        "SELECT dataset, device_id, bucket, stored, computed, verdict FROM ops.verify('-infinity')"
    ).fetchall()
    assert rows == [
        (
            "meter_energy_hourly",
            None,
            (NOON - 12 * DAY).replace(hour=0),
            "(1999999,1,1)",
            "(2000000,1,1)",
            "differs",
        )
    ]


@pytest.mark.slow_on_webassembly
def test_verify_tells_what_it_cannot_check(db: Connection) -> None:
    fill(db)
    maintain(db)
    db.execute("SET ROLE wattledger_owner")
    db.execute(
        "SELECT public.drop_chunks('telemetry.meter_reading', older_than => %s)", [NOON - 11 * DAY]
    )
    db.execute("RESET ROLE")
    maintain(db)
    rows = db.execute(
        "SELECT dataset, bucket, stored, verdict FROM ops.verify('-infinity')"
    ).fetchall()
    assert {(dataset, verdict) for dataset, _, _, verdict in rows} == {
        ("meter_energy_hourly", "unchecked"),
        ("meter_energy_daily", "unchecked"),
    }
    assert {stored.split()[0] for _, _, stored, _ in rows} == {"3"}
    assert db.execute("SELECT * FROM ops.verify()").fetchall() == []


@pytest.mark.slow_on_webassembly
def test_a_longer_retention_before_anything_went_takes_all_times_again(db: Connection) -> None:
    fill(db)
    maintain(db)
    retain(db, "8 days")
    # the first step alone
    assert db.execute("SELECT step FROM telemetry.drop_next('meter_reading')").fetchone() == (
        "bound",
    )
    (answer,) = ingest_meters(db, [MeterReading("M-2", NOON - 12 * DAY)])
    assert answer.outcome == "too_old"
    retain(db, "90 days")
    maintain(db)
    assert ingest_meters(db, [MeterReading("M-2", NOON - 12 * DAY)]) == []


@pytest.mark.slow_on_webassembly
def test_verify_looks_at_all_that_is_left_of_either_side(db: Connection) -> None:
    fill(db)
    maintain(db)
    retain(db, "8 days", ("vehicle_reading",))
    maintain(db)
    for age in (13, 9):
        tamper(db, "energy_mwh - 1", NOON - age * DAY)
    rows = db.execute(
        "SELECT bucket FROM ops.verify('-infinity') WHERE dataset = 'meter_energy_hourly'"
    ).fetchall()
    assert rows == [(NOON - 13 * DAY,), (NOON - 9 * DAY,)]


def test_a_refresh_of_all_time_ends(db: Connection) -> None:
    fill(db)
    db.execute("CALL ops.refresh('-infinity', 'infinity')")
    assert energy(db) == [28_000_000, 28_000_000, 14_000_000, 14_000_000]
    for window in ("NULL, now()", "now(), NULL"):
        with pytest.raises(psycopg.Error) as raised:
            db.execute(f"CALL ops.refresh({window})")
        assert raised.value.sqlstate == "WL002"


def test_a_reading_of_a_time_that_was_dropped_keeps_its_chunk_and_is_told(db: Connection) -> None:
    fill(db)
    retain(db, "8 days")
    maintain(db)
    with db.transaction():
        db.execute("SET LOCAL session_replication_role = replica")
        db.execute(
            "INSERT INTO telemetry.meter_reading (meter_id, ts, energy_mwh)"
            " VALUES ('stray', %s, 1)",
            [NOON - 13 * DAY],
        )
    with pytest.raises(psycopg.Error, match="stray has a reading of") as raised:
        maintain(db)
    assert raised.value.sqlstate == "WL025"
    row = db.execute("SELECT count(*) FROM telemetry.meter_reading WHERE meter_id = 'stray'")
    assert row.fetchone() == (1,)


def test_readings_are_not_written_from_an_old_snapshot(db: Connection) -> None:
    db.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
    for side in ("meter", "vehicle"):
        with db.transaction(force_rollback=True), pytest.raises(psycopg.Error) as raised:
            db.execute(
                f"INSERT INTO telemetry.{side}_reading ({side}_id, ts, energy_mwh)"
                " VALUES ('old', now(), 1)"
            )
        assert raised.value.sqlstate == "WL052"


@pytest.mark.slow_on_webassembly
def test_nobody_writes_readings_of_a_time_that_was_dropped(db: Connection) -> None:
    fill(db)
    retain(db, "8 days")
    maintain(db)
    for side in ("meter", "vehicle"):
        with pytest.raises(psycopg.Error) as raised:
            db.execute(
                f"INSERT INTO telemetry.{side}_reading ({side}_id, ts, energy_mwh)"
                " VALUES ('late', %s, 1)",
                [NOON - 12 * DAY],
            )
        assert raised.value.sqlstate == "WL053"


def test_what_was_dropped_past_us_survives_any_refresh(db: Connection) -> None:
    fill(db)
    maintain(db)
    before = energy(db)
    db.execute("SET ROLE wattledger_owner")
    for dataset in RAW:
        db.execute(
            "SELECT public.drop_chunks(%s::regclass, older_than => %s)",
            [f"telemetry.{dataset}", NOON - 9 * DAY],
        )
    db.execute("RESET ROLE")
    refresh_all(db)
    maintain(db)
    refresh_all(db)
    assert energy(db) == before


def test_a_chunk_that_reaches_below_what_was_dropped_goes_in_its_time(db: Connection) -> None:
    start = two_days_from(NOON - 15 * DAY)
    ingest_meters(db, [MeterReading(ts=start + DAY / 2, energy_kwh=1.0)])
    retain(db, "8 days")
    maintain(db)
    assert raw(db) == 0
    # longer chunks fill the place of those that went
    retain(db, "60 days")
    db.execute("SELECT ops.set_chunk_interval('meter_reading', INTERVAL '48 hours')")
    assert ingest_meters(db, [MeterReading(ts=start + 3 * DAY / 2, energy_kwh=2.0)]) == []
    chunks = db.execute(
        "SELECT range_start FROM timescaledb_information.chunks"
        " WHERE hypertable_name = 'meter_reading'"
    ).fetchall()
    assert chunks == [(start,)]
    retain(db, "8 days")
    maintain(db)
    assert raw(db) == 0
    assert energy(db)[:2] == [3_000_000, 3_000_000]
    assert db.execute("SELECT * FROM ops.verify('-infinity')").fetchall() == []


def two_days_from(moment: datetime) -> datetime:
    """Where a chunk of two days that holds the moment begins."""
    day = moment.replace(hour=0)
    return day - (day - datetime(1970, 1, 1, tzinfo=UTC)).days % 2 * DAY


def test_what_is_kept_after_all_is_not_noted_as_gone(db: Connection) -> None:
    fill(db)
    maintain(db)
    start = (NOON - 12 * DAY).replace(hour=0)
    (chunk,) = db.execute(
        "SELECT to_regclass(chunk_schema || '.' || chunk_name)::oid"
        " FROM timescaledb_information.chunks"
        " WHERE hypertable_name = 'meter_reading' AND range_start = %s",
        [start],
    ).fetchone() or (None,)
    step = db.execute(
        "SELECT step FROM telemetry.drop_proven('meter_reading', %s::oid::regclass, %s, %s, %s)",
        [chunk, start, start + DAY, start],
    ).fetchone()
    assert step == ("kept",)
    assert raw(db) == 14
    assert db.execute("SELECT * FROM telemetry.proven_energy").fetchall() == []


@pytest.fixture
def other(database_url: str) -> Iterator[Connection]:
    with psycopg.connect(database_url, autocommit=True) as opened:
        opened.execute("SET timezone = 'UTC'")
        yield opened


@pytest.fixture
def maintaining(database_url: str) -> Iterator[threading.Thread]:
    """The upkeep, in a session and thread of its own, to be started."""

    def run() -> None:
        with psycopg.connect(database_url, autocommit=True) as opened:
            maintain(opened)

    thread = threading.Thread(target=run)
    yield thread
    thread.join(60)
    assert not thread.is_alive()


def wait_until(db: Connection, query: str) -> None:
    """Until the query has a row: what it waits for happens in another session."""
    for _ in range(3000):
        if db.execute(query).fetchone() is not None:
            return
        db.execute("SELECT pg_sleep(0.01)")
    raise AssertionError(query)


def test_a_reading_in_flight_is_counted_before_its_chunk_goes(
    connection: Connection, other: Connection, maintaining: threading.Thread
) -> None:
    connection.execute("SET timezone = 'UTC'")
    fill(connection)
    maintain(connection)
    with other.transaction():
        # accepted, and not committed: nobody else sees it yet
        assert ingest_meters(other, [MeterReading("M-late", NOON - 12 * DAY, 7.0)]) == []
        retain(connection, "8 days")
        maintaining.start()
        wait_until(
            connection,
            "SELECT FROM telemetry.dataset WHERE dataset = 'meter_reading'"
            " AND accepted_since > '-infinity'",
        )
        (answer,) = ingest_meters(connection, [MeterReading("M-2", NOON - 12 * DAY)])
        assert answer.outcome == "too_old"
        assert raw(connection) == 14
    maintaining.join(60)
    assert raw(connection) < 14
    assert energy(connection)[:2] == [35_000_000, 35_000_000]
    assert connection.execute("SELECT * FROM ops.verify('-infinity')").fetchall() == []


def test_a_chunk_that_is_written_past_ingestion_is_proven_again(
    connection: Connection, other: Connection, maintaining: threading.Thread
) -> None:
    connection.execute("SET timezone = 'UTC'")
    fill(connection)
    maintain(connection)
    retain(connection, "8 days")
    with other.transaction():
        other.execute(
            "INSERT INTO telemetry.meter_reading (meter_id, ts, energy_mwh)"
            " VALUES ('copied', %s, 7000000)",
            [NOON - 12 * DAY],
        )
        maintaining.start()
        wait_until(
            connection,
            "SELECT FROM telemetry.dataset WHERE dataset = 'meter_reading'"
            " AND accepted_since > '-infinity'",
        )
    maintaining.join(60)
    assert raw(connection) < 14
    assert energy(connection)[:2] == [35_000_000, 35_000_000]


def test_who_keeps_more_meanwhile_loses_nothing_more(
    connection: Connection, other: Connection, maintaining: threading.Thread
) -> None:
    connection.execute("SET timezone = 'UTC'")
    fill(connection)
    maintain(connection)
    retain(connection, "8 days", ("meter_reading",))
    with other.transaction():
        # a reader keeps the chunk from going
        assert raw(other) == 14
        maintaining.start()
        wait_until(
            connection,
            "SELECT FROM telemetry.dataset WHERE dataset = 'meter_reading'"
            " AND accepted_since > '-infinity'",
        )
        retain(connection, "90 days", ("meter_reading",))
    maintaining.join(60)
    maintain(connection)
    kept = connection.execute("SELECT min(ts) FROM telemetry.meter_reading").fetchone()
    complete = connection.execute(
        "SELECT nullif(complete_since, '-infinity') FROM telemetry.dataset"
        " WHERE dataset = 'meter_reading'"
    ).fetchone()
    assert kept is not None
    assert complete is not None
    # what went had gone before that was said
    assert complete[0] is None or kept[0] >= complete[0]
    assert connection.execute("SELECT * FROM ops.verify('-infinity')").fetchall() == []
