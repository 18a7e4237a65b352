"""DBAs manage retention, compression and refresh, and nothing they can do loses what counts."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from typing import Any

import psycopg
import pytest

from tests.support import rollups
from tests.support.readings import (
    NOW,
    Connection,
    MeterReading,
    VehicleReading,
    ingest_meters,
    ingest_vehicles,
)

DAY = timedelta(days=1)
RAW = ("meter_reading", "vehicle_reading")


# each day as far back as the bounds that are tried, and then some
# none that midnight, coming after the start of the tests, makes old enough for what is kept here
AGES_DAYS = [*range(32), *range(33, 37), 40, 50, 60, 70, 88]


def fill_days(db: Connection, days: int | None = None) -> None:
    """A reading per day and side: of the last days, or of 41 back to the edge of retention."""
    times = [NOW - age * DAY for age in (AGES_DAYS if days is None else range(days))]
    ingest_meters(db, [MeterReading(ts=ts) for ts in times])
    ingest_vehicles(db, [VehicleReading(ts=ts) for ts in times])


def totals(db: Connection) -> list[tuple[Any, ...]]:
    return db.execute(
        "SELECT sum(energy_mwh), sum(samples), min(first_reading_at) FROM bi.meter_energy_hourly"
        " UNION ALL SELECT sum(energy_mwh), sum(samples), min(first_reading_at)"
        " FROM bi.meter_energy_daily"
        " UNION ALL SELECT sum(energy_mwh), sum(samples), min(first_reading_at)"
        " FROM bi.vehicle_energy_daily"
    ).fetchall()


def refresh(db: Connection, days: int = 89) -> None:
    db.execute("CALL ops.refresh(now() - %s, now())", [days * DAY])


def fill_and_refresh(db: Connection) -> None:
    fill_days(db)
    refresh(db)


@pytest.fixture
def filled(url_filled_by: Callable[..., str]) -> Iterator[Connection]:
    """A database with a reading per day and side, counted in hours and days."""
    with psycopg.connect(url_filled_by(fill_and_refresh), autocommit=True) as opened:
        opened.execute("SET timezone = 'UTC'")
        yield opened


def set_retention(db: Connection, dataset: str, keep: str | None, **options: bool) -> list[dict]:
    """What the call lists; where it is confirmed, the next upkeep has dropped that as well."""
    cursor = db.cursor(row_factory=psycopg.rows.dict_row)
    listed = cursor.execute(
        "SELECT * FROM ops.set_retention(%s, %s::interval, %s)",
        [dataset, keep, options.get("confirm", False)],
    ).fetchall()
    if options.get("confirm"):
        db.execute("CALL ops.maintain()")
    return listed


def kept(db: Connection, dataset: str) -> timedelta | None:
    row = db.execute("SELECT keep FROM ops.policies WHERE dataset = %s", [dataset]).fetchone()
    assert row is not None
    return row[0]


def test_the_defaults_keep_raw_readings_90_days_hours_5_years_and_days_for_ever(
    db: Connection,
) -> None:
    rows = dict(db.execute("SELECT dataset, keep::text FROM ops.policies").fetchall())
    assert rows == {
        "meter_reading": "90 days",
        "vehicle_reading": "90 days",
        "meter_energy_hourly": "5 years",
        "vehicle_energy_hourly": "5 years",
        "meter_energy_daily": None,
        "vehicle_energy_daily": None,
    }


def test_shortening_lists_the_chunks_first_and_changes_nothing(db: Connection) -> None:
    fill_days(db)
    listed = set_retention(db, "meter_reading", "30 days")
    # chunks are days, and one goes when all of it is two days older than what is kept
    assert len(listed) == sum(age > 32 for age in AGES_DAYS)
    assert all(row["bytes"] > 0 for row in listed)
    assert max(row["chunk_end"] for row in listed) <= datetime.now(NOW.tzinfo) - 32 * DAY
    assert kept(db, "meter_reading") == 90 * DAY
    assert db.execute("SELECT count(*) FROM telemetry.meter_reading").fetchone() == (41,)


@pytest.mark.slow_on_webassembly
def test_confirmed_shortening_drops_the_listed_chunks_and_leaves_the_rollups(
    filled: Connection,
) -> None:
    before = totals(filled)
    for dataset in RAW:
        listed = set_retention(filled, dataset, "30 days")
        dropped = set_retention(filled, dataset, "30 days", confirm=True)
        assert [row["chunk"] for row in dropped] == [row["chunk"] for row in listed]
        assert kept(filled, dataset) == 30 * DAY
    assert filled.execute("SELECT count(*) FROM telemetry.meter_reading").fetchone() == (32,)
    assert totals(filled) == before
    # neither a refresh nor the upkeep forgets what raw readings no longer tell
    refresh(filled, 29)
    filled.execute("CALL ops.maintain()")
    assert totals(filled) == before


@pytest.mark.parametrize(
    ("stored_days_ago", "keep"), [(32, "31 days"), (20, "80 days"), (20, "120 days")]
)
def test_without_confirmation_no_retention_changes_anything(
    db: Connection, stored_days_ago: int, keep: str
) -> None:
    ingest_vehicles(db, [VehicleReading(ts=NOW - stored_days_ago * DAY)])
    before = db.execute("SELECT d::text FROM telemetry.dataset AS d ORDER BY 1").fetchall()
    assert set_retention(db, "vehicle_reading", keep) == []
    assert db.execute("SELECT d::text FROM telemetry.dataset AS d ORDER BY 1").fetchall() == before


@pytest.mark.slow_on_webassembly
def test_lengthening_again_what_lost_nothing_loses_nothing(db: Connection) -> None:
    # older than what is kept in between, and not yet so old that it is dropped
    ingest_vehicles(db, [VehicleReading(ts=NOW - 32 * DAY)])
    refresh(db)
    for keep in ("31 days", "90 days"):
        assert set_retention(db, "vehicle_reading", keep, confirm=True) == []
    earlier = [VehicleReading(ts=NOW - age * DAY) for age in (31, 33, 60)]
    assert ingest_vehicles(db, earlier) == []
    run_refresh_jobs(db)
    assert rollups.differences(db) == []


@pytest.mark.slow_on_webassembly
def test_a_silence_between_what_was_dropped_and_what_is_there_stays_open(db: Connection) -> None:
    days_ago = {age: NOW - age * DAY for age in (50, 5)}
    ingest_meters(db, [MeterReading(ts=ts, energy_kwh=0.5) for ts in days_ago.values()])
    ingest_vehicles(db, [VehicleReading(ts=days_ago[50], energy_kwh=0.5)])
    refresh(db)
    for keep in ("31 days", "90 days"):
        for dataset in RAW:
            set_retention(db, dataset, keep, confirm=True)
    for _ in range(2):
        db.execute("CALL ops.maintain()")
    # days of which nothing was dropped, also where no chunk is left at all
    for age in (48, 20, 1):
        assert ingest_meters(db, [MeterReading("M-2", NOW - age * DAY, 2.0)]) == []
        assert ingest_vehicles(db, [VehicleReading("V-2", NOW - age * DAY, 2.0)]) == []
    for ts in (days_ago[50], days_ago[50] - DAY):
        (answer,) = ingest_meters(db, [MeterReading(ts=ts, energy_kwh=1.0)])
        assert answer.outcome == "too_old"
    run_refresh_jobs(db)
    # what was dropped still counts
    energies = db.execute(
        "SELECT (SELECT sum(h.energy_kwh) FROM bi.meter_energy_hourly AS h),"
        " (SELECT sum(d.energy_kwh) FROM bi.meter_energy_daily AS d),"
        " (SELECT sum(d.energy_kwh) FROM bi.vehicle_energy_daily AS d)"
    ).fetchone()
    assert energies == (7, 7, 6.5)


@pytest.mark.slow_on_webassembly
def test_lengthening_again_keeps_out_only_what_was_dropped(filled: Connection) -> None:
    for keep in ("30 days", "90 days"):
        set_retention(filled, "meter_reading", keep, confirm=True)
    late = {age: MeterReading(ts=NOW - age * DAY + timedelta(minutes=1)) for age in (29, 30, 34)}
    outcomes = {
        age: [answer.outcome for answer in ingest_meters(filled, [reading])]
        for age, reading in late.items()
    }
    assert outcomes == {29: [], 30: [], 34: ["too_old"]}


@pytest.mark.slow_on_webassembly
def test_a_refresh_over_dropped_chunks_is_refused(filled: Connection) -> None:
    before = totals(filled)
    for dataset in RAW:
        set_retention(filled, dataset, "30 days", confirm=True)
    with pytest.raises(psycopg.Error, match="would empty rollups") as raised:
        refresh(filled, 40)
    assert raised.value.sqlstate == "WL020"
    # nor after the retention was lengthened: the readings are not back
    set_retention(filled, "meter_reading", "90 days", confirm=True)
    with pytest.raises(psycopg.Error, match="would empty rollups"):
        refresh(filled, 40)
    assert totals(filled) == before


@pytest.mark.slow_on_webassembly
def test_a_late_reading_older_than_dropped_chunks_is_refused_after_lengthening(
    filled: Connection,
) -> None:
    before = totals(filled)
    for dataset in RAW:
        set_retention(filled, dataset, "30 days", confirm=True)
        set_retention(filled, dataset, "90 days", confirm=True)
    (answer,) = ingest_meters(filled, [MeterReading(ts=NOW - 40 * DAY + timedelta(minutes=1))])
    assert answer.outcome == "too_old"
    (answer,) = ingest_vehicles(filled, [VehicleReading(ts=NOW - 40 * DAY + timedelta(minutes=1))])
    assert answer.outcome == "too_old"
    assert totals(filled) == before


def test_late_readings_up_to_the_retention_reach_the_rollups(filled: Connection) -> None:
    late = [NOW - age for age in (89.9 * DAY, 45 * DAY, 3 * DAY, timedelta(hours=3))]
    assert ingest_meters(filled, [MeterReading("M-late", ts) for ts in late]) == []
    assert ingest_vehicles(filled, [VehicleReading("V-late", ts) for ts in late]) == []
    run_refresh_jobs(filled)
    assert rollups.differences(filled) == []


def run_refresh_jobs(db: Connection) -> None:
    """What TimescaleDB's scheduler does within an hour; none on the Apache edition."""
    db.execute("UPDATE telemetry.work_done SET last_complete_at = NULL")
    jobs = db.execute(
        "SELECT refresh_job FROM ops.policies WHERE refresh_job IS NOT NULL"
        " ORDER BY dataset NOT LIKE '%hourly'"
    ).fetchall()
    for (job,) in jobs:
        db.execute(f"CALL public.run_job({job})")


