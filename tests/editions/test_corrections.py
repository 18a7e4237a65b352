"""A wrong reading is corrected in one call, and all that follows from it follows."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any, NamedTuple

import pytest
from psycopg.rows import dict_row

from tests.support.fold import Reading
from tests.support.kept_charging import settle_and_keep
from tests.support.ledger import Device, correct, send
from tests.support.readings import NOW, Connection, link

MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
KWH = 10**6
METER, VEHICLE = Device("meter", "M-1"), Device("vehicle", "V-1")
# of a day before yesterday, for which nobody waits in a hurry
STARTS = NOW.replace(hour=0, minute=0) - 4 * DAY + 10 * HOUR
MINUTES = 60


class Bill(NamedTuple):
    """What is told of a charge, in every place."""

    hours: Decimal
    day: Decimal
    session: Decimal
    cost: Decimal
    verdict: str
    registers: tuple[Decimal | None, Decimal | None]


def charge(kind: str) -> tuple[list[Reading], list[Reading]]:
    """An hour of 25.2 kWh at the meter, of which 0.9 reach the battery: 0.42 kWh each minute."""
    meter, vehicle = [], []
    for minute in range(MINUTES + 1):
        ts = STARTS + minute * MINUTE
        step = min(minute, 1) * 420_000
        level = 1000 * KWH + minute * 420_000
        meter.append(
            Reading(ts, step, "difference") if kind == "difference" else Reading(ts, level)
        )
        vehicle.append(Reading(ts, step * 9 // 10, "difference"))
    return meter, vehicle


def told(db: Connection) -> Bill:
    """What all places tell of it now."""
    (hours,) = db.execute("SELECT sum(h.energy_kwh) FROM bi.meter_energy_hourly AS h").fetchone()
    (day,) = db.execute("SELECT sum(d.energy_kwh) FROM bi.meter_energy_daily AS d").fetchone()
    cursor = db.cursor(row_factory=dict_row)
    (one,) = cursor.execute(
        "SELECT s.ac_kwh, s.cost, s.verdict, s.ac_register_start_kwh, s.ac_register_end_kwh"
        " FROM bi.charging_session AS s WHERE s.vehicle_id = 'V-1'"
    ).fetchall()
    registers = one["ac_register_start_kwh"], one["ac_register_end_kwh"]
    return Bill(hours, day, one["ac_kwh"], one["cost"], one["verdict"], registers)


def open_alerts(db: Connection) -> list[tuple[Any, ...]]:
    db.execute("CALL telemetry.settle_all_charging()")
    return db.execute(
        "SELECT a.kind, a.state, a.closed_because FROM bi.alert AS a ORDER BY a.alert_id"
    ).fetchall()


@pytest.fixture
def priced(db: Connection) -> Connection:
    db.execute(
        "SELECT ops.set_tariff(currency => 'EUR', zone => 'UTC', first_day => '2020-01-01',"
        " prices => '[{\"price\": 0.5}]', why => 'a test')"
    )
    link(db, "V-1", "M-1", STARTS - HOUR, None)
    return db


def keep_as_the_service_does(db: Connection) -> None:
    """What it has to do once half a second has passed, though nobody waits for such old days."""
    db.execute("UPDATE telemetry.settle_queue SET due_at = due_at - INTERVAL '1 second'")
    settled, waiting = 0, 1
    while waiting:
        settled, _, waiting = db.execute("SELECT * FROM api.settle(200, '0.5 s')").fetchone()
        assert settled or not waiting
    settle_and_keep(db)


def test_a_wrong_420_kwh_is_corrected_in_one_call(priced: Connection) -> None:
    db = priced
    meter, vehicle = charge("difference")
    send(db, METER, meter[:30] + meter[31:])
    send(db, VEHICLE, vehicle)
    settle_and_keep(db)
    right = told(db)._replace(hours=Decimal("25.2"), day=Decimal("25.2"), session=Decimal("25.2"))
    # it comes late, so that nobody doubts it
    assert send(db, METER, [meter[30]._replace(mwh=420 * KWH)]) == []
    settle_and_keep(db)
    wrong = told(db)
    assert (wrong.hours, wrong.session, wrong.verdict) == (
        Decimal("444.78"),
        wrong.hours,
        "degraded",
    )
    made = correct(db, METER, meter[30].ts, 420_000)
    keep_as_the_service_does(db)
    found = told(db)
    assert (found.hours, found.day, found.session) == (right.hours, right.day, right.session)
    assert (found.cost, found.verdict) == (Decimal("12.6"), "healthy")
    # what it reported, who said so and why can be read for ever
    kept = db.execute(
        "SELECT r.record_id, r.reported_kwh, r.value_kwh, r.made_by = session_user, r.reason"
        " FROM bi.ledger_record AS r"
    ).fetchall()
    assert kept == [(made, 420, Decimal("0.42"), True, "a test")]
    entries = db.execute(
        "SELECT e.entry, e.reason, e.energy_kwh, e.record_id FROM bi.ledger_entry AS e"
        " WHERE e.device_id = 'M-1' AND e.entry > 0 AND e.reason = 'correction'"
    ).fetchall()
    assert [(reason, kwh, record) for _, reason, kwh, record in entries] == [
        ("correction", Decimal("-419.58"), made)
    ]
    reported = (
        "SELECT m.energy_mwh FROM telemetry.meter_reading AS m WHERE m.ts = %s AND m.entry = 0"
    )
    assert db.execute(reported, [meter[30].ts]).fetchone() == (420 * KWH,)
    # until that is taken back
    db.execute("SELECT ops.cancel_record(%s, 'it was right')", [made])
    keep_as_the_service_does(db)
    assert told(db) == wrong
    assert db.execute("SELECT v.* FROM ops.verify(%s) AS v", [STARTS - DAY]).fetchall() == []


def test_a_register_that_was_420_kwh_too_high_is_corrected(priced: Connection) -> None:
    db = priced
    meter, vehicle = charge("lifetime_register")
    high = meter[-1]._replace(mwh=meter[-1].mwh + 420 * KWH)
    send(db, METER, [*meter[:-1], high])
    send(db, VEHICLE, vehicle)
    settle_and_keep(db)
    assert told(db).hours == Decimal("24.78")
    correct(db, METER, high.ts, meter[-1].mwh)
    keep_as_the_service_does(db)
    found = told(db)
    assert found[:4] == (Decimal("25.2"), Decimal("25.2"), Decimal("25.2"), Decimal("12.6"))
    assert found.registers == (Decimal(1000), Decimal("1025.2"))
    shown = "SELECT m.register_kwh, m.last_reading_at FROM bi.meter AS m"
    assert db.execute(shown).fetchall() == [(Decimal("1025.2"), high.ts)]
    # the next one counts from there, at once
    send(db, METER, [Reading(high.ts + MINUTE, meter[-1].mwh + 420_000)])
    assert told(db).hours == Decimal("25.62")
    settle_and_keep(db)
    assert told(db).hours == Decimal("25.62")
    assert db.execute("SELECT v.* FROM ops.verify(%s) AS v", [STARTS - DAY]).fetchall() == []


def test_a_reading_that_is_taken_back_is_none(priced: Connection) -> None:
    db = priced
    meter, vehicle = charge("lifetime_register")
    # the test bench's reading, of another meter
    strange = Reading(meter[-1].ts + 10 * MINUTE, 700 * KWH)
    send(db, METER, [*meter, strange])
    send(db, VEHICLE, vehicle)
    settle_and_keep(db)
    made = correct(db, METER, strange.ts, None)
    keep_as_the_service_does(db)
    assert told(db).registers == (Decimal(1000), Decimal("1025.2"))
    assert db.execute("SELECT m.kind, m.register_kwh FROM bi.meter AS m").fetchall() == [
        ("lifetime_register", None)
    ]
    assert db.execute("SELECT e.* FROM bi.register_event AS e").fetchall() == []
    bill = "SELECT d.register_end_kwh FROM bi.meter_register_daily AS d ORDER BY d.day DESC LIMIT 1"
    assert db.execute(bill).fetchone() == (Decimal("1025.2"),)
    # the interval of the next one starts at the reading before it
    later = Reading(strange.ts + MINUTE, meter[-1].mwh + 550_000)
    send(db, METER, [later])
    settle_and_keep(db)
    (started,) = db.execute(
        "SELECT e.interval_start FROM ops.explain_hour('meter:M-1', %s) AS e"
        " WHERE e.part = 'reading' AND e.happened_at = %s",
        [later.ts, later.ts],
    ).fetchone()
    assert started == meter[-1].ts
    told_of_it = db.execute(
        "SELECT e.verdict, e.reported_kwh, e.corrected_kwh, e.energy_kwh, e.record_id"
        " FROM ops.explain_hour('meter:M-1', %s) AS e"
        " WHERE e.happened_at = %s AND e.part <> 'entry'",
        [strange.ts, strange.ts],
    ).fetchall()
    assert told_of_it == [("withdrawn", 700, None, 0, made)]
    assert db.execute("SELECT v.* FROM ops.verify(%s) AS v", [STARTS - DAY]).fetchall() == []


def test_an_alert_that_wrong_readings_opened_is_closed(priced: Connection) -> None:
    db = priced
    made = []
    for day in (0, 1):
        meter, vehicle = charge("difference")
        meter, vehicle = (
            [one._replace(ts=one.ts + day * DAY) for one in ones] for ones in (meter, vehicle)
        )
        send(db, METER, meter[:30] + meter[31:])
        send(db, METER, [meter[30]._replace(mwh=420 * KWH)])
        send(db, VEHICLE, vehicle)
        made.append(meter[30].ts)
    settle_and_keep(db)
    assert open_alerts(db) == [("degraded", "open", None)]
    for ts in made:
        correct(db, METER, ts, 420_000)
    keep_as_the_service_does(db)
    assert open_alerts(db) == [("degraded", "closed", "corrected")]


def test_what_is_booked_is_of_hours_and_days_and_of_no_charge(priced: Connection) -> None:
    db = priced
    meter, vehicle = charge("difference")
    send(db, METER, meter)
    send(db, VEHICLE, vehicle)
    settle_and_keep(db)
    before = told(db)
    db.execute(
        "SELECT ops.book_energy('meter:M-1', tstzrange(%s, %s), 3, 'by the inspector''s meter')",
        [STARTS + MINUTE, STARTS + 2 * HOUR + MINUTE],
    )
    keep_as_the_service_does(db)
    found = told(db)
    assert found == before._replace(hours=Decimal("28.2"), day=Decimal("28.2"))
    hours = db.execute(
        "SELECT e.bucket, e.energy_kwh FROM bi.ledger_entry AS e"
        " WHERE e.reason = 'booking' ORDER BY e.bucket"
    ).fetchall()
    assert hours == [
        (STARTS, Decimal("1.475")),
        (STARTS + HOUR, Decimal("1.5")),
        (STARTS + 2 * HOUR, Decimal("0.025")),
    ]
