"""What the sender of a refused reading is told, the same on both editions."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from tests.support.readings import (
    NOW,
    Connection,
    MeterReading,
    VehicleReading,
    ingest_meters,
    ingest_vehicles,
)

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def told(db: Connection, ts: datetime) -> str:
    """What a meter's and a vehicle's reading of that time is refused for."""
    # in one transaction, since both tell from when on readings are accepted
    with db.transaction():
        (meter,) = ingest_meters(db, [MeterReading(ts=ts)])
        (vehicle,) = ingest_vehicles(db, [VehicleReading(ts=ts)])
    assert meter == vehicle
    assert meter.outcome == "too_old"
    assert meter.detail is not None
    return meter.detail


def test_seconds_taken_for_milliseconds_are_told_what_they_look_like(db: Connection) -> None:
    for moment in (NOW, datetime(2000, 1, 1, tzinfo=UTC), datetime(2099, 12, 31, tzinfo=UTC)):
        detail = told(db, EPOCH + timedelta(milliseconds=round(moment.timestamp())))
        assert "accepted from" in detail
        assert "it looks like seconds: send milliseconds" in detail


@pytest.mark.parametrize("ts", [EPOCH, NOW - timedelta(days=400), datetime(1970, 6, 1, tzinfo=UTC)])
def test_another_old_time_is_not_taken_for_seconds(db: Connection, ts: datetime) -> None:
    assert "looks like" not in told(db, ts)