@pytest.mark.parametrize(
    ("dataset", "keep", "code"),
    [
        ("meter_reading", "1 day", "WL020"),
        ("meter_energy_hourly", "90 days", "WL020"),
        ("meter_energy_hourly", "96 days", "WL020"),
        ("meter_reading", None, "WL020"),
        ("vehicle_reading", "6 years", "WL020"),
        ("vehicle_energy_daily", "5 years", "WL020"),
        ("meter_state", "90 days", "WL021"),
    ],
)
def test_a_retention_that_would_lose_data_is_refused_saying_what_to_do(
    db: Connection, dataset: str, keep: str | None, code: str
) -> None:
    with pytest.raises(psycopg.Error) as raised:
        set_retention(db, dataset, keep)
    assert raised.value.sqlstate == code
    assert raised.value.diag.message_hint


@pytest.mark.slow_on_webassembly
def test_raw_readings_can_be_kept_for_ever_where_rollups_are(db: Connection) -> None:
    for dataset in ("meter_energy_hourly", "meter_reading"):
        assert set_retention(db, dataset, None, confirm=True) == []
    assert kept(db, "meter_reading") is None
    assert ingest_meters(db, [MeterReading(ts=NOW - 1900 * DAY)]) == []
    run_refresh_jobs(db)
    assert rollups.differences(db) == []


