"""Room that a simulated fleet takes: rows and bytes of each kind, raw, kept and compressed."""

from __future__ import annotations

import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

import psycopg

from loadtests.support import cpu
from service.demo.plan import Plan, start_of
from service.demo.posting import Poster
from service.demo.simulation import Simulation
from service.embedded import Cluster
from tests.support.community import EngineMissing, migrated_engine

_HOURS_A_DAY = 24
# readings that are copied at a time
_GROUP = 5_000
_SIDES = ("meter", "vehicle")
# what each kind is, by tables of the schema telemetry
_KINDS = {
    "raw readings": ("meter_reading", "vehicle_reading"),
    "hours": ("meter_energy_hourly", "vehicle_energy_hourly"),
    "days": ("meter_energy_daily", "vehicle_energy_daily", "settled_day"),
    "charging": ("charging_part", "charging_day", "charging_session"),
    "links and sessions": ("charging_link", "charging_link_change", "device_session"),
}
_STATES = ("meter_state", "vehicle_state", "fleet_device", "charging_progress")
_SIZE = """
SELECT
    coalesce(
        (
            SELECT public.hypertable_size(t.t)
            FROM timescaledb_information.hypertables AS h
            WHERE format('%%I.%%I', h.hypertable_schema, h.hypertable_name)::regclass = t.t
        ),
        pg_total_relation_size(t.t)
    )
FROM (VALUES (%s::regclass)) AS t (t)
"""
_INDEXES = "SELECT sum(pg_indexes_size(c)) FROM public.show_chunks('telemetry.meter_reading') AS c"
_DEVICES = """
SELECT count(*) FROM (
    SELECT FROM telemetry.meter_state UNION ALL SELECT FROM telemetry.vehicle_state
) AS d
"""


class Kind(NamedTuple):
    """Rows and bytes."""

    rows: int
    size: int


class Room(NamedTuple):
    """What a fleet left behind; processor seconds of the database by what they went into."""

    devices: int
    days: int
    kinds: dict[str, Kind]
    states: Kind
    # of the primary key's index, per reading
    index_bytes: float
    seconds: dict[str, float]
    # raw bytes on disk by those in the columnstore; None: no engine here
    compression: float | None


def measure(cluster: Cluster, vehicles: int, days: int) -> Room:
    """Store, settle and judge a simulated fleet, and look at what there is then."""
    plan = Plan(start_of(days, datetime.now(UTC)), vehicles=vehicles, days=days)
    seconds: dict[str, float] = {}
    before = cpu.seconds(cluster.postmaster_pid())

    def end(name: str) -> None:
        nonlocal before
        now = cpu.seconds(cluster.postmaster_pid())
        seconds[name], before = now - before, now

    poster = Poster(cluster.url())
    try:
        hours = Simulation(plan).hours()
        for _ in range(days):
            poster.post([next(hours) for _ in range(_HOURS_A_DAY)])
        poster.finish()
        end("storing")
        poster.settle(lambda _: None)
        end("settling")
        poster.keep_charging(lambda _: None)
        end("charging")
    finally:
        poster.close()
    with psycopg.connect(cluster.url(), autocommit=True) as connection:
        connection.execute("VACUUM ANALYZE")
        kinds = {name: _kind(connection, tables) for name, tables in _KINDS.items()}
        meters = _count(connection, "SELECT count(*) FROM telemetry.meter_reading")
        index = _count(connection, _INDEXES) / meters
        devices = _count(connection, _DEVICES)
        states = _kind(connection, _STATES)
        return Room(devices, days, kinds, states, index, seconds, _compressed(connection))


def _count(connection: psycopg.Connection[Any], query: str, *parameters: object) -> int:
    row = connection.execute(query.encode(), parameters).fetchone()
    return int(row[0]) if row else 0


def _kind(connection: psycopg.Connection[Any], tables: tuple[str, ...]) -> Kind:
    names = [f"telemetry.{table}" for table in tables]
    rows = sum(_count(connection, f"SELECT count(*) FROM {name}") for name in names)  # noqa: S608  ours
    return Kind(rows, sum(_count(connection, _SIZE, name) for name in names))


def _compressed(source: psycopg.Connection[Any]) -> float | None:
    """How much smaller the same readings are in the columnstore of the tests' Community edition."""
    with tempfile.TemporaryDirectory() as folder:
        try:
            engine = migrated_engine(Path(folder) / "engine")
        except EngineMissing:
            return None
        try:
            with psycopg.connect(engine.url, autocommit=True) as target:
                # triggers keep states, which are of no interest here
                target.execute("SET session_replication_role = replica")
                for side in _SIDES:
                    _copy(source, target, f"telemetry.{side}_reading")
                return _shrunk(target)
        finally:
            engine.stop()


def _copy(source: psycopg.Connection[Any], target: psycopg.Connection[Any], table: str) -> None:
    # in the order of arrival; the engine cannot take COPY
    query = f"SELECT row_to_json(r)::text FROM {table} AS r ORDER BY r.received_at, r.ts"  # noqa: S608  ours
    put = f"INSERT INTO {table} SELECT * FROM json_populate_recordset(NULL::{table}, %s)"  # noqa: S608  ours
    with source.transaction(), source.cursor(name="readings") as rows:
        rows.execute(query.encode())
        while found := rows.fetchmany(_GROUP):
            target.execute(put.encode(), ["[" + ",".join(row for (row,) in found) + "]"])


def _shrunk(connection: psycopg.Connection[Any]) -> float:
    sizes: list[int] = []
    for _ in range(2):
        sizes.append(sum(_count(connection, _SIZE, f"telemetry.{s}_reading") for s in _SIDES))
        for side in _SIDES:
            connection.execute(
                "SELECT public.compress_chunk(c, if_not_compressed => TRUE)"
                " FROM public.show_chunks(%s::regclass) AS c",
                [f"telemetry.{side}_reading"],
            )
    return sizes[0] / sizes[1]
