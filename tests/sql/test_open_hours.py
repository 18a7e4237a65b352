"""On the Apache edition a device's newest hour is one row, until a newer hour closes it."""

from __future__ import annotations

from datetime import datetime, timedelta
from itertools import count
from random import Random

import psycopg
import pytest
from hypothesis import HealthCheck, given
from hypothesis import strategies as st

from service.migrate import migrate
from tests.sql.test_history_properties import batches
from tests.support import rollups
from tests.support.examples import examples
from tests.support.readings import (
    NOW,
    Connection,
    MeterReading,
    VehicleReading,
    ingest_meters,
    ingest_vehicles,
    meter_states,
)

HOUR = timedelta(hours=1)
MINUTE = timedelta(minutes=1)
MIDNIGHT = NOW.replace(hour=0, minute=0) - timedelta(days=1)

# three hours about midnight, so that hours and days are added to, closed, and come late
KEYS = st.tuples(
    st.sampled_from("ABC"), st.integers(-90, 89).map(lambda minutes: MIDNIGHT + minutes * MINUTE)
)


@pytest.fixture(autouse=True)
def apache(connection: Connection) -> None:
    row = connection.execute("SELECT telemetry.has_policies()").fetchone()
    if row == (True,):
        pytest.skip("the Community edition has continuous aggregates instead")


def open_hours(connection: Connection) -> list[tuple[datetime, int]]:
    return connection.execute(
        "SELECT hour, hour_samples FROM telemetry.meter_state ORDER BY 1"
    ).fetchall()


def stored(connection: Connection, table: str) -> list[tuple[datetime, int]]:
    return connection.execute(
        f"SELECT bucket, samples FROM telemetry.{table} ORDER BY 1"
    ).fetchall()


@examples(60)
@given(
    meters=st.dictionaries(KEYS, st.none() | st.integers(0, 500), max_size=60),
    vehicles=st.dictionaries(KEYS, st.none() | st.integers(-50, 150), max_size=60),
    random=st.randoms(use_true_random=False),
)
def test_hours_about_midnight_are_exact_after_every_batch(
    shared_connection: Connection, meters: dict, vehicles: dict, random: Random
) -> None:
    connection = shared_connection
    with connection.transaction(force_rollback=True):
        readings = [MeterReading(*key, 0.1, volts) for key, volts in meters.items()]
        for batch in batches(random, readings):
            ingest_meters(connection, batch)
            assert rollups.differences(connection) == []
        others = [VehicleReading(*key, 0.1, None, celsius) for key, celsius in vehicles.items()]
        for batch in batches(random, others):
            ingest_vehicles(connection, batch)
        assert rollups.differences(connection) == []


def test_a_newer_hour_closes_the_open_one_and_older_readings_go_where_they_stay(
    connection: Connection,
) -> None:
    ingest_meters(connection, [MeterReading(ts=MIDNIGHT - MINUTE)])
    assert open_hours(connection) == [(MIDNIGHT - HOUR, 1)]
    assert stored(connection, "meter_energy_hourly") == []
    ingest_meters(connection, [MeterReading(ts=MIDNIGHT), MeterReading(ts=MIDNIGHT - 2 * MINUTE)])
    assert open_hours(connection) == [(MIDNIGHT, 1)]
    assert stored(connection, "meter_energy_hourly") == [(MIDNIGHT - HOUR, 2)]
    assert stored(connection, "meter_energy_daily") == [(MIDNIGHT - 24 * HOUR, 2)]
    ingest_meters(connection, [MeterReading(ts=MIDNIGHT - 3 * MINUTE)])
    assert open_hours(connection) == [(MIDNIGHT, 1)]
    assert stored(connection, "meter_energy_hourly") == [(MIDNIGHT - HOUR, 3)]
    assert rollups.differences(connection) == []


@pytest.mark.parametrize("kind", ["meter", "vehicle"])
def test_a_refresh_repairs_stored_and_open_hours(connection: Connection, kind: str) -> None:
    times = [MIDNIGHT + n * 20 * MINUTE for n in range(-10, 10)]
    ingest_meters(connection, [MeterReading("A", ts) for ts in times])
    ingest_vehicles(connection, [VehicleReading("A", ts) for ts in times])
    for table in ("energy_hourly", "energy_daily"):
        connection.execute(f"UPDATE telemetry.{kind}_{table} SET energy_mwh = 7, samples = 7")
    connection.execute(f"UPDATE telemetry.{kind}_state SET hour_energy_mwh = 7, hour_samples = 7")
    # and one of a device that no reading tells of
    connection.execute(
        f"INSERT INTO telemetry.{kind}_state ({kind}_id, hour, hour_samples, hour_last_received_at)"
        " VALUES ('ghost', %s, 3, now())",
        [MIDNIGHT],
    )
    assert rollups.differences(connection) != []
    connection.execute("CALL ops.refresh(%s, now())", [MIDNIGHT - timedelta(days=2)])
    assert rollups.differences(connection) == []
    ingest_meters(connection, [MeterReading("ghost", MIDNIGHT - 5 * HOUR)])
    ingest_vehicles(connection, [VehicleReading("ghost", MIDNIGHT - 5 * HOUR)])
    assert rollups.differences(connection) == []


def unseen(connection: Connection, kind: str, device_id: str, times: list[datetime]) -> None:
    """Readings that no trigger sees, such as those that replication brings."""
    connection.execute("SET session_replication_role = replica")
    for ts in times:
        connection.execute(
            f"INSERT INTO telemetry.{kind}_reading ({kind}_id, ts, energy_mwh) VALUES (%s, %s, 1)",
            [device_id, ts],
        )
    connection.execute("RESET session_replication_role")


