"""What is acknowledged is stored, and what was dropped cannot come in again, on both editions."""

from __future__ import annotations

from datetime import timedelta

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
    vehicle_history,
)

DAY = timedelta(days=1)
NOON = NOW.replace(hour=12, minute=0)
OLD = NOON - 33 * DAY


@pytest.mark.parametrize("field", ["energy_kwh", "voltage_v"])
def test_a_meter_reading_is_not_acknowledged_while_a_bound_is_missing(
    db: Connection, field: str
) -> None:
    db.execute("DELETE FROM telemetry.limits WHERE field = %s", [field])
    for readings in (
        [MeterReading()],
        [MeterReading(voltage_v=None)],
        [MeterReading(voltage_v=99_999.0), MeterReading("M-2", voltage_v=None)],
    ):
        with pytest.raises(psycopg.Error, match="are missing") as raised:
            ingest_meters(db, readings)
        assert raised.value.sqlstate == "WL050"
    assert meter_history(db) == []


@pytest.mark.parametrize("field", ["energy_kwh", "soc_percent", "battery_temp_c"])
def test_a_vehicle_reading_is_not_acknowledged_while_a_bound_is_missing(
    db: Connection, field: str
) -> None:
    db.execute("DELETE FROM telemetry.limits WHERE field = %s", [field])
    with pytest.raises(psycopg.Error, match="are missing") as raised:
        ingest_vehicles(db, [VehicleReading(soc_percent=None, battery_temp_c=None)])
    assert raised.value.sqlstate == "WL050"
    assert vehicle_history(db) == []


@pytest.mark.parametrize("table", ["rules", "dataset"])
def test_no_reading_is_acknowledged_while_the_accepted_times_are_missing(
    db: Connection, table: str
) -> None:
    remove = f"DELETE FROM telemetry.{table}"
    with pytest.raises(psycopg.Error, match="is refused") as refused:
        db.execute(remove)
    assert refused.value.sqlstate == "WL052"
    db.execute("SET session_replication_role = replica")
    db.execute(remove)
    db.execute("RESET session_replication_role")
    with pytest.raises(psycopg.Error, match="is not said") as raised:
        ingest_meters(db, [MeterReading()])
    assert raised.value.sqlstate == "WL050"
    with pytest.raises(psycopg.Error, match="is not said"):
        ingest_vehicles(db, [VehicleReading()])
    assert meter_history(db) == vehicle_history(db) == []


@pytest.mark.parametrize("side", ["meter", "vehicle"])
@pytest.mark.parametrize("again", [False, True], ids=["new", "repeated"])
def test_a_reading_that_something_else_swallows_is_not_acknowledged(
    db: Connection, side: str, again: bool
) -> None:
    db.execute(
        "CREATE FUNCTION public.swallow() RETURNS trigger LANGUAGE plpgsql AS"
        " $$ BEGIN RETURN NULL; END $$"
    )
    db.execute(
        f"CREATE TRIGGER swallow BEFORE INSERT ON telemetry.{side}_reading FOR EACH ROW"
        f" WHEN (NEW.{side}_id = 'swallowed') EXECUTE FUNCTION public.swallow()"
    )
    ids = ["kept", "swallowed"] + ["kept"] * again
    ingest, kind = (
        (ingest_meters, MeterReading) if side == "meter" else (ingest_vehicles, VehicleReading)
    )
    with pytest.raises(psycopg.Error, match="accounted for") as raised:
        ingest(db, [kind(one) for one in ids])
    assert raised.value.sqlstate == "WL051"
    assert meter_history(db) == vehicle_history(db) == []


def test_times_that_no_clock_shows_are_refused_also_where_all_is_kept(db: Connection) -> None:
    for dataset in ("meter_energy_hourly", "meter_reading"):
        db.execute("SELECT * FROM ops.set_retention(%s, NULL, confirm => true)", [dataset])
    answers = db.execute(
        "SELECT outcome, detail FROM api.ingest_meter_readings(ARRAY['M-1', 'M-1', 'M-1'],"
        " ARRAY[timestamptz '-infinity', 'infinity', to_timestamp(1795000)],"
        " NULL, ARRAY[1.0, 1.0, 1.0]::float8[], NULL, NULL, ARRAY[NULL, NULL, NULL]::float8[])"
    ).fetchall()
    assert [outcome for outcome, _ in answers] == ["too_old", "future", "too_old"]
    assert "it looks like seconds" in answers[2][1]


