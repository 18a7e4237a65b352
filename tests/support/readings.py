"""Make readings with defaults, store them, and read back what the database made of them."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any, NamedTuple

import psycopg

from tests.support import server

# a whole minute that stays inside the retention and the past however long the tests run, for all
# workers the same
NOW = server.started_at().replace(second=0, microsecond=0) - timedelta(minutes=10)

Connection = psycopg.Connection[Any]


class MeterReading(NamedTuple):
    meter_id: str | None = "M-1"
    ts: datetime | None = NOW
    energy_kwh: float | None = 0.42
    voltage_v: float | None = 230.0
    kind: str | None = None
    since: datetime | None = None
    session: str | None = None


class VehicleReading(NamedTuple):
    vehicle_id: str | None = "V-1"
    ts: datetime | None = NOW
    energy_kwh: float | None = 0.37
    soc_percent: float | None = 81.5
    battery_temp_c: float | None = 31.2
    kind: str | None = None
    since: datetime | None = None
    session: str | None = None


class NotStored(NamedTuple):
    """One row of an ingest function's answer."""

    index: int
    outcome: str
    detail: str | None


def ingest_meters(connection: Connection, readings: Iterable[MeterReading]) -> list[NotStored]:
    """Call api.ingest_meter_readings; return the rows for what was not newly stored."""
    rows = connection.execute(
        "SELECT * FROM api.ingest_meter_readings("
        "meter_ids => %s::text[], read_at => %s::timestamptz[], energies_kwh => %s::float8[],"
        " voltages_v => %s::float8[], kinds => %s::text[], interval_starts => %s::timestamptz[],"
        " session_ids => %s::text[])",
        _columns(readings, len(MeterReading._fields)),
    )
    return [NotStored(*row) for row in rows]


def ingest_vehicles(connection: Connection, readings: Iterable[VehicleReading]) -> list[NotStored]:
    """Call api.ingest_vehicle_readings; return the rows for what was not newly stored."""
    rows = connection.execute(
        "SELECT * FROM api.ingest_vehicle_readings("
        "vehicle_ids => %s::text[], read_at => %s::timestamptz[], energies_kwh => %s::float8[],"
        " socs_percent => %s::float8[], battery_temps_c => %s::float8[], kinds => %s::text[],"
        " interval_starts => %s::timestamptz[], session_ids => %s::text[])",
        _columns(readings, len(VehicleReading._fields)),
    )
    return [NotStored(*row) for row in rows]


def _columns(readings: Iterable[tuple[Any, ...]], count: int) -> list[list[Any] | None]:
    """One array per field; kinds, starts and sessions as a whole None where no reading has any."""
    columns = [list(column) for column in zip(*readings, strict=True)] or [[] for _ in range(count)]
    return [
        None
        if place >= count - 3 and all(value is None for value in column)
        # psycopg takes no list of integers and floats together
        else [float(value) if isinstance(value, int) else value for value in column]
        for place, column in enumerate(columns)
    ]


def link(
    connection: Connection,
    vehicle_id: str = "V-1",
    meter_id: str = "M-1",
    since: datetime | None = None,
    until: datetime | None = None,
) -> bool:
    """Put a charging link; return whether it is new."""
    row = connection.execute(
        "SELECT api.put_charging_link(%s, %s, %s, %s)", [vehicle_id, meter_id, since, until]
    ).fetchone()
    assert row is not None
    return row[0]


def performance(
    connection: Connection,
    vehicle_id: str = "V-1",
    since: datetime | None = None,
    until: datetime | None = None,
) -> dict[str, Any]:
    """Call api.performance; return its row by column name."""
    cursor = connection.cursor(row_factory=psycopg.rows.dict_row)
    row = cursor.execute(
        "SELECT * FROM api.performance(%s, %s, %s)", [vehicle_id, since, until]
    ).fetchone()
    assert row is not None
    return row


def count_where_read(connection: Connection) -> None:
    """Have all energy count at its reading's time, so that sums over readings can be compared."""
    connection.execute("UPDATE telemetry.register_rules SET apportioned_above = '100 years'")


def meter_history(connection: Connection) -> list[tuple[Any, ...]]:
    """Every stored meter reading but its time of receipt, by key."""
    return connection.execute(
        "SELECT meter_id, ts, entry, energy_mwh, voltage_mv FROM telemetry.meter_reading"
        " ORDER BY 1, 2, 3"
    ).fetchall()


def meter_states(connection: Connection) -> list[tuple[Any, ...]]:
    """Every meter's state but its time of receipt, by meter."""
    return connection.execute(
        "SELECT meter_id, ts, energy_mwh, voltage_mv FROM telemetry.meter_state ORDER BY 1"
    ).fetchall()


def vehicle_history(connection: Connection) -> list[tuple[Any, ...]]:
    """Every stored vehicle reading but its time of receipt, by key."""
    return connection.execute(
        "SELECT vehicle_id, ts, entry, energy_mwh, soc_mpct, battery_temp_mc"
        " FROM telemetry.vehicle_reading ORDER BY 1, 2, 3"
    ).fetchall()


def vehicle_states(connection: Connection) -> list[tuple[Any, ...]]:
    """Every vehicle's state but its time of receipt, by vehicle."""
    return connection.execute(
        "SELECT vehicle_id, ts, energy_mwh, soc_mpct, battery_temp_mc"
        " FROM telemetry.vehicle_state ORDER BY 1"
    ).fetchall()