def samples(connection: Connection, kind: str, device_id: str, grain: str) -> dict[datetime, int]:
    return dict(
        connection.execute(
            f"SELECT bucket, samples FROM bi.{kind}_energy_{grain} WHERE {kind}_id = %s",
            [device_id],
        ).fetchall()
    )


def counted(times: list[datetime], **floor: int) -> dict[datetime, int]:
    buckets = [ts.replace(minute=0, **floor) for ts in times]
    return {bucket: buckets.count(bucket) for bucket in buckets}


# hours of four days, so that the open hour is before, in and after the day that is refreshed
HOURS = st.sets(st.integers(-48, 47), max_size=12)
NUMBERS = count()


@examples(40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seen=HOURS, missed=HOURS, kind=st.sampled_from(["meter", "vehicle"]))
def test_a_refresh_counts_all_of_its_window_and_leaves_all_else_as_it_is(
    connection: Connection, seen: set[int], missed: set[int], kind: str
) -> None:
    device_id = f"{kind}-{next(NUMBERS)}"
    start = MIDNIGHT - timedelta(days=1)
    known = [start + hour * HOUR for hour in seen]
    lost = [start + hour * HOUR + MINUTE for hour in missed]
    if kind == "meter":
        ingest_meters(connection, [MeterReading(device_id, ts) for ts in known])
    else:
        ingest_vehicles(connection, [VehicleReading(device_id, ts) for ts in known])
    unseen(connection, kind, device_id, lost)
    day = start, start + timedelta(days=1)
    connection.execute("CALL ops.refresh(%s, %s)", day)
    expected = known + [ts for ts in lost if day[0] <= ts < day[1]]
    assert samples(connection, kind, device_id, "hourly") == counted(expected)
    assert samples(connection, kind, device_id, "daily") == counted(expected, hour=0)
    # and what comes next finds its place
    connection.execute("CALL ops.refresh(%s, %s)", [start - timedelta(days=3), NOW])
    assert samples(connection, kind, device_id, "hourly") == counted(known + lost)
    assert samples(connection, kind, device_id, "daily") == counted(known + lost, hour=0)


def test_what_was_stored_before_there_were_rollups_is_in_them_after_the_migration(
    connection: Connection, database_url: str
) -> None:
    for kind in ("meter", "vehicle"):
        connection.execute(f"DROP TRIGGER roll_up ON telemetry.{kind}_reading")
    times = [MIDNIGHT + n * 7 * MINUTE for n in range(-30, 30)]
    ingest_meters(connection, [MeterReading(one, ts) for ts in times for one in "AB"])
    ingest_vehicles(connection, [VehicleReading("A", ts) for ts in times])
    for kind in ("meter", "vehicle"):
        connection.execute(
            f"INSERT INTO telemetry.{kind}_reading ({kind}_id, ts, entry, energy_mwh)"
            " VALUES ('corrected', %s, 1, 5)",
            [MIDNIGHT],
        )
    migrate(database_url, lambda _: None)
    assert rollups.differences(connection) == []
    ingest_meters(connection, [MeterReading("A", times[-1] + MINUTE), MeterReading("B", NOW)])
    assert rollups.differences(connection) == []


def test_a_writer_whose_snapshot_is_old_fails_and_loses_no_increment(
    connection: Connection, database_url: str
) -> None:
    with psycopg.connect(database_url) as late:
        late.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        late.execute("SELECT FROM telemetry.rules")
        ingest_meters(connection, [MeterReading(ts=MIDNIGHT)])
        with pytest.raises(psycopg.Error) as raised:
            late.execute(
                "INSERT INTO telemetry.meter_reading (meter_id, ts, energy_mwh)"
                " VALUES ('M-1', %s, 1)",
                [MIDNIGHT + MINUTE],
            )
        assert raised.value.sqlstate == "WL052"
    assert rollups.differences(connection) == []


def test_state_and_rollups_are_right_whoever_writes(connection: Connection) -> None:
    with (
        connection.cursor() as cursor,
        cursor.copy(
            "COPY telemetry.meter_reading (meter_id, ts, entry, energy_mwh, voltage_mv) FROM STDIN"
        ) as copy,
    ):
        for minute, entry, volts in ((0, 0, 1), (61, 0, 2), (59, 0, 3), (62, 1, None)):
            copy.write_row(("A", MIDNIGHT + minute * MINUTE, entry, minute, volts))
    assert meter_states(connection) == [("A", MIDNIGHT + 61 * MINUTE, 61, 2)]
    assert rollups.differences(connection) == []


def test_corrections_alone_are_counted_and_are_no_state(connection: Connection) -> None:
    correct = "INSERT INTO telemetry.meter_reading (meter_id, ts, entry, energy_mwh) VALUES"
    connection.execute(f"{correct} ('A', %s, 1, 5)", [MIDNIGHT + 3 * HOUR])
    states = "SELECT * FROM api.meter_states(NULL, 10)"
    assert connection.execute(states).fetchall() == []
    assert connection.execute("SELECT * FROM api.meter_state('A')").fetchall() == []
    ingest_meters(connection, [MeterReading("A", MIDNIGHT, 1.0)])
    assert meter_states(connection) == [("A", MIDNIGHT, 1_000_000, 230_000)]
    ingest_meters(connection, [MeterReading("A", MIDNIGHT + HOUR, 2.0)])
    connection.execute(f"{correct} ('A', %s, 1, 7)", [MIDNIGHT + 5 * HOUR])
    assert meter_states(connection) == [("A", MIDNIGHT + HOUR, 2_000_000, 230_000)]
    assert rollups.differences(connection) == []
