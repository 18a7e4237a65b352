"""Have charging kept as the service does, and look at all that is kept."""

from __future__ import annotations

import time
from datetime import datetime, timedelta
from typing import Any

from tests.support.ledger import settle
from tests.support.readings import (
    Connection,
    MeterReading,
    VehicleReading,
    ingest_meters,
    ingest_vehicles,
)

MINUTE = timedelta(minutes=1)
TABLES = {
    "charging_part": "meter_id, hour, since",
    "charging_session": "meter_id, started_at",
    "charging_day": "day, vehicle_id, meter_id",
}
Kept = dict[str, list[tuple[Any, ...]]]


def keep(db: Connection) -> int:
    """Keep charging of all that has come, as the service does; for how many devices that was."""
    total = 0
    while True:
        kept, waiting = db.execute(
            "SELECT s.kept, s.waiting FROM api.settle_charging(kept_for => '-1 s') AS s"
        ).fetchone() or (0, 0)
        total += kept
        if not kept + waiting:
            return total
        if not kept:
            time.sleep(0.01)  # the service is at it


def settle_and_keep(db: Connection) -> None:
    """Settle, then keep charging: what the service does within some seconds or minutes."""
    settle(db)
    keep(db)


def kept(db: Connection) -> Kept:
    """All that is kept of charging."""
    return {
        table: db.execute(f"SELECT * FROM telemetry.{table} ORDER BY {key}").fetchall()
        for table, key in TABLES.items()
    }


def forget_all(db: Connection) -> None:
    """Nothing is kept any more, as if nobody had begun."""
    for table in (*TABLES, "charging_progress", "charging_queue"):
        db.execute(f"DELETE FROM telemetry.{table}")


def kept_anew(db: Connection) -> Kept:
    """The same, from nothing."""
    forget_all(db)
    keep(db)
    return kept(db)


def charge(
    db: Connection,
    since: datetime,
    minutes: int,
    *,
    vehicle_id: str = "V-1",
    meter_id: str = "M-1",
    efficiency: float = 0.9,
    kwh: float = 0.12,
    step: int = 1,
) -> None:
    """Both sides report a charge, each so many minutes: so much AC per minute."""
    times = [since + step * n * MINUTE for n in range(1, minutes // step + 1)]
    assert not ingest_meters(db, [MeterReading(meter_id, ts, kwh * step) for ts in times])
    assert not ingest_vehicles(
        db,
        [VehicleReading(vehicle_id, ts, round(kwh * step * efficiency, 6)) for ts in times],
    )