def fill(db: Connection) -> None:
    """A reading a day of both sides, around the one that is dropped, and all of it counted."""
    times = [OLD - DAY, OLD, OLD + DAY, NOON - 2 * DAY]
    ingest_meters(db, [MeterReading(ts=ts, energy_kwh=1.0) for ts in times])
    ingest_vehicles(db, [VehicleReading(ts=ts, energy_kwh=1.0) for ts in times])
    db.execute("CALL ops.refresh(%s, %s)", [OLD - DAY, NOON - DAY])


def drop(db: Connection, dataset: str, since: object, until: object) -> None:
    """What a DBA does who becomes the owner."""
    db.execute("SET ROLE wattledger_owner")
    dropped = db.execute(
        "SELECT public.drop_chunks(%s::regclass, newer_than => %s, older_than => %s)",
        [f"telemetry.{dataset}", since, until],
    ).fetchall()
    db.execute("RESET ROLE")
    assert dropped


def energy(db: Connection) -> list[tuple[object, ...]]:
    return db.execute(
        "SELECT sum(h.energy_mwh) FROM bi.meter_energy_hourly AS h"
        " UNION ALL SELECT sum(d.energy_mwh) FROM bi.meter_energy_daily AS d"
        " UNION ALL SELECT sum(d.energy_mwh) FROM bi.vehicle_energy_daily AS d"
    ).fetchall()


def test_what_anybody_dropped_is_not_stored_again(db: Connection) -> None:
    fill(db)
    before = energy(db)
    midnight = OLD.replace(hour=0)
    for dataset in ("meter_reading", "vehicle_reading"):
        drop(db, dataset, midnight, midnight + DAY)
    too_old = "whether this one was counted cannot be told"
    (meter,) = ingest_meters(db, [MeterReading(ts=OLD, energy_kwh=1.0)])
    assert meter == NotStored(
        0, "too_old", f"the raw readings of that time were dropped: {too_old}"
    )
    # in a batch, and of a device that was not there before: its neighbours do not suffer
    answers = ingest_vehicles(
        db,
        [
            VehicleReading(ts=OLD, energy_kwh=1.0),
            VehicleReading("V-new", OLD - DAY, 1.0),
            VehicleReading("V-new", OLD + timedelta(hours=1), 1.0),
            VehicleReading("V-new", NOW, 1.0),
        ],
    )
    assert [(answer.index, answer.outcome) for answer in answers] == [
        (0, "too_old"),
        (2, "too_old"),
    ]
    assert energy(db)[:2] == before[:2]
    # days that never had a reading are open
    assert ingest_meters(db, [MeterReading(ts=OLD - 10 * DAY)]) == []


def test_a_refresh_of_what_anybody_dropped_is_refused(db: Connection) -> None:
    fill(db)
    before = energy(db)
    midnight = OLD.replace(hour=0)
    drop(db, "meter_reading", midnight, midnight + DAY)
    for since in (OLD - DAY, OLD):
        with pytest.raises(psycopg.Error, match="would empty rollups") as raised:
            db.execute("CALL ops.refresh(%s, %s)", [since, NOON])
        assert raised.value.sqlstate == "WL020"
    db.execute("CALL ops.refresh(%s, %s)", [OLD + DAY, NOON])
    assert energy(db) == before


@pytest.mark.slow_on_webassembly
def test_the_upkeep_notes_what_anybody_dropped(db: Connection) -> None:
    fill(db)
    drop(db, "meter_reading", OLD - 3 * DAY, OLD + DAY)
    db.execute("CALL ops.maintain()")
    found = db.execute(
        "SELECT d.dataset, d.complete_since FROM telemetry.dataset AS d"
        " WHERE d.complete_since > '-infinity'"
    ).fetchall()
    assert found == [("meter_reading", (OLD + DAY).replace(hour=0))]
    (answer,) = ingest_meters(db, [MeterReading(ts=OLD - 5 * DAY)])
    assert answer.outcome == "too_old"


