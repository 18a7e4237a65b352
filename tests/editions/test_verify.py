"""`ops.verify` finds each thing that does not agree, on both editions.

That it finds nothing else is held with the rollups, for any readings: test_rollups.
"""

from __future__ import annotations

from datetime import timedelta

import pytest

from tests.support.readings import (
    NOW,
    Connection,
    MeterReading,
    VehicleReading,
    ingest_meters,
    ingest_vehicles,
)

YESTERDAY = NOW.replace(hour=12, minute=0) - timedelta(days=1)
HOUR = timedelta(hours=1)


def verify(db: Connection, window: str = "'-infinity', 'infinity'") -> list[tuple[str, str]]:
    """Dataset and device of each difference."""
    rows = db.execute(f"SELECT v.dataset, v.device_id FROM ops.verify({window}) AS v")
    return rows.fetchall()


@pytest.fixture
def stored(db: Connection) -> Connection:
    """Three hours of two meters and a vehicle, yesterday and today."""
    times = [YESTERDAY + n * timedelta(minutes=20) for n in range(9)] + [NOW]
    ingest_meters(db, [MeterReading(meter, ts) for meter in ("M-1", "M-2") for ts in times])
    ingest_vehicles(db, [VehicleReading(ts=ts) for ts in times])
    return db


@pytest.mark.parametrize(
    ("change", "found"),
    [
        ("SET energy_mwh = energy_mwh + 1", [("meter_state", "M-1")]),
        ("SET voltage_mv = NULL", [("meter_state", "M-1")]),
        ("SET ts = ts - INTERVAL '1 minute'", [("meter_state", "M-1")]),
        # of times that no reading has
        ("SET ts = ts + INTERVAL '1 second'", [("meter_state", "M-1")]),
    ],
)
def test_a_state_that_is_not_the_newest_reading_is_found(
    stored: Connection, change: str, found: list[tuple[str, str]]
) -> None:
    assert verify(stored) == []
    stored.execute(f"UPDATE telemetry.meter_state {change} WHERE meter_id = 'M-1'")
    assert verify(stored) == found
    # and not where nobody looks
    assert verify(stored, f"'-infinity', '{(NOW - HOUR).isoformat()}'") == []


def test_a_missing_state_is_found(stored: Connection) -> None:
    stored.execute("DELETE FROM telemetry.vehicle_state")
    found = verify(stored)
    assert ("vehicle_state", "V-1") in found
    assert all(dataset.startswith("vehicle_") for dataset, _ in found)


@pytest.mark.parametrize(
    ("change", "found"),
    [
        ("UPDATE telemetry.meter_energy_hourly SET energy_mwh = energy_mwh + 1", 1),
        ("UPDATE telemetry.meter_energy_hourly SET samples = samples - 1", 1),
        ("DELETE FROM telemetry.meter_energy_hourly", 1),
    ],
)
def test_an_hour_that_differs_from_its_readings_is_found(
    connection: Connection, change: str, found: int
) -> None:
    if connection.execute("SELECT telemetry.has_policies()").fetchone() == (True,):
        pytest.skip("continuous aggregates cannot be changed by hand")
    times = [YESTERDAY + n * timedelta(minutes=20) for n in range(9)] + [NOW]
    ingest_meters(connection, [MeterReading(ts=ts) for ts in times])
    assert verify(connection) == []
    connection.execute(f"{change} WHERE bucket = %s", [YESTERDAY + HOUR])  # type: ignore[arg-type]
    assert verify(connection) == [("meter_energy_hourly", "M-1")] * found
    connection.execute("CALL ops.refresh(%s, now())", [YESTERDAY - HOUR])
    assert verify(connection) == []


def test_a_day_that_differs_from_its_hours_is_found(connection: Connection) -> None:
    if connection.execute("SELECT telemetry.has_policies()").fetchone() == (True,):
        pytest.skip("continuous aggregates cannot be changed by hand")
    ingest_meters(connection, [MeterReading(ts=ts) for ts in (YESTERDAY, NOW)])
    connection.execute(
        "UPDATE telemetry.meter_energy_daily SET energy_mwh = 0 WHERE bucket = %s",
        [YESTERDAY.replace(hour=0)],
    )
    assert verify(connection) == [("meter_energy_daily", "M-1")]
    # days count where the window has them as a whole
    window = f"'{(YESTERDAY - HOUR).isoformat()}', 'infinity'"
    assert verify(connection, window) == []


def test_a_difference_says_what_is_stored_and_what_should_be(stored: Connection) -> None:
    stored.execute("UPDATE telemetry.meter_state SET energy_mwh = 7 WHERE meter_id = 'M-2'")
    row = stored.execute("SELECT v.bucket, v.stored, v.computed FROM ops.verify() AS v").fetchone()
    assert row is not None
    assert row[0] is None
    assert ",7," in row[1]
    assert ",420000," in row[2]
