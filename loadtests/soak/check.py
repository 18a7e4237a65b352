"""Check that raw readings, hours and days have what was acknowledged, by device and day."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, LiteralString, NamedTuple

import psycopg

from loadtests.soak.devices import DAY_MS, Device, Total

Connection = psycopg.Connection[Any]

_EXAMPLES = 5
_RAW = """
SELECT
    r.device_id,
    date_trunc('day', r.ts, 'UTC'),
    count(*) FILTER (WHERE r.entry = 0),
    sum(r.energy_mwh)::bigint
FROM (
    SELECT m.meter_id AS device_id, m.ts, m.entry, m.energy_mwh FROM telemetry.meter_reading AS m
    UNION ALL
    SELECT v.vehicle_id, v.ts, v.entry, v.energy_mwh FROM telemetry.vehicle_reading AS v
) AS r
GROUP BY 1, 2
"""
_HOURS = """
SELECT
    r.device_id,
    date_trunc('day', r.bucket, 'UTC'),
    sum(r.samples)::bigint,
    sum(r.energy_mwh)::bigint
FROM (
    SELECT m.meter_id AS device_id, m.bucket, m.samples, m.energy_mwh
    FROM bi.meter_energy_hourly AS m
    UNION ALL
    SELECT v.vehicle_id, v.bucket, v.samples, v.energy_mwh FROM bi.vehicle_energy_hourly AS v
) AS r
GROUP BY 1, 2
"""
_DAYS = """
SELECT m.meter_id, m.bucket, m.samples, m.energy_mwh FROM bi.meter_energy_daily AS m
UNION ALL
SELECT v.vehicle_id, v.bucket, v.samples, v.energy_mwh FROM bi.vehicle_energy_daily AS v
"""
# whether it is of meters, and the time of each chunk that is there
_CHUNKS = """
SELECT
    h.dataset LIKE 'meter%%',
    c.range_start,
    c.range_end
FROM telemetry.dataset_hypertable() AS h
INNER JOIN timescaledb_information.chunks AS c
    ON c.hypertable_schema = h.hypertable_schema AND c.hypertable_name = h.hypertable_name
WHERE h.dataset LIKE %s
"""
_STORES = (
    ("raw readings", _RAW, "%reading"),
    ("hours", _HOURS, "%hourly"),
    ("days", _DAYS, None),
)


class Finding(NamedTuple):
    """How a store differs from what was acknowledged; all zero is good."""

    store: str
    # days of a device that were compared
    compared: int
    missing: int
    extra: int
    energy_off_mwh: int
    examples: list[str]

    @property
    def is_good(self) -> bool:
        """Whether it has exactly what was acknowledged."""
        return not (self.missing or self.extra or self.energy_off_mwh)


def compare(
    connection: Connection, devices: Sequence[Device], least_days: dict[str, float]
) -> list[Finding]:
    """Compare each store, where nothing writes any more.

    A day counts where its chunk is there, or must be: `least_days` says by store for how many days
    it was to be kept at least, at any time. Days of devices are kept for ever.
    """
    return [
        _compare(connection, devices, store, query, chunks, least_days.get(store, float("inf")))
        for store, query, chunks in _STORES
    ]


def _compare(
    connection: Connection,
    devices: Sequence[Device],
    store: str,
    query: LiteralString,
    chunks: str | None,
    least_days: float,
) -> Finding:
    found = {
        (device_id, _day_of(at)): Total(count, energy_mwh)
        for device_id, at, count, energy_mwh in connection.execute(query).fetchall()
    }
    present: set[tuple[bool, int]] = set()
    if chunks is not None:
        for is_meter, first, end in connection.execute(_CHUNKS, [chunks]).fetchall():
            present |= {(is_meter, day) for day in range(_day_of(first), _day_of(end))}
    now_days = datetime.now(UTC).timestamp() * 1000 / DAY_MS
    compared = missing = extra = energy_off = 0
    examples: list[str] = []
    for device in devices:
        for day, expected in device.days.items():
            stored = found.pop((device.id, day), Total(0, 0))
            is_kept = chunks is None or day >= now_days - least_days
            if not is_kept and (device.is_meter, day) not in present:
                continue
            compared += 1
            if stored != expected:
                missing += max(0, expected.readings - stored.readings)
                extra += max(0, stored.readings - expected.readings)
                energy_off += abs(stored.energy_mwh - expected.energy_mwh)
                examples.append(_example(device.id, day, expected, stored))
    for (device_id, day), stored in found.items():
        extra += stored.readings
        energy_off += abs(stored.energy_mwh)
        examples.append(_example(device_id, day, Total(0, 0), stored))
    return Finding(store, compared, missing, extra, energy_off, examples[:_EXAMPLES])


def _day_of(at: datetime) -> int:
    return int(at.timestamp() * 1000) // DAY_MS


def _example(device_id: str, day: int, expected: Total, stored: Total) -> str:
    date = datetime.fromtimestamp(day * DAY_MS / 1000, UTC).date()
    return (
        f"{device_id} on {date}: acknowledged {expected.readings:,} readings with"
        f" {expected.energy_mwh:,} mWh, there are {stored.readings:,} with {stored.energy_mwh:,}"
    )
