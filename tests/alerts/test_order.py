"""What is open follows from the readings, in whatever order and batches these come."""

from __future__ import annotations

from datetime import timedelta
from random import Random
from typing import NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.alerts import alerts, new_names
from tests.support.kept_charging import settle_and_keep
from tests.support.readings import (
    NOW,
    Connection,
    MeterReading,
    VehicleReading,
    ingest_meters,
    ingest_vehicles,
    link,
)

pytestmark = pytest.mark.slow_on_webassembly
START = (NOW - timedelta(days=4)).replace(minute=0)
STEP = timedelta(minutes=10)


class Charge(NamedTuple):
    """What a charge gives of what it draws, and whether the vehicle tells of it."""

    efficiency: float
    is_told: bool = True


CHARGES = st.lists(
    st.sampled_from([Charge(0.92), Charge(0.7), Charge(0.7), Charge(1.3), Charge(0.92, False)]),
    min_size=2,
    max_size=7,
)


def readings(
    meter: str, vehicle: str, charges: list[Charge]
) -> list[MeterReading | VehicleReading]:
    """Readings of charges of 11 kW for an hour, one each four hours."""
    told: list[MeterReading | VehicleReading] = []
    for number, charge in enumerate(charges):
        for step in range(7):
            ts = START + timedelta(hours=4 * number) + step * STEP
            kwh = 11 / 6 if step else 0.0
            told.append(MeterReading(meter, ts, kwh, None, "difference", ts - STEP))
            if charge.is_told:
                given = round(kwh * charge.efficiency, 6)
                told.append(VehicleReading(vehicle, ts, given, None, None, "difference", ts - STEP))
    return told


def send(db: Connection, sent: list[MeterReading | VehicleReading]) -> None:
    ingest_meters(db, [one for one in sent if isinstance(one, MeterReading)])
    ingest_vehicles(db, [one for one in sent if isinstance(one, VehicleReading)])
    settle_and_keep(db)


def found(db: Connection, meter: str, vehicle: str) -> list[tuple[object, ...]]:
    return sorted(
        (one["kind"], one["meter_id"] is None, one["since"], one["severity"], one["cause"])
        for one in alerts(db, meter, vehicle)
        if one["state"] == "open"
    )


@settings(deadline=None, max_examples=5)
@given(charges=CHARGES, seed=st.integers(0, 10**6), pieces=st.integers(2, 4))
def test_readings_in_any_order_and_batches_leave_the_same_alerts_open(
    db: Connection, charges: list[Charge], seed: int, pieces: int
):
    once = new_names("M", "V")
    link(db, once[1], once[0])
    send(db, readings(once[0], once[1], charges))

    m, v = new_names("M", "V")
    link(db, v, m)
    shuffled = readings(m, v, charges)
    Random(seed).shuffle(shuffled)
    size = -(-len(shuffled) // pieces)
    for place in range(0, len(shuffled), size):
        send(db, shuffled[place : place + size])
    assert found(db, m, v) == found(db, *once)
