"""How long chunks are is a DBA's choice, on both editions."""

from __future__ import annotations

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

NOON = NOW.replace(hour=12, minute=0)
DAY = timedelta(days=1)


def lengths(db: Connection, dataset: str) -> set[timedelta]:
    """How long the dataset's chunks are."""
    return {
        length
        for (length,) in db.execute(
            "SELECT c.range_end - c.range_start FROM telemetry.dataset_hypertable() AS h"
            " INNER JOIN timescaledb_information.chunks AS c"
            " ON c.hypertable_name = h.hypertable_name"
            " WHERE h.dataset = %s",
            [dataset],
        )
    }


@pytest.mark.parametrize("every", [timedelta(hours=1), timedelta(hours=8), timedelta(days=7)])
def test_readings_go_into_chunks_of_the_length_that_was_chosen(
    db: Connection, every: timedelta
) -> None:
    db.execute("SET ROLE wattledger_dba")
    for side in ("meter", "vehicle"):
        db.execute("SELECT ops.set_chunk_interval(%s, %s)", [f"{side}_reading", every])
    db.execute("RESET ROLE")
    ingest_meters(db, [MeterReading(ts=NOON - 30 * DAY)])
    ingest_vehicles(db, [VehicleReading(ts=NOON - 30 * DAY)])
    assert lengths(db, "meter_reading") == lengths(db, "vehicle_reading") == {every}


def test_rollups_go_into_chunks_of_the_length_that_was_chosen(db: Connection) -> None:
    db.execute("SELECT ops.set_chunk_interval('bi.meter_energy_hourly', '3 days')")
    db.execute("SELECT ops.set_chunk_interval('meter_energy_daily', '30 days')")
    # the second moves the first on, where an open hour is kept beside the hours
    ingest_meters(db, [MeterReading(ts=NOON - 30 * DAY), MeterReading(ts=NOON - 29 * DAY)])
    db.execute("CALL ops.refresh(%s, %s)", [NOON - 31 * DAY, NOON - 28 * DAY])
    assert lengths(db, "meter_energy_hourly") == {timedelta(days=3)}
    assert lengths(db, "meter_energy_daily") == {timedelta(days=30)}


@pytest.mark.parametrize(
    ("dataset", "every", "code"),
    [
        ("meter_reading", "59 minutes", "WL020"),
        ("meter_reading", "90 minutes", "WL020"),
        ("meter_reading", "8 days", "WL020"),
        ("meter_reading", None, "WL020"),
        ("meter_reading", "-1 day", "WL020"),
        ("meter_energy_hourly", "12 hours", "WL020"),
        ("meter_energy_hourly", "71 days", "WL020"),
        ("meter_energy_hourly", "1 month", "WL020"),
        ("vehicle_energy_daily", "6 days", "WL020"),
        ("vehicle_energy_daily", "2 years", "WL020"),
        ("meter_energy_weekly", "7 days", "WL021"),
    ],
)
def test_a_length_that_makes_no_sense_is_refused(
    db: Connection, dataset: str, every: str | None, code: str
) -> None:
    with pytest.raises(psycopg.Error) as raised:
        db.execute("SELECT ops.set_chunk_interval(%s, %s::interval)", [dataset, every])
    assert raised.value.sqlstate == code
    assert raised.value.diag.message_hint