@pytest.mark.slow_on_webassembly
def test_lengthening_lets_older_readings_in_where_nothing_was_dropped(db: Connection) -> None:
    for dataset in RAW:
        assert set_retention(db, dataset, "1 year", confirm=True) == []
    assert ingest_meters(db, [MeterReading(ts=NOW - 300 * DAY)]) == []
    assert ingest_vehicles(db, [VehicleReading(ts=NOW - 300 * DAY)]) == []
    run_refresh_jobs(db)
    assert rollups.differences(db) == []


def test_a_dataset_may_be_named_with_its_schema(db: Connection) -> None:
    assert set_retention(db, "bi.meter_energy_hourly", "3 years", confirm=True) == []
    assert set_retention(db, "telemetry.meter_reading", "80 days", confirm=True) == []
    assert kept(db, "meter_reading") == 80 * DAY


@pytest.mark.slow_on_webassembly
def test_shortening_the_hours_leaves_the_days(filled: Connection) -> None:
    for dataset in RAW:
        set_retention(filled, dataset, "20 days", confirm=True)
    days_before = filled.execute("SELECT * FROM bi.meter_energy_daily ORDER BY 1, 2, 3").fetchall()
    months_before = filled.execute(
        "SELECT * FROM bi.meter_energy_monthly ORDER BY 1, 2, 3"
    ).fetchall()
    dropped = set_retention(filled, "meter_energy_hourly", "30 days", confirm=True)
    assert dropped
    hours = filled.execute("SELECT count(*) FROM bi.meter_energy_hourly").fetchone()
    assert hours is not None
    assert 30 <= hours[0] < 41
    run_refresh_jobs(filled)
    assert (
        filled.execute("SELECT * FROM bi.meter_energy_daily ORDER BY 1, 2, 3").fetchall()
        == days_before
    )
    assert (
        filled.execute("SELECT * FROM bi.meter_energy_monthly ORDER BY 1, 2, 3").fetchall()
        == months_before
    )


