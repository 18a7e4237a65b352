"""Cost that the rollups add to a write: the same groups with the triggers and without them."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from statistics import median
from typing import Any, NamedTuple

import psycopg
from rich.progress import Progress

Connection = psycopg.Connection[Any]

SIZES = (50, 500, 5_000)
_TABLES = ("meter_reading", "vehicle_reading")
_METERS = (
    "SELECT * FROM api.ingest_meter_readings("
    "%b::text[], %b::timestamptz[], NULL, %b::float8[], NULL, NULL, %b::float8[])"
)
_VEHICLES = (
    "SELECT * FROM api.ingest_vehicle_readings("
    "%b::text[], %b::timestamptz[], NULL, %b::float8[], NULL, NULL, %b::float8[], %b::float8[])"
)
_TRIGGERS = """
SELECT format('DROP TRIGGER %%I ON %%s', t.tgname, t.tgrelid::regclass), pg_get_triggerdef(t.oid)
FROM pg_trigger AS t
WHERE t.tgname = 'roll_up' AND t.tgrelid::regclass = ANY(%s::regclass[])
"""


class Rate(NamedTuple):
    """Readings per second, with the rollups' triggers and without."""

    with_rollups: float
    without: float


def measure(
    connection: Connection, vehicles: int, seconds: float, rounds: int, progress: Progress
) -> dict[int, Rate]:
    """Write groups of each size with and without triggers in turns; return the median rates.

    Empty where there are no triggers: on the Community edition jobs keep the rollups.
    """
    tables = [f"telemetry.{table}" for table in _TABLES]
    triggers = connection.execute(_TRIGGERS, [tables]).fetchall()
    if not triggers:
        return {}
    task = progress.add_task("writing", total=rounds * len(SIZES) * 2)
    readings = _Readings(vehicles)
    taken: dict[tuple[int, bool], list[float]] = {
        (size, kept): [] for size in SIZES for kept in (True, False)
    }
    for _ in range(rounds):
        for kept in (True, False):
            if not kept:
                for drop, _ in triggers:
                    connection.execute(drop)
            for size in SIZES:
                taken[size, kept].append(_rate(connection, readings, size, seconds))
                progress.advance(task)
        for _, create in triggers:
            connection.execute(create)
    return {size: Rate(median(taken[size, True]), median(taken[size, False])) for size in SIZES}


def _rate(connection: Connection, readings: _Readings, size: int, seconds: float) -> float:
    spent, written = 0.0, 0
    while spent < seconds:
        meter_ids, vehicle_ids, times, ones = readings.group(size)
        began = time.perf_counter()
        connection.execute(_METERS, (meter_ids, times, ones, ones), prepare=True, binary=True)
        connection.execute(
            _VEHICLES, (vehicle_ids, times, ones, ones, ones), prepare=True, binary=True
        )
        spent += time.perf_counter() - began
        written += 2 * size
    return written / spent


class _Readings:
    """Makes groups of this hour's readings, none of which comes twice; devices take turns."""

    def __init__(self, vehicles: int) -> None:
        self._vehicles = vehicles
        self._made = 0
        self._began = datetime.now(UTC) - timedelta(minutes=30)

    def group(self, size: int) -> tuple[list[str], list[str], list[datetime], list[float]]:
        numbers = range(self._made, self._made + size)
        self._made += size
        devices = [number % self._vehicles + 1 for number in numbers]
        return (
            [f"M-{device}" for device in devices],
            [f"V-{device}" for device in devices],
            [self._began + timedelta(milliseconds=n // self._vehicles) for n in numbers],
            [1.0] * size,
        )
