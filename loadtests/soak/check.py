"""Check that raw readings, hours and days have what was acknowledged, by device and day."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple

import psycopg

from loadtests.soak.devices import DAY_MS, Device, Total

Connection = psycopg.Connection[Any]
# by device and days since 1970
Stored = dict[tuple[str, int], Total]

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
# where a register stands, or last stood for certain, less what events explain of how it came there
_REGISTERS = """
SELECT
    s.device_id,
    coalesce(o.level_mwh, s.level_mwh) - (
        SELECT coalesce(sum(e.explained_mwh), 0)
        FROM telemetry.register_event AS e
        WHERE e.dataset = s.dataset AND e.device_id = s.device_id
    )::bigint
FROM (
    SELECT DISTINCT ON (d.dataset, d.device_id) d.*
    FROM telemetry.settled_day AS d
    ORDER BY d.dataset, d.device_id, d.day DESC
) AS s
LEFT JOIN (
    SELECT 'meter_reading' AS dataset, m.meter_id AS device_id, m.level_mwh
    FROM telemetry.meter_state AS m
    UNION ALL
    SELECT 'vehicle_reading', v.vehicle_id, v.level_mwh FROM telemetry.vehicle_state AS v
) AS o USING (dataset, device_id)
"""
_VERIFY = "SELECT v::text FROM ops.verify('-infinity') AS v"
_STORES = (
    ("raw readings", _RAW, "%reading"),
    ("hours", _HOURS, "%hourly"),
    ("days", _DAYS, None),
)


class Finding(NamedTuple):
    """How a store differs from what was acknowledged; all zero is good."""

    store: str
    # days of a device that were compared, or devices
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
    """Compare each store, and whole ledgers, where nothing writes and all is settled.

    A day counts where its chunk is there, or must be: `least_days` says by store for how many days
    it was to be kept at least, at any time. Days of devices are kept for ever. Energy is where it
    flowed, not where it was reported: of a day it is what two of the stores agree on, and in all
    of them what was acknowledged.
    """
    stored: dict[str, Stored] = {}
    kept: dict[str, set[tuple[str, int]]] = {}
    keys = {(device.id, day) for device in devices for day in device.days}
    for store, query, _ in _STORES:
        stored[store] = {
            (device_id, _day_of(at)): Total(count, energy_mwh)
            for device_id, at, count, energy_mwh in connection.execute(query).fetchall()
        }
        keys |= stored[store].keys()
    for store, _, chunks in _STORES:
        kept[store] = _kept(connection, keys, chunks, least_days.get(store, float("inf")))
    energy = {
        key: _agreed([one.get(key) for store, one in stored.items() if key in kept[store]])
        for key in keys
    }
    readings = {(device.id, day): count for device in devices for day, count in device.days.items()}
    found = [
        _compare(store, stored[store], readings, energy, kept[store] | stored[store].keys())
        for store, _, _ in _STORES
    ]
    return [*found, _ledgers(connection, devices, energy)]


def _kept(
    connection: Connection, keys: set[tuple[str, int]], chunks: str | None, least_days: float
) -> set[tuple[str, int]]:
    """Of devices and days those that must be there."""
    if chunks is None:
        return keys
    present: set[tuple[bool, int]] = set()
    for is_meter, first, end in connection.execute(_CHUNKS, [chunks]).fetchall():
        present |= {(is_meter, day) for day in range(_day_of(first), _day_of(end))}
    since = datetime.now(UTC).timestamp() * 1000 / DAY_MS - least_days
    return {(one, day) for one, day in keys if day >= since or (one[0] == "M", day) in present}


def _agreed(totals: Sequence[Total | None]) -> int:
    """The energy of a day that most say."""
    counts = Counter(0 if total is None else total.energy_mwh for total in totals)
    return counts.most_common(1)[0][0]


def _compare(
    store: str,
    stored: Stored,
    readings: Mapping[tuple[str, int], int],
    energy: Mapping[tuple[str, int], int],
    keys: set[tuple[str, int]],
) -> Finding:
    missing = extra = energy_off = 0
    examples: list[str] = []
    for key in sorted(keys):
        expected = Total(readings.get(key, 0), energy[key])
        there = stored.get(key, Total(0, 0))
        if there != expected:
            missing += max(0, expected.readings - there.readings)
            extra += max(0, there.readings - expected.readings)
            energy_off += abs(there.energy_mwh - expected.energy_mwh)
            examples.append(_example(*key, expected, there))
    return Finding(store, len(keys), missing, extra, energy_off, examples[:_EXAMPLES])


def _ledgers(
    connection: Connection, devices: Sequence[Device], energy: Mapping[tuple[str, int], int]
) -> Finding:
    """Each device's whole energy is what it sent, or what its register and events tell."""
    sums: Counter[str] = Counter()
    for (device_id, _), mwh in energy.items():
        sums[device_id] += mwh
    moved = dict(connection.execute(_REGISTERS).fetchall())
    energy_off = 0
    examples: list[str] = []
    for device in devices:
        expected = device.energy_mwh
        if device.registers:
            expected = moved.get(device.id, 0) - min(device.registers)[1]
        if sums[device.id] != expected:
            energy_off += abs(sums[device.id] - expected)
            examples.append(
                f"{device.id} should have {expected:,} mWh, and has {sums[device.id]:,}"
            )
    differences = [row[0] for row in connection.execute(_VERIFY)]
    examples = [*examples[:_EXAMPLES], *differences[:_EXAMPLES]]
    return Finding("whole ledgers", len(devices), 0, len(differences), energy_off, examples)


def _day_of(at: datetime) -> int:
    return int(at.timestamp() * 1000) // DAY_MS


def _example(device_id: str, day: int, expected: Total, stored: Total) -> str:
    date = datetime.fromtimestamp(day * DAY_MS / 1000, UTC).date()
    return (
        f"{device_id} on {date}: acknowledged {expected.readings:,} readings with"
        f" {expected.energy_mwh:,} mWh, there are {stored.readings:,} with {stored.energy_mwh:,}"
    )
