"""History from before a soak, so that retention has something to drop."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import psycopg

from loadtests.soak.devices import Device, Total

_SPANS = """
FROM generate_series(0, %(devices)s::integer - 1) AS d (number)
CROSS JOIN generate_series(
    date_trunc('hour', now(), 'UTC') - make_interval(hours => 24 * %(days)s::integer),
    date_trunc('hour', now(), 'UTC') - INTERVAL '2 hours',
    make_interval(mins => %(minutes)s::integer)
) AS m (ts)
"""
_METERS = f"""
INSERT INTO telemetry.meter_reading (meter_id, ts, energy_mwh, voltage_mv, received_at)
SELECT 'M-' || d.number, m.ts, 1000 * (1 + d.number %% 50), 230000, m.ts
{_SPANS}
WHERE d.number %% 2 = 0 AND d.number = ANY (%(numbers)s)
ORDER BY m.ts, d.number
"""
_VEHICLES = f"""
INSERT INTO telemetry.vehicle_reading (vehicle_id, ts, energy_mwh, soc_mpct, received_at)
SELECT 'V-' || d.number, m.ts, 1000 * (1 + d.number %% 50), 50000, m.ts
{_SPANS}
WHERE d.number %% 2 = 1 AND d.number = ANY (%(numbers)s)
ORDER BY m.ts, d.number
"""
_DAYS = """
SELECT r.device_id, extract(EPOCH FROM date_trunc('day', r.ts, 'UTC'))::bigint / 86400,
    count(*) FILTER (WHERE r.entry = 0), sum(r.energy_mwh)::bigint
FROM (
    SELECT m.meter_id AS device_id, m.ts, m.entry, m.energy_mwh FROM telemetry.meter_reading AS m
    UNION ALL
    SELECT v.vehicle_id, v.ts, v.entry, v.energy_mwh FROM telemetry.vehicle_reading AS v
) AS r
GROUP BY 1, 2
"""


def fill(
    connection: psycopg.Connection[Any], devices: Sequence[Device], days: int, minutes: int
) -> int:
    """Store readings of so many days, one every so many minutes; return how many there are.

    They count as acknowledged, and are in the rollups when this returns.
    """
    parameters = {
        "devices": len(devices),
        # the others have registers, which start with the load
        "numbers": [number for number, device in enumerate(devices) if not device.is_register],
        "days": days,
        "minutes": minutes,
    }
    filled = sum(
        connection.execute(statement, parameters).rowcount for statement in (_METERS, _VEHICLES)
    )
    by_id = {device.id: device for device in devices}
    for device_id, day, count, energy_mwh in connection.execute(_DAYS).fetchall():
        by_id[device_id].fill(day, Total(count, energy_mwh))
    connection.execute(
        "CALL ops.refresh(now() - make_interval(hours => 24 * %s::integer), now())", [days + 1]
    )
    connection.execute("ANALYZE")
    return filled