def test_a_day_that_has_a_part_of_its_chunks_takes_the_rest(db: Connection) -> None:
    db.execute("SET ROLE wattledger_owner")
    db.execute(
        "SELECT public.set_chunk_time_interval('telemetry.meter_reading', INTERVAL '6 hours')"
    )
    db.execute("RESET ROLE")
    midnight = OLD.replace(hour=0)
    for hour in (1, 2, 8, 14, 7, 23):
        assert ingest_meters(db, [MeterReading(ts=midnight + timedelta(hours=hour))]) == []
    db.execute("CALL ops.refresh(%s, %s)", [midnight, midnight + DAY])


def discarded(db: Connection) -> list[tuple[object, ...]]:
    return db.execute(
        "SELECT field, device_id, discarded, last_value, last_read_at"
        " FROM ops.discarded_measurements ORDER BY 1, 2"
    ).fetchall()


def test_a_value_that_stands_for_none_is_refused_or_stored_as_null_and_counted(
    db: Connection,
) -> None:
    sent = [
        VehicleReading("V-1", NOW, 0.3, 255.0, 31.0),
        VehicleReading("V-2", NOW, 0.4, 50.0, -273.0),
        VehicleReading("V-3", NOW, 0.5, 50.0, 20.0),
    ]
    answers = ingest_vehicles(db, sent)
    assert [(answer.index, answer.outcome) for answer in answers] == [
        (0, "out_of_range"),
        (1, "out_of_range"),
    ]
    assert discarded(db) == []

    db.execute(
        "SELECT ops.set_limit('vehicle_reading', 'soc_percent', when_outside => 'store_null')"
    )
    answers = ingest_vehicles(db, sent)
    assert [(answer.index, answer.outcome) for answer in answers] == [
        (1, "out_of_range"),
        (2, "duplicate"),
    ]
    assert discarded(db) == [("soc_percent", "V-1", 1, 255.0, NOW)]
    row = db.execute(
        "SELECT energy_mwh, soc_mpct, battery_temp_mc FROM telemetry.vehicle_reading"
        " WHERE vehicle_id = 'V-1'"
    ).fetchone()
    assert row == (300_000, None, 31_000)

    # again, it is the same reading; a newer one is counted on the way of the usual group
    assert [answer.outcome for answer in ingest_vehicles(db, sent[:1])] == ["duplicate"]
    newer = NOW + timedelta(seconds=1)
    assert ingest_vehicles(db, [VehicleReading("V-1", newer, 0.3, -1.0, 31.0)]) == []
    assert discarded(db) == [("soc_percent", "V-1", 2, -1.0, newer)]


def test_a_voltage_that_stands_for_none_does_not_cost_the_energy_beside_it(db: Connection) -> None:
    db.execute("SELECT ops.set_limit('meter_reading', 'voltage_v', when_outside => 'store_null')")
    assert ingest_meters(db, [MeterReading(voltage_v=65_535.0)]) == []
    assert meter_history(db) == [("M-1", NOW, 0, 420_000, None)]
    assert discarded(db) == [("voltage_v", "M-1", 1, 65_535.0, NOW)]


def test_energy_is_never_discarded(db: Connection) -> None:
    with pytest.raises(psycopg.Error) as raised:
        db.execute(
            "SELECT ops.set_limit('meter_reading', 'energy_kwh', when_outside => 'store_null')"
        )
    assert raised.value.sqlstate == "WL020"
    with pytest.raises(psycopg.Error) as raised:
        db.execute("SELECT ops.set_limit('meter_reading', 'soc_percent', maximum => 200)")
    assert raised.value.sqlstate == "WL021"
    db.execute("SELECT ops.set_limit('meter_reading', 'energy_kwh', maximum => 2000)")
    assert ingest_meters(db, [MeterReading(energy_kwh=1500.0)]) == []
