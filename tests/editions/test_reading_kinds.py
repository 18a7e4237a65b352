"""Stored readings hold what belongs to their kind, and corrections energy alone."""

from __future__ import annotations

from typing import Any

import psycopg
import pytest

from tests.support.readings import (
    NOW,
    Connection,
    MeterReading,
    VehicleReading,
    ingest_meters,
    ingest_vehicles,
)

SIDES = ("meter", "vehicle")
REGISTER = {"kind": "lifetime_register", "register_mwh": 163_630_000}
COUNTER = {"kind": "session_counter", "register_mwh": 18_100_000, "session_no": 1}
REPORTED = "kind, register_mwh, interval_start, session_no"


def store(db: Connection, side: str, **columns: object) -> None:
    """Insert a reading as a DBA may, past what ingestion looks at."""
    given = {f"{side}_id": "A", "ts": NOW, "energy_mwh": 0, **columns}
    named = {name: f"%({name})s" for name in given}
    db.execute(
        f"INSERT INTO telemetry.{side}_reading ({', '.join(named)})"
        f" VALUES ({', '.join(named.values())})",
        given,
    )


def reported(db: Connection, side: str) -> list[tuple[Any, ...]]:
    return db.execute(
        f"SELECT {REPORTED} FROM telemetry.{side}_reading ORDER BY {side}_id, ts, entry"
    ).fetchall()


@pytest.mark.parametrize("side", SIDES)
@pytest.mark.parametrize(
    "columns",
    [
        {},
        {"session_no": 1},
        {"interval_start": NOW},
        {"entry": 100_000, "energy_mwh": -5},
        REGISTER,
        {**REGISTER, "session_no": 1},
        COUNTER,
    ],
)
def test_what_belongs_together_is_stored(
    db: Connection, side: str, columns: dict[str, object]
) -> None:
    store(db, side, **columns)
    given = {"kind": "difference", **columns}
    assert reported(db, side) == [tuple(given.get(name) for name in REPORTED.split(", "))]


@pytest.mark.parametrize("side", SIDES)
@pytest.mark.parametrize(
    ("columns", "constraint"),
    [
        ({"register_mwh": 1}, "kind"),
        ({"kind": "lifetime_register"}, "kind"),
        ({"kind": "session_counter", "register_mwh": 1}, "kind"),
        ({**REGISTER, "interval_start": NOW}, "kind"),
        ({"interval_start": "9999-12-30 00:00Z"}, "times"),
        ({"interval_start": "-infinity"}, "times"),
        ({"entry": -1}, "correction"),
        ({"entry": 1, "session_no": 1}, "correction"),
        ({"entry": 1, "interval_start": NOW}, "correction"),
        ({"entry": 1, **REGISTER}, "correction"),
    ],
)
def test_what_does_not_belong_together_is_refused(
    db: Connection, side: str, columns: dict[str, object], constraint: str
) -> None:
    with pytest.raises(psycopg.errors.CheckViolation) as raised:
        store(db, side, **columns)
    assert raised.value.diag.constraint_name == f"{side}_reading_{constraint}"


@pytest.mark.parametrize(
    ("side", "measurement"),
    [("meter", "voltage_mv"), ("vehicle", "soc_mpct"), ("vehicle", "battery_temp_mc")],
)
def test_a_correction_has_no_measurement(db: Connection, side: str, measurement: str) -> None:
    store(db, side, entry=0, **{measurement: 1})
    with pytest.raises(psycopg.errors.CheckViolation) as raised:
        store(db, side, entry=1, **{measurement: 1})
    assert raised.value.diag.constraint_name == f"{side}_reading_correction"


def test_what_is_ingested_is_a_difference_of_which_nothing_else_is_known(db: Connection) -> None:
    assert ingest_meters(db, [MeterReading()]) == []
    assert ingest_vehicles(db, [VehicleReading()]) == []
    for side in SIDES:
        assert reported(db, side) == [("difference", None, None, None)]


@pytest.mark.parametrize("side", SIDES)
def test_readings_of_every_kind_are_the_same_after_compression(db: Connection, side: str) -> None:
    if db.execute("SELECT NOT telemetry.has_policies()").fetchone() == (True,):
        pytest.skip("the Apache edition does not compress")
    for number, columns in enumerate(({}, {"interval_start": NOW}, REGISTER, COUNTER)):
        store(db, side, **{f"{side}_id": f"A-{number}", **columns})
    before = reported(db, side)
    chunks = db.execute(
        f"SELECT public.compress_chunk(c) FROM public.show_chunks('telemetry.{side}_reading') AS c"
    ).fetchall()
    assert len(chunks) == 1
    assert reported(db, side) == before
