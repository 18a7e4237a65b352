"""What the ingest functions store, and what they answer."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import psycopg
import pytest

from tests.support.readings import (
    NOW,
    Connection,
    MeterReading,
    NotStored,
    VehicleReading,
    ingest_meters,
    ingest_vehicles,
    meter_history,
    meter_states,
    vehicle_history,
    vehicle_states,
)

MINUTE = timedelta(minutes=1)


def test_a_meter_reading_is_stored_to_the_milliwatt_hour_and_becomes_the_state(
    connection: Connection,
) -> None:
    assert ingest_meters(connection, [MeterReading(energy_kwh=0.420001, voltage_v=231.2)]) == []
    assert meter_history(connection) == [("M-1", NOW, 0, 420001, 231200)]
    assert meter_states(connection) == [("M-1", NOW, 420001, 231200)]


def test_a_vehicle_reading_is_stored_and_becomes_the_state(connection: Connection) -> None:
    assert ingest_vehicles(connection, [VehicleReading()]) == []
    assert vehicle_history(connection) == [("V-1", NOW, 0, 370000, 81500, 31200)]
    assert vehicle_states(connection) == [("V-1", NOW, 370000, 81500, 31200)]


def test_missing_measurements_are_stored_as_null_not_zero(connection: Connection) -> None:
    ingest_meters(connection, [MeterReading(voltage_v=None)])
    ingest_vehicles(connection, [VehicleReading(soc_percent=None, battery_temp_c=None)])
    assert meter_history(connection) == [("M-1", NOW, 0, 420000, None)]
    assert vehicle_history(connection) == [("V-1", NOW, 0, 370000, None, None)]


def test_a_late_reading_is_stored_but_leaves_the_newer_state(connection: Connection) -> None:
    ingest_meters(connection, [MeterReading(ts=NOW, energy_kwh=2)])
    assert ingest_meters(connection, [MeterReading(ts=NOW - MINUTE, energy_kwh=1)]) == []
    assert len(meter_history(connection)) == 2
    assert meter_states(connection) == [("M-1", NOW, 2_000_000, 230_000)]


def test_the_newest_of_a_batch_becomes_the_state_whatever_its_place(connection: Connection) -> None:
    times = [NOW - 3 * MINUTE, NOW - MINUTE, NOW - 2 * MINUTE]
    ingest_vehicles(
        connection, [VehicleReading(ts=ts, soc_percent=i) for i, ts in enumerate(times)]
    )
    assert vehicle_states(connection) == [("V-1", NOW - MINUTE, 370000, 1000, 31200)]


def test_the_same_reading_again_is_a_duplicate_and_changes_nothing(connection: Connection) -> None:
    ingest_meters(connection, [MeterReading()])
    before = meter_history(connection), meter_states(connection)
    assert ingest_meters(connection, [MeterReading()]) == [NotStored(0, "duplicate", None)]
    assert (meter_history(connection), meter_states(connection)) == before


def test_the_same_reading_twice_in_a_batch_is_stored_once_and_a_duplicate(
    connection: Connection,
) -> None:
    assert ingest_vehicles(connection, [VehicleReading(), VehicleReading()]) == [
        NotStored(1, "duplicate", None)
    ]
    assert len(vehicle_history(connection)) == 1


@pytest.mark.parametrize(
    "other",
    [MeterReading(energy_kwh=0.43), MeterReading(voltage_v=1), MeterReading(voltage_v=None)],
)
def test_other_values_for_a_known_time_are_a_conflict_and_the_first_stands(
    connection: Connection, other: MeterReading
) -> None:
    ingest_meters(connection, [MeterReading()])
    (refused,) = ingest_meters(connection, [other])
    assert refused.outcome == "conflict"
    assert "0.42 kWh, 230 V" in (refused.detail or "")
    assert meter_history(connection) == [("M-1", NOW, 0, 420000, 230000)]


def test_of_two_that_disagree_in_a_batch_the_first_stands(connection: Connection) -> None:
    (refused,) = ingest_vehicles(
        connection, [VehicleReading(energy_kwh=1), VehicleReading(energy_kwh=2)]
    )
    assert (refused.index, refused.outcome) == (1, "conflict")
    assert vehicle_history(connection)[0][3] == 1_000_000


def test_a_refused_reading_does_not_shadow_a_good_one_of_the_same_time(
    connection: Connection,
) -> None:
    answers = ingest_meters(connection, [MeterReading(energy_kwh=-1.0), MeterReading()])
    assert [(a.index, a.outcome) for a in answers] == [(0, "out_of_range")]
    assert meter_history(connection) == [("M-1", NOW, 0, 420000, 230000)]


@pytest.mark.parametrize(
    ("reading", "outcome"),
    [
        (MeterReading(ts=datetime.now(UTC) + timedelta(hours=6)), "future"),
        (MeterReading(ts=datetime(9999, 1, 1, tzinfo=UTC)), "future"),
        (MeterReading(ts=datetime.now(UTC) - timedelta(days=91)), "too_old"),
        (MeterReading(ts=datetime(1970, 1, 1, tzinfo=UTC)), "too_old"),
        (MeterReading(energy_kwh=-0.000001), "out_of_range"),
        (MeterReading(energy_kwh=1000.1), "out_of_range"),
        (MeterReading(energy_kwh=float("nan")), "out_of_range"),
        (MeterReading(energy_kwh=float("inf")), "out_of_range"),
        (MeterReading(energy_kwh=1e300), "out_of_range"),
        (MeterReading(voltage_v=1e300), "out_of_range"),
        (MeterReading(meter_id=""), "malformed"),
        (MeterReading(meter_id="m" * 129), "malformed"),
        (MeterReading(meter_id=None), "malformed"),
        (MeterReading(ts=None), "malformed"),
        (MeterReading(energy_kwh=None), "malformed"),
    ],
)
def test_an_unacceptable_meter_reading_is_refused_alone_with_its_reason(
    connection: Connection, reading: MeterReading, outcome: str
) -> None:
    good = [MeterReading("M-2"), MeterReading("M-3")]
    (refused,) = ingest_meters(connection, [good[0], reading, good[1]])
    assert (refused.index, refused.outcome) == (1, outcome)
    assert refused.detail
    assert [row[0] for row in meter_history(connection)] == ["M-2", "M-3"]
    assert [row[0] for row in meter_states(connection)] == ["M-2", "M-3"]


@pytest.mark.parametrize(
    "reading",
    [
        VehicleReading(soc_percent=100.1),
        VehicleReading(soc_percent=-1),
        VehicleReading(battery_temp_c=151),
        VehicleReading(battery_temp_c=-61),
        VehicleReading(energy_kwh=1001),
    ],
)
def test_a_vehicle_reading_out_of_range_is_refused(
    connection: Connection, reading: VehicleReading
) -> None:
    (refused,) = ingest_vehicles(connection, [reading])
    assert refused.outcome == "out_of_range"
    assert vehicle_history(connection) == []


def test_a_dba_widens_a_limit_and_the_reading_is_accepted(connection: Connection) -> None:
    reading = VehicleReading(battery_temp_c=160)
    assert ingest_vehicles(connection, [reading])[0].outcome == "out_of_range"
    connection.execute("UPDATE telemetry.limits SET maximum = 200 WHERE field = 'battery_temp_c'")
    assert ingest_vehicles(connection, [reading]) == []


def test_a_reading_ahead_within_the_clock_skew_is_accepted(connection: Connection) -> None:
    assert ingest_meters(connection, [MeterReading(ts=datetime.now(UTC) + 4 * MINUTE)]) == []


def test_an_empty_batch_stores_nothing(connection: Connection) -> None:
    assert ingest_meters(connection, []) == []
    assert ingest_vehicles(connection, []) == []


def test_arrays_of_different_length_raise_wl001(connection: Connection) -> None:
    with pytest.raises(psycopg.Error) as raised:
        connection.execute(
            "SELECT * FROM api.ingest_meter_readings("
            "%s, %s::timestamptz[], NULL, '{1}', NULL, NULL, '{1}')",
            [["a", "b"], [NOW, NOW]],
        )
    assert raised.value.sqlstate == "WL001"


def test_the_service_role_may_ingest_and_read_no_table(service_url: str) -> None:
    with psycopg.connect(service_url, autocommit=True) as service:
        assert ingest_meters(service, [MeterReading()]) == []
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            service.execute("SELECT * FROM telemetry.meter_reading")


@pytest.mark.parametrize("statement", ["UPDATE {} SET entry = 1", "DELETE FROM {}", "TRUNCATE {}"])
@pytest.mark.parametrize("table", ["meter_reading", "vehicle_reading"])
@pytest.mark.parametrize("role", ["postgres", "wattledger_owner", "wattledger_dba"])
def test_a_stored_reading_cannot_be_changed_or_removed_by_any_role(
    connection: Connection, statement: str, table: str, role: str
) -> None:
    ingest_meters(connection, [MeterReading()])
    ingest_vehicles(connection, [VehicleReading()])
    if role != "postgres":
        connection.execute(f"SET ROLE {role}")
    with pytest.raises(psycopg.Error) as raised:
        connection.execute(statement.format(f"telemetry.{table}"))
    assert raised.value.sqlstate in ({"WL010"} if role == "postgres" else {"42501"})
    connection.execute("RESET ROLE")
    assert len(meter_history(connection)) == len(vehicle_history(connection)) == 1


def test_the_trigger_refuses_the_owner_even_with_the_privilege(connection: Connection) -> None:
    ingest_meters(connection, [MeterReading()])
    connection.execute("GRANT UPDATE, DELETE ON telemetry.meter_reading TO wattledger_owner")
    connection.execute("SET ROLE wattledger_owner")
    for statement in (
        "UPDATE telemetry.meter_reading SET energy_mwh = 0",
        "DELETE FROM telemetry.meter_reading",
    ):
        with pytest.raises(psycopg.Error) as raised:
            connection.execute(statement)
        assert raised.value.sqlstate == "WL010"


def test_a_statement_aimed_at_a_chunk_is_refused_too(connection: Connection) -> None:
    ingest_meters(connection, [MeterReading()])
    chunk = connection.execute(
        "SELECT public.show_chunks('telemetry.meter_reading')::text"
    ).fetchone()
    assert chunk is not None
    with pytest.raises(psycopg.Error) as raised:
        connection.execute(f"DELETE FROM {chunk[0]}")
    assert raised.value.sqlstate == "WL010"
