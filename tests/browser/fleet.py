"""A small fleet of a week for the page: a sound charger, one that lost its health, and one whose
counter stands still."""

from __future__ import annotations

from datetime import datetime, timedelta

from tests.support.ledger import settle
from tests.support.readings import (
    NOW,
    Connection,
    MeterReading,
    VehicleReading,
    ingest_meters,
    ingest_vehicles,
    link,
)

# its newest charge is a day old at most, so that the last 24 hours show one
END = NOW.replace(minute=0) - timedelta(hours=3)
DAYS = 6
MINUTES = 180
KW = 7.2
SOUND, BROKEN, STANDING = "B-SOUND", "B-BROKEN", "B-STANDING"
# an id is text, whatever it looks like
VEHICLES = {SOUND: "V <b>&1", BROKEN: "V-2", STANDING: "V-3"}
BROKEN_DAYS = 3
PRICE = 0.3


def charges() -> list[datetime]:
    """When the charges of each vehicle start."""
    return [END - timedelta(days=day, minutes=MINUTES) for day in reversed(range(DAYS))]


def broken_since() -> datetime:
    """When the first bad charge starts."""
    return charges()[-BROKEN_DAYS]


def fill(connection: Connection) -> None:
    """Store its readings, and have all of it settled and judged."""
    connection.execute(
        "SELECT ops.set_tariff(currency => 'EUR', zone => 'Europe/Berlin',"
        " first_day => '2020-01-01', prices => to_jsonb(%s::numeric), why => 'for tests')",
        [PRICE],
    )
    for meter_id, vehicle_id in VEHICLES.items():
        link(connection, vehicle_id, meter_id)
        for number, start in enumerate(charges()):
            _charge(connection, meter_id, vehicle_id, start, number >= DAYS - BROKEN_DAYS)
    settle(connection)
    connection.execute("CALL telemetry.settle_all_charging()")


def _charge(
    connection: Connection, meter_id: str, vehicle_id: str, start: datetime, is_late: bool
) -> None:
    ac = KW / 60
    efficiency = 0.76 if meter_id == BROKEN and is_late else 0.91
    counted = 0 if meter_id == STANDING and is_late else ac
    times = [start + timedelta(minutes=minute) for minute in range(MINUTES + 1)]
    ingest_meters(
        connection,
        [MeterReading(meter_id, ts, counted if ts > start else 0, 231.0) for ts in times],
    )
    ingest_vehicles(
        connection,
        [
            VehicleReading(
                vehicle_id, ts, ac * efficiency if ts > start else 0, 40 + minute / 6, 24.5
            )
            for minute, ts in enumerate(times)
        ],
    )
