"""Settling brings each device in line soon, whatever else waits, and answers do not wait for it."""

from __future__ import annotations

from datetime import timedelta

import pytest

from tests.support.fold import HOUR, Reading
from tests.support.ledger import START, Device, events, hours, send, settle
from tests.support.readings import NOW, Connection

MINUTE = timedelta(minutes=1)
DAY = timedelta(days=1)
NOON = START + timedelta(hours=12)
KWH = 10**6


def test_a_register_that_starts_anew_in_a_long_silence_has_not_rolled_over(
    db: Connection, device: Device
) -> None:
    levels = [(NOON - 10 * DAY, 5001.0), (NOON, 110.0), (NOON + MINUTE, 111.5)]
    send(db, device, [Reading(ts, round(level * KWH)) for ts, level in levels])
    settle(db)
    assert [(event.ts, event.event, event.booked) for event in events(db, device)] == [
        (NOON, "reset", 0)
    ]
    assert hours(db, device) == {NOON: round(1.5 * KWH)}


def test_what_settling_puts_into_the_day_before_is_provisional_there(
    db: Connection, device: Device
) -> None:
    send(db, device, [Reading(NOON + 8 * HOUR, 10 * KWH)])
    settle(db)
    # 16 hours over midnight, half of them before it
    send(db, device, [Reading(NOON + 24 * HOUR, 42 * KWH)])
    ask = (
        "SELECT e.energy_mwh, e.provisional_mwh, e.settled_until"
        f" FROM telemetry.{device.side}_energy(%s, %s, %s, '-infinity') AS e"
    )
    window = [device.device_id, NOON + 8 * HOUR, NOON + 12 * HOUR]
    assert db.execute(ask, window).fetchone() == (8 * KWH, 8 * KWH, NOON + 8 * HOUR)
    settle(db)
    assert db.execute(ask, window).fetchone() == (8 * KWH, 0, None)


@pytest.mark.slow_on_webassembly
def test_a_difference_is_placed_in_no_more_than_a_month(db: Connection, device: Device) -> None:
    # a tenth of a kWh in each hour of the 31 days that register_rules.from_within allows
    sent = Reading(NOON, round(74.4 * KWH), "difference", NOON - 40 * DAY)
    assert send(db, device, [sent]) == []
    settle(db)
    placed = hours(db, device)
    assert (min(placed), len(placed)) == (NOON - 31 * DAY, 31 * 24)
    assert set(placed.values()) == {KWH // 10}


@pytest.mark.slow_on_webassembly
def test_a_backlog_of_an_old_day_and_today_both_go_on(db: Connection) -> None:
    settle(db)
    days = {"old": START.date(), "today": NOW.date()}
    for name, day in days.items():
        db.execute(
            "INSERT INTO telemetry.meter_reading (meter_id, ts, energy_mwh)"
            " SELECT %s || n, %s::timestamptz, 1 FROM generate_series(1, 150) AS n",
            [name, START],
        )
        db.execute(
            "UPDATE telemetry.settle_queue AS q SET day = %s, due_at = now() - %s * INTERVAL '1 h'"
            " WHERE q.device_id LIKE %s || '%%'",
            [day, 2 if name == "old" else 1, name],
        )
    db.execute("SELECT setseed(0.5)")
    for _ in range(12):
        assert db.execute("SELECT s.settled > 0 FROM api.settle(10) AS s").fetchone() == (True,)
    left = dict(db.execute("SELECT q.day, count(*) FROM telemetry.settle_queue AS q GROUP BY 1"))
    assert all(0 < left[day] < 150 for day in days.values()), left
    settle(db)


def test_a_window_without_readings_has_what_is_not_settled_yet(
    db: Connection, device: Device
) -> None:
    sent = [Reading(NOON, 100 * KWH), Reading(NOON + 5 * HOUR + 20 * MINUTE, 110 * KWH)]
    send(db, device, sent)
    for _ in range(2):
        energy = db.execute(
            "SELECT e.energy_mwh FROM"
            f" telemetry.{device.side}_energy(%s, %s, %s, '-infinity') AS e",
            [device.device_id, NOON + 2 * HOUR, NOON + 3 * HOUR],
        ).fetchone()
        assert energy == (1_875_000,)
        settle(db)


def test_what_was_just_settled_does_not_wait(db: Connection, device: Device) -> None:
    settle(db)
    send(db, device, [Reading(NOON, 100 * KWH), Reading(NOON + 2 * HOUR, 110 * KWH)])
    due = db.execute(
        "SELECT count(*) FROM telemetry.settle_queue AS q WHERE q.due_at <= now()"
    ).fetchone()
    assert due == (1,)
    assert db.execute("SELECT s.settled, s.waiting FROM api.settle() AS s").fetchone() == (1, 0)


def test_late_readings_of_a_moment_are_settled_together(db: Connection, device: Device) -> None:
    settle(db)
    call = "SELECT s.settled, s.waiting FROM api.settle(queued_for => INTERVAL '1 hour') AS s"
    ask = (
        "SELECT e.energy_mwh, e.provisional_mwh"
        f" FROM telemetry.{device.side}_energy(%s, %s, %s, '-infinity') AS e"
    )
    window = [device.device_id, NOON, NOON + HOUR]
    send(db, device, [Reading(NOON, 100 * KWH), Reading(NOON + 2 * HOUR, 110 * KWH)])
    assert db.execute(call).fetchone() == (0, 0)
    assert db.execute(ask, window).fetchone() == (5 * KWH, 5 * KWH)
    earlier = "UPDATE telemetry.settle_queue SET due_at = due_at - %(past)s, changed_at = due_at"
    db.execute(earlier, {"past": timedelta(hours=9)})
    # a day before yesterday may have more to come
    assert db.execute(call).fetchone() == (0, 0)
    db.execute(earlier, {"past": timedelta(hours=51)})
    # what comes later does not put it off for ever
    send(db, device, [Reading(NOON + HOUR, 107 * KWH)])
    assert db.execute(ask, window).fetchone() == (7 * KWH, 7 * KWH)
    assert db.execute(call).fetchone() == (1, 0)
    assert db.execute(ask, window).fetchone() == (7 * KWH, 0)


def test_a_repeat_beside_a_reading_that_is_refused_is_a_duplicate(
    db: Connection, device: Device
) -> None:
    send(db, device, [Reading(NOON, KWH, "difference")])
    # more than a minute's, which lies between no reading and itself
    again = Reading(NOON + 10 * MINUTE, 20 * KWH, "difference")
    too_much = Reading(NOON + 11 * MINUTE, 163 * KWH, "difference")
    answers = send(db, device, [again, again, too_much])
    assert [(answer.index, answer.outcome) for answer in answers] == [
        (1, "duplicate"),
        (2, "out_of_range"),
    ]