def test_upkeep_drops_what_is_two_days_older_than_the_retention(db: Connection) -> None:
    # as if they had come three days ago
    for age in (95, 91):
        db.execute(
            "INSERT INTO telemetry.meter_reading (meter_id, ts, energy_mwh) VALUES ('M-1', %s, 1)",
            [NOW - age * DAY],
        )
    job = db.execute(
        "SELECT retention_job FROM ops.policies WHERE dataset = 'meter_reading'"
    ).fetchone()
    assert job is not None
    db.execute("CALL ops.maintain()" if job[0] is None else f"CALL public.run_job({job[0]})")
    (left,) = db.execute("SELECT ts FROM telemetry.meter_reading").fetchall()
    assert left[0] == NOW - 91 * DAY


def test_storage_tells_rows_chunks_and_bytes_of_every_dataset(db: Connection) -> None:
    fill_days(db, 20)
    db.execute("ANALYZE")
    cursor = db.cursor(row_factory=psycopg.rows.dict_row)
    found = {row["dataset"]: row for row in cursor.execute("SELECT * FROM ops.storage")}
    assert len(found) == 6
    raw = found["meter_reading"]
    assert (raw["approximate_rows"], raw["chunks"], raw["compressed_chunks"]) == (20, 20, 0)
    assert raw["total_bytes"] > raw["bytes_per_day"] > 0
    assert raw["first_chunk_start"] <= NOW - 19 * DAY


def test_freshness_tells_how_far_every_rollup_is(db: Connection) -> None:
    fill_days(db, 20)
    refresh(db)
    cursor = db.cursor(row_factory=psycopg.rows.dict_row)
    found = {row["dataset"]: row for row in cursor.execute("SELECT * FROM ops.freshness")}
    assert len(found) == 4
    for dataset, row in found.items():
        # rows are stored up to the last whole bucket with readings, which was a day ago
        bucket = DAY if dataset.endswith("daily") else timedelta(hours=1)
        assert timedelta(0) <= row["lag"] < DAY + bucket
        assert row["late_changes"] == 0
        assert row["late_since"] is None


def test_the_dba_reads_every_view_and_calls_every_function_of_ops(db: Connection) -> None:
    fill_days(db, 5)
    db.execute("SET SESSION AUTHORIZATION wattledger_dba")
    for view in ("policies", "jobs", "storage", "freshness", "quarantine"):
        db.execute(f"SELECT * FROM ops.{view}")
    refresh(db, 4)
    db.execute("CALL ops.maintain()")
    assert set_retention(db, "meter_reading", "60 days", confirm=True) == []
    assert db.execute("SELECT * FROM ops.replay_quarantine()").fetchall() == []
    assert db.execute("SELECT current_user").fetchone() == ("wattledger_dba",)
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        db.execute("SELECT * FROM telemetry.meter_reading")


def test_the_window_of_a_refresh_must_not_be_empty(db: Connection) -> None:
    with pytest.raises(psycopg.Error) as raised:
        db.execute("CALL ops.refresh(now(), now() - interval '2 days')")
    assert raised.value.sqlstate == "WL002"
    with pytest.raises(psycopg.Error) as raised:
        db.execute("CALL ops.refresh(now() + interval '2 days', now() + interval '5 days')")
    assert raised.value.sqlstate == "WL002"


def test_a_refresh_that_reaches_into_the_future_does_not_hide_what_comes_next(
    db: Connection,
) -> None:
    fill_days(db, 3)
    db.execute("CALL ops.refresh(now() - interval '2 days', now() + interval '10 days')")
    ingest_meters(db, [MeterReading("M-next", datetime.now(NOW.tzinfo))])
    row = db.execute("SELECT samples FROM bi.meter_energy_hourly WHERE meter_id = 'M-next'")
    assert row.fetchone() == (1,)
    row = db.execute("SELECT samples FROM bi.meter_energy_daily WHERE meter_id = 'M-next'")
    assert row.fetchone() == (1,)
