"""What a reading counts when it arrives, and what is left for settling, on both editions."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest

from tests.support.readings import (
    NOW,
    Connection,
    MeterReading,
    NotStored,
    VehicleReading,
    ingest_meters,
    ingest_vehicles,
)

MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)
# the start of an hour and of a day that are over
DAY = NOW.replace(hour=0, minute=0) - timedelta(days=2)
NOON = DAY + 12 * HOUR
# kWh that a device of the greatest usual power gives in a minute
MOST = 500 / 60


def register(
    kwh: float, at: datetime, meter: str = "M-1", session: str | None = None
) -> MeterReading:
    return MeterReading(meter, at, kwh, kind="lifetime_register", session=session)


def counter(kwh: float, at: datetime, session: str, meter: str = "M-1") -> MeterReading:
    return MeterReading(meter, at, kwh, kind="session_counter", session=session)


def energies(db: Connection, side: str = "meter") -> list[float]:
    """The energy of each stored reading in kWh, in order of time."""
    rows = db.execute(f"SELECT energy_mwh FROM telemetry.{side}_reading ORDER BY ts")
    return [mwh / 1e6 for (mwh,) in rows]


def level(db: Connection, side: str = "meter") -> float | None:
    """Where the next register counts from, in kWh; None where settling has to judge."""
    row = db.execute(f"SELECT level_mwh FROM telemetry.{side}_state").fetchone()
    assert row is not None
    return None if row[0] is None else row[0] / 1e6


def due(db: Connection) -> list[tuple[Any, ...]]:
    """Days that are to be settled at once."""
    return db.execute(
        "SELECT device_id, day FROM telemetry.settle_queue WHERE due_at <= now() ORDER BY 1, 2"
    ).fetchall()


def settled(db: Connection) -> None:
    """As if all that waits were settled."""
    db.execute("DELETE FROM telemetry.settle_queue")


@pytest.mark.parametrize("in_one_group", [True, False])
def test_a_register_in_order_counts_its_steps(db: Connection, in_one_group: bool) -> None:
    sent = [register(kwh, NOON + n * MINUTE) for n, kwh in enumerate((163.53, 163.63, 163.63, 164))]
    for group in [sent] if in_one_group else [[reading] for reading in sent]:
        assert ingest_meters(db, group) == []
    assert energies(db) == [0, 0.1, 0, 0.37]
    assert level(db) == 164
    assert due(db) == []


def test_a_vehicles_register_counts_alike(db: Connection) -> None:
    for n, kwh in enumerate((9000.5, 9001)):
        reading = VehicleReading(ts=NOON + n * MINUTE, energy_kwh=kwh, kind="lifetime_register")
        assert ingest_vehicles(db, [reading]) == []
    assert energies(db, "vehicle") == [0, 0.5]
    assert level(db, "vehicle") == 9001


@pytest.mark.parametrize("in_one_group", [True, False])
@pytest.mark.parametrize(
    "second",
    [
        register(9.9, NOON + MINUTE),
        register(10.001 + MOST, NOON + MINUTE),
        counter(10.1, NOON + MINUTE, "S-1"),
    ],
)
def test_what_is_in_doubt_counts_nothing_until_it_is_settled(
    db: Connection, in_one_group: bool, second: MeterReading
) -> None:
    sent = [register(10, NOON), second, register(10.2, NOON + 2 * MINUTE)]
    for group in [sent] if in_one_group else [[reading] for reading in sent]:
        assert ingest_meters(db, group) == []
    assert energies(db) == [0, 0, 0]
    assert level(db) is None
    assert due(db) == [("M-1", NOON.date())]


def test_a_register_that_carries_transactions_counts_on(db: Connection) -> None:
    for n, session in enumerate(("T-1", "T-2", None)):
        assert ingest_meters(db, [register(10 + n, NOON + n * MINUTE, session=session)]) == []
    assert energies(db) == [0, 1, 1]


def test_a_counter_counts_within_its_session_and_waits_at_the_next(db: Connection) -> None:
    for n, (kwh, session) in enumerate(((18.1, "S-1"), (18.2, "S-1"), (0.1, "S-2"), (0.4, "S-2"))):
        assert ingest_meters(db, [counter(kwh, NOON + n * MINUTE, session)]) == []
    assert energies(db) == [0, 0.1, 0, 0]
    assert due(db) == [("M-1", NOON.date())]
    assert db.execute(
        "SELECT r.ts, s.session_id FROM telemetry.meter_reading AS r"
        " JOIN telemetry.device_session AS s ON s.device_id = r.meter_id"
        " AND s.session_no = r.session_no ORDER BY 1"
    ).fetchall() == [(NOON + n * MINUTE, f"S-{1 + n // 2}") for n in range(4)]


def test_a_difference_after_a_register_counts_and_ends_its_level(db: Connection) -> None:
    ingest_meters(db, [register(10, NOON), MeterReading(ts=NOON + MINUTE, energy_kwh=0.5)])
    assert energies(db) == [0, 0.5]
    assert level(db) is None
    ingest_meters(db, [register(11, NOON + 2 * MINUTE)])
    assert energies(db) == [0, 0.5, 0]
    assert due(db) == [("M-1", NOON.date())]


def test_a_late_reading_counts_as_far_as_it_can_and_is_settled_at_once(db: Connection) -> None:
    ingest_meters(db, [register(10, NOON), register(11, NOON + 2 * MINUTE)])
    settled(db)
    assert ingest_meters(db, [register(10.4, NOON + MINUTE)]) == []
    assert energies(db) == [0, 0, 1]
    assert level(db) == 11
    assert due(db) == [("M-1", NOON.date())]
    settled(db)
    assert [a.outcome for a in ingest_meters(db, [register(10.4, NOON + MINUTE)])] == ["duplicate"]
    assert due(db) == []


@pytest.mark.parametrize(
    ("first", "second", "is_due"),
    [
        (NOON, NOON + 15 * MINUTE, False),
        (NOON, NOON + HOUR, True),
        (NOON - MINUTE, NOON + MINUTE, False),
        (NOON - 2 * MINUTE, NOON + MINUTE, True),
    ],
)
@pytest.mark.parametrize("kind", [None, "lifetime_register"])
def test_an_interval_across_hours_is_settled_at_once(
    db: Connection, kind: str | None, first: datetime, second: datetime, is_due: bool
) -> None:
    for number, ts in enumerate((first, second)):
        assert ingest_meters(db, [MeterReading(ts=ts, energy_kwh=1 + number, kind=kind)]) == []
    assert due(db) == ([("M-1", NOON.date())] if is_due else [])


def test_a_start_that_is_reported_makes_the_interval(db: Connection) -> None:
    sent = [
        MeterReading("M-1", NOON, since=NOON - HOUR),
        MeterReading("M-2", NOON + 10 * MINUTE, since=NOON + 5 * MINUTE),
        # clipped to the reading before
        MeterReading("M-2", NOON + 11 * MINUTE, since=NOON - 11 * MINUTE),
    ]
    assert ingest_meters(db, sent) == []
    assert due(db) == [("M-1", NOON.date())]


def test_the_first_reading_of_a_day_is_settled_within_two_hours(db: Connection) -> None:
    end = DAY - MINUTE
    ingest_meters(db, [register(10, end), register(10.1, end + 2 * MINUTE)])
    ingest_meters(db, [register(10.2, end + 3 * MINUTE)])
    assert due(db) == []
    assert db.execute(
        "SELECT day FROM telemetry.settle_queue"
        " WHERE due_at BETWEEN now() AND now() + interval '2 hours' ORDER BY 1"
    ).fetchall() == [(end.date(),), (DAY.date(),)]


def test_what_others_write_is_settled_at_once_and_ends_the_level(db: Connection) -> None:
    ingest_meters(db, [register(10, NOON)])
    settled(db)
    db.execute(
        "INSERT INTO telemetry.meter_reading (meter_id, ts, energy_mwh, kind, register_mwh)"
        " VALUES ('M-1', %s, 0, 'lifetime_register', 11000000)",
        [NOON + MINUTE],
    )
    assert level(db) is None
    assert due(db) == [("M-1", NOON.date())]


def test_an_entry_of_the_ledger_waits_for_nothing_and_is_no_reading(db: Connection) -> None:
    ingest_meters(db, [register(10, NOON)])
    settled(db)
    db.execute(
        "INSERT INTO telemetry.meter_reading (meter_id, ts, energy_mwh, entry, reason, source_day)"
        " VALUES ('M-1', %s, 5, 1, 'apportioned', %s)",
        [NOON - HOUR, NOON.date()],
    )
    assert level(db) == 10
    assert due(db) == []
    assert db.execute(
        "SELECT energy_mwh, apportioned_mwh, samples FROM bi.meter_energy_hourly ORDER BY bucket"
    ).fetchall() == [(5, 5, 0), (0, 0, 1)]


@pytest.mark.parametrize("in_one_group", [True, False])
def test_a_difference_that_cannot_have_flowed_is_refused(
    db: Connection, in_one_group: bool
) -> None:
    sent = [
        MeterReading(ts=NOON, energy_kwh=900),
        MeterReading(ts=NOON + MINUTE, energy_kwh=163.63),
        MeterReading(ts=NOON + 2 * MINUTE, energy_kwh=17.6),
    ]
    answers = (
        ingest_meters(db, sent)
        if in_one_group
        else [answer for reading in sent for answer in ingest_meters(db, [reading])]
    )
    detail = "163.63 kWh in 60 s is 9,818 kW; a meter's register is sent as kwhTotalAc"
    assert answers == [NotStored(1 if in_one_group else 0, "out_of_range", detail)]
    assert energies(db) == [900, 17.6]


def test_a_devices_own_power_and_tolerance_are_believed(db: Connection) -> None:
    db.execute(
        "INSERT INTO telemetry.device_setting (dataset, device_id, max_power_kw, tolerance_kwh)"
        " VALUES ('meter_reading', 'M-1', 6000, 50), ('meter_reading', 'M-2', 60, 0)"
    )
    for meter, kwh in (("M-1", 149.9), ("M-2", 0.9)):
        readings = [MeterReading(meter, NOON + n * MINUTE, kwh) for n in range(2)]
        assert ingest_meters(db, readings) == []
    for meter, kwh in (("M-1", 150.1), ("M-2", 1.1)):
        (refused,) = ingest_meters(db, [MeterReading(meter, NOON + 2 * MINUTE, kwh)])
        assert refused.outcome == "out_of_range"


@pytest.mark.parametrize("is_known", [True, False])
@pytest.mark.parametrize(
    ("reading", "detail"),
    [
        (MeterReading(kind="total"), "the kind of a reading"),
        (MeterReading(kind="session_counter"), "needs the session's id"),
        (MeterReading(session=""), "1 to 128 characters"),
        (
            MeterReading(kind="lifetime_register", since=NOW - MINUTE),
            "from belongs to a difference",
        ),
        (MeterReading(since=NOW + MINUTE), "not after it"),
    ],
)
def test_what_does_not_belong_together_is_malformed(
    db: Connection, reading: MeterReading, detail: str, is_known: bool
) -> None:
    if is_known:
        ingest_meters(db, [MeterReading(meter, NOW - MINUTE) for meter in ("M-1", "M-2")])
    (refused,) = ingest_meters(db, [MeterReading("M-2"), reading])
    assert (refused.index, refused.outcome) == (1, "malformed")
    assert detail in (refused.detail or "")
    assert len(energies(db)) == (3 if is_known else 1)


@pytest.mark.parametrize("kind", [None, "lifetime_register"])
@pytest.mark.parametrize("side", ["meter", "vehicle"])
def test_readings_in_order_need_no_trigger(db: Connection, side: str, kind: str | None) -> None:
    def send(minute: int) -> list[NotStored]:
        ts, kwh = NOON + minute * MINUTE, 1.0 + minute
        if side == "meter":
            return ingest_meters(db, [MeterReading(m, ts, kwh, kind=kind) for m in "BA"])
        return ingest_vehicles(db, [VehicleReading(v, ts, kwh, kind=kind) for v in "BA"])

    assert send(0) == []
    db.execute(
        f"DO $$ BEGIN EXECUTE (SELECT format('DROP TRIGGER %I ON telemetry.{side}_reading', tgname)"
        f" FROM pg_trigger WHERE tgrelid = 'telemetry.{side}_reading'::regclass"
        " AND tgname IN ('roll_up', 'keep_state')); END $$"
    )
    assert send(1) == []
    counted = 1 if kind else 2
    assert (
        db.execute(
            f"SELECT ts, earlier_ts, energy_mwh / 1e6 FROM telemetry.{side}_state"
        ).fetchall()
        == [(NOON + MINUTE, NOON, counted)] * 2
    )
    assert (
        db.execute(f"SELECT samples, energy_kwh FROM bi.{side}_energy_hourly").fetchall()
        == [(2, counted + (0 if kind else 1))] * 2
    )


def test_registers_have_bounds_of_their_own(db: Connection) -> None:
    answers = ingest_meters(
        db, [register(1e7 + 1, NOON), register(9e6, NOON), counter(-1, NOON, "S")]
    )
    assert [(a.index, a.outcome) for a in answers] == [(0, "out_of_range"), (2, "out_of_range")]
    assert "register in kWh is 10000001, allowed is 0 to 10000000" in (answers[0].detail or "")


def test_a_duplicate_is_what_reports_the_same(db: Connection) -> None:
    sent = [register(10, NOON), register(10.5, NOON + MINUTE), MeterReading(ts=NOON + 2 * MINUTE)]
    ingest_meters(db, sent)
    assert {answer.outcome for answer in ingest_meters(db, sent)} == {"duplicate"}
    others = [
        register(10.4, NOON + MINUTE),
        register(10.5, NOON + MINUTE, session="S"),
        MeterReading(ts=NOON + MINUTE, energy_kwh=0.5),
        MeterReading(ts=NOON + 2 * MINUTE, since=NOON),
    ]
    answers = ingest_meters(db, others)
    assert {answer.outcome for answer in answers} == {"conflict"}
    assert "10.5 kWh on the register, 230 V" in (answers[0].detail or "")
    assert len(energies(db)) == 3
