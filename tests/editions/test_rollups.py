"""Hourly, daily and monthly energy is what the raw readings say, on both editions."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from random import Random

import psycopg
import pytest
from hypothesis import HealthCheck, given
from hypothesis import strategies as st

from service.demo import posting
from service.demo.channel import Sent
from service.demo.plan import Plan
from service.demo.simulation import Hour, Simulation
from service.ingest.arrays import adapt
from tests.sql.test_history_properties import METERS, VEHICLES, batches
from tests.support import rollups
from tests.support.community import Engine
from tests.support.examples import examples
from tests.support.fold import Reading, fold
from tests.support.ledger import settle
from tests.support.readings import (
    NOW,
    Connection,
    MeterReading,
    VehicleReading,
    ingest_meters,
    ingest_vehicles,
)

HOUR = timedelta(hours=1)
# an hour and a day that are over, so that a refresh covers them
DAY = NOW.replace(hour=0, minute=0) - timedelta(days=3)


def hourly(db: Connection, kind: str = "meter") -> dict[datetime, dict]:
    cursor = db.cursor(row_factory=psycopg.rows.dict_row)
    rows = cursor.execute(f"SELECT * FROM bi.{kind}_energy_hourly ORDER BY bucket").fetchall()
    return {row["bucket"]: row for row in rows}


def refresh(db: Connection, since: datetime = NOW - timedelta(days=80)) -> None:
    db.execute("CALL ops.refresh(%s, now())", [since])


@examples(30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(meters=METERS, vehicles=VEHICLES, random=st.randoms(use_true_random=False))
def test_readings_in_any_order_and_batches_give_the_rollups_that_raw_readings_give(
    db: Connection, meters: dict, vehicles: dict, random: Random
) -> None:
    with db.transaction(force_rollback=True):
        for batch in batches(random, [MeterReading(*k, *v) for k, v in meters.items()]):
            ingest_meters(db, batch)
        for batch in batches(random, [VehicleReading(*k, *v) for k, v in vehicles.items()]):
            ingest_vehicles(db, batch)
        assert rollups.differences(db) == []
        assert db.execute("SELECT * FROM ops.verify('-infinity', 'infinity')").fetchall() == []


@pytest.mark.slow_on_webassembly
@pytest.mark.parametrize("seed", [1, pytest.param(2, marks=pytest.mark.slow)])
def test_a_fleet_in_any_order_and_batches_gives_the_rollups_that_are_true(
    db: Connection, seed: int
) -> None:
    random = Random(seed)
    adapt(db)
    simulation = Simulation(Plan(DAY - timedelta(days=1), seed, vehicles=3, days=1))
    hours = [*simulation.run(), *simulation.rest()]
    meters = [one for hour in hours for one in hour.meters]
    vehicles = [one for hour in hours for one in hour.vehicles]
    with db.transaction(force_rollback=True):
        for batch in batches(random, meters):
            posting.post_now(db, Hour(0, meters=batch))
        for batch in batches(random, vehicles):
            posting.post_now(db, Hour(0, vehicles=batch))
        settle(db)
        expected = {
            name: fold(sorted(readings.values())).hours
            for name, readings in by_device(meters + vehicles).items()
        }
        assert energies(db, "hourly") == energies_by(expected, lambda hour: hour)
        assert energies(db, "daily") == energies_by(expected, lambda hour: hour.replace(hour=0))
        # the simulator's own count of what it told
        assert {name: sum(hours.values()) for name, hours in expected.items()} == {
            name: device.told
            for (_, name), device in simulation.truth.devices.items()
            if name in expected
        }
        assert rollups.differences(db) == []
        assert db.execute("SELECT * FROM ops.verify('-infinity', 'infinity')").fetchall() == []


def by_device(sent: list[Sent]) -> dict[str, dict[datetime, Reading]]:
    """What each device sent, each time once."""
    found = defaultdict[str, dict[datetime, Reading]](dict)
    for one in sent:
        name, ts, kind, kwh, start, session, *_ = one.row
        found[name][ts] = Reading(ts, round(kwh * 1e6), kind or "difference", start, session)
    return found


def energies(db: Connection, grain: str) -> dict[tuple[str, datetime], int]:
    """Energy in mWh of each device and bucket that has any."""
    rows = db.execute(
        f"SELECT meter_id, bucket, energy_mwh FROM bi.meter_energy_{grain} UNION ALL"
        f" SELECT vehicle_id, bucket, energy_mwh FROM bi.vehicle_energy_{grain}"
    )
    return {(name, bucket): int(mwh) for name, bucket, mwh in rows if mwh}


def energies_by(
    hours: dict[str, dict[datetime, int]], bucket: Callable[[datetime], datetime]
) -> dict[tuple[str, datetime], int]:
    """The same of hours that are known, for buckets of any size."""
    found = Counter[tuple[str, datetime]]()
    for name, energy in hours.items():
        for hour, mwh in energy.items():
            found[name, bucket(hour)] += mwh
    return {key: mwh for key, mwh in found.items() if mwh}


@examples(6, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(meters=METERS, vehicles=VEHICLES, random=st.randoms(use_true_random=False))
def test_readings_and_refreshes_in_any_order_give_the_same_rollups_after_the_last_refresh(
    engine: Engine, meters: dict, vehicles: dict, random: Random
) -> None:
    engine.reset()
    with psycopg.connect(engine.url, autocommit=True) as db:
        for batch in batches(random, [MeterReading(*k, *v) for k, v in meters.items()]):
            ingest_meters(db, batch)
            if random.random() < 0.5:
                refresh(db)
        for batch in batches(random, [VehicleReading(*k, *v) for k, v in vehicles.items()]):
            ingest_vehicles(db, batch)
        refresh(db)
        assert rollups.differences(db) == []


def test_a_reading_is_in_every_relation_at_once(db: Connection) -> None:
    refresh(db)
    ts = datetime.now(UTC)
    ingest_meters(db, [MeterReading(ts=ts)])
    ingest_vehicles(db, [VehicleReading(ts=ts)])
    assert rollups.differences(db) == []
    for kind in ("meter", "vehicle"):
        for grain in ("hourly", "daily", "monthly"):
            row = db.execute(f"SELECT samples FROM bi.{kind}_energy_{grain}").fetchone()
            assert row == (1,)


@pytest.mark.parametrize("age", [timedelta(hours=2), timedelta(days=2), timedelta(days=60)])
def test_a_late_reading_is_in_the_rollups_after_the_next_refresh(
    db: Connection, age: timedelta
) -> None:
    ingest_meters(db, [MeterReading(ts=NOW - timedelta(days=70)), MeterReading(ts=NOW)])
    ingest_vehicles(db, [VehicleReading(ts=NOW - timedelta(days=70)), VehicleReading(ts=NOW)])
    refresh(db)
    ingest_meters(db, [MeterReading(ts=NOW - age)])
    ingest_vehicles(db, [VehicleReading(ts=NOW - age)])
    if db.execute("SELECT NOT telemetry.has_policies()").fetchone() == (True,):
        assert rollups.differences(db) == []
    refresh(db)
    assert rollups.differences(db) == []


def test_a_correction_changes_energy_and_nothing_else(db: Connection) -> None:
    ingest_meters(db, [MeterReading(ts=DAY, energy_kwh=1.0, voltage_v=230.0)])
    before = hourly(db)[DAY]
    db.execute(
        "INSERT INTO telemetry.meter_reading (meter_id, ts, entry, energy_mwh)"
        " VALUES ('M-1', %s, 1, -250000)",
        [DAY + timedelta(minutes=30)],
    )
    after = hourly(db)[DAY]
    assert (after["energy_kwh"], after["energy_mwh"]) == (Decimal("0.75"), 750000)
    changed = {name for name in after if after[name] != before[name]}
    assert changed == {"energy_kwh", "energy_mwh", "last_received_at"}


def test_an_average_over_a_day_weighs_every_reading_alike(db: Connection) -> None:
    ingest_vehicles(
        db,
        [VehicleReading(ts=DAY, battery_temp_c=10.0)]
        + [
            VehicleReading(ts=DAY + HOUR + i * timedelta(minutes=1), battery_temp_c=40.0)
            for i in range(9)
        ],
    )
    row = db.execute(
        "SELECT battery_temp_c_avg, battery_temp_samples FROM bi.vehicle_energy_daily"
    ).fetchone()
    assert row == (Decimal(37), 10)


def test_what_was_not_measured_is_null_and_does_not_count(db: Connection) -> None:
    ingest_meters(
        db,
        [
            MeterReading(ts=DAY, voltage_v=None),
            MeterReading(ts=DAY + HOUR, voltage_v=None),
            MeterReading(ts=DAY + HOUR + timedelta(minutes=1), voltage_v=230.0),
        ],
    )
    rows = hourly(db)
    assert rows[DAY]["voltage_v_avg"] is None
    assert rows[DAY]["voltage_samples"] == 0
    assert rows[DAY + HOUR]["voltage_v_avg"] == 230
    assert rows[DAY + HOUR]["samples"] == 2


def test_both_editions_show_the_same_columns_and_types(db: Connection) -> None:
    rows = db.execute(
        "SELECT c.relname, a.attname, format_type(a.atttypid, a.atttypmod)"
        " FROM pg_attribute AS a JOIN pg_class AS c ON c.oid = a.attrelid"
        " WHERE c.relnamespace = 'bi'::regnamespace AND a.attnum > 0"
        " AND c.relname LIKE 'meter_energy%' ORDER BY c.relname, a.attnum"
    ).fetchall()
    columns = {
        name: [(column, kind) for relation, column, kind in rows if relation == name]
        for name in ("meter_energy_hourly", "meter_energy_daily", "meter_energy_monthly")
    }
    bucket, *others = columns["meter_energy_hourly"]
    # a date beside the bucket, since tools show that in a time zone of their own
    assert columns["meter_energy_daily"] == [bucket, ("day", "date"), *others]
    assert columns["meter_energy_monthly"] == [bucket, ("month", "date"), *others]
    assert columns["meter_energy_hourly"] == [
        ("bucket", "timestamp with time zone"),
        ("meter_id", "text"),
        ("energy_kwh", "numeric(20,6)"),
        ("apportioned_kwh", "numeric(20,6)"),
        ("energy_mwh", "bigint"),
        ("apportioned_mwh", "bigint"),
        ("samples", "bigint"),
        ("first_reading_at", "timestamp with time zone"),
        ("last_reading_at", "timestamp with time zone"),
        ("last_received_at", "timestamp with time zone"),
        ("voltage_v_min", "numeric(10,3)"),
        ("voltage_v_avg", "numeric(10,3)"),
        ("voltage_v_max", "numeric(10,3)"),
        ("voltage_samples", "bigint"),
        ("voltage_mv_sum", "bigint"),
    ]


# the engine of the Community edition does not take COPY
def test_a_copy_by_a_dba_is_rolled_up_too(connection: Connection) -> None:
    statement = "COPY telemetry.meter_reading (meter_id, ts, energy_mwh) FROM STDIN"
    with connection.cursor() as cursor, cursor.copy(statement) as copy:
        for minute in range(180):
            copy.write_row(("M-9", DAY + timedelta(minutes=minute), 1000))
    assert rollups.differences(connection) == []
    assert {row["samples"] for row in hourly(connection).values()} == {60}


@pytest.mark.parametrize(
    ("day", "hours"), [("2025-03-30", 23), ("2025-10-26", 25), ("2025-07-01", 24)]
)
def test_a_local_day_has_as_many_hours_as_the_clocks_say(
    db: Connection, day: str, hours: int
) -> None:
    for kind in ("meter", "vehicle"):
        db.execute(
            f"INSERT INTO telemetry.{kind}_reading ({kind}_id, ts, energy_mwh)"
            " SELECT 'X-1', t, 1000000 FROM generate_series("
            "%s::timestamptz - interval '2 days', %s::timestamptz + interval '3 days', '1 hour') t",
            [day, day],
        )
        rows = db.execute(
            f"SELECT day::text, energy_kwh, samples"
            f" FROM bi.{kind}_energy_local_daily('Europe/Berlin', %s, %s)",
            [day, day],
        ).fetchall()
        assert rows == [(day, Decimal(hours), hours)]


def test_a_zone_half_an_hour_off_divides_hours_at_its_midnight(db: Connection) -> None:
    # 18:30 UTC is midnight in India
    midnight = DAY + timedelta(hours=18, minutes=30)
    times = [midnight - timedelta(minutes=1), midnight, midnight + timedelta(minutes=29)]
    ingest_meters(db, [MeterReading(ts=ts, energy_kwh=1.0) for ts in times])
    day = midnight.date() + timedelta(days=1)
    rows = db.execute(
        "SELECT day, energy_kwh, samples FROM bi.meter_energy_local_daily('Asia/Kolkata', %s, %s)"
        " ORDER BY day",
        [day - timedelta(days=1), day],
    ).fetchall()
    assert rows == [(day - timedelta(days=1), Decimal(1), 1), (day, Decimal(2), 2)]
