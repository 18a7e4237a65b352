"""What a reading should have reported, as records say it: the last word holds."""

from __future__ import annotations

import threading
from datetime import datetime, timedelta
from decimal import Decimal

import psycopg
import pytest

from tests.support.fold import Correction, Reading, Record
from tests.support.ledger import START, Device, check, correct, new_device, send, settle
from tests.support.readings import Connection

MINUTE = timedelta(minutes=1)
NOON = START + timedelta(hours=12)
KWH = 10**6


def minutely(*levels: float) -> list[Reading]:
    return [Reading(NOON + i * MINUTE, round(level * KWH)) for i, level in enumerate(levels)]


def cancel(db: Connection, record_id: int) -> None:
    db.execute("SELECT ops.cancel_record(%s, 'a test')", [record_id])


def checked(
    db: Connection, device: Device, sent: list[Reading], *made: Record
) -> dict[datetime, int]:
    """Its hours, once settled, which are those of the plain fold."""
    settle(db)
    return check(db, device, sent, made).hours


def test_the_last_correction_holds_and_cancelled_ones_do_not(
    db: Connection, device: Device
) -> None:
    sent = minutely(500, 507, 502, 503)
    send(db, device, sent)
    at = sent[1].ts
    assert checked(db, device, sent) == {NOON: 8 * KWH}
    first = correct(db, device, at, 501 * KWH)
    assert checked(db, device, sent, Correction(at, 501 * KWH)) == {NOON: 3 * KWH}
    second = correct(db, device, at, None)
    checked(db, device, sent, Correction(at, None))
    states = "SELECT r.record_id, r.state FROM bi.ledger_record AS r WHERE r.record_id = ANY (%s)"
    told = dict(db.execute(states, [[first, second]]).fetchall())
    assert told == {first: "replaced", second: "stands"}
    cancel(db, second)
    checked(db, device, sent, Correction(at, 501 * KWH))
    cancel(db, first)
    assert checked(db, device, sent) == {NOON: 8 * KWH}
    told = dict(db.execute(states, [[first, second]]).fetchall())
    assert told == {first: "cancelled", second: "cancelled"}


@pytest.mark.parametrize("kind", ["difference", "lifetime_register"])
def test_the_next_reading_is_placed_from_before_one_that_was_taken_back(
    db: Connection, device: Device, kind: str
) -> None:
    # arrival would see but a minute of the same hour
    times = [NOON - 40 * MINUTE, NOON + 30 * MINUTE, NOON + 31 * MINUTE]
    energies = [0, KWH, 2 * KWH] if kind == "difference" else [100 * KWH, 101 * KWH, 103 * KWH]
    sent = [
        Reading(ts, mwh, kind)  # type: ignore[arg-type]
        for ts, mwh in zip(times, energies, strict=True)
    ]
    send(db, device, sent[:2])
    settle(db)
    correct(db, device, sent[1].ts, None)
    settle(db)
    send(db, device, sent[2:])
    hours = checked(db, device, sent, Correction(sent[1].ts, None))
    assert set(hours) == {NOON - 60 * MINUTE, NOON}
    assert correct(db, device, sent[1].ts, sent[1].mwh)
    checked(db, device, sent)


def test_the_newest_reading_is_shown_as_it_should_have_been(db: Connection, device: Device) -> None:
    sent = [Reading(NOON, 0, "difference"), Reading(NOON + MINUTE, 5 * KWH, "difference")]
    send(db, device, sent)
    shown = f"SELECT s.kind, s.energy_kwh FROM api.{device.side}_state(%s) AS s"
    for value, expected in ((KWH // 2, Decimal("0.5")), (None, 0)):
        correct(db, device, sent[1].ts, value)
        told = db.execute(shown, [device.device_id]).fetchall()
        assert told == [("difference", expected)]
    send(db, device, [Reading(NOON + 2 * MINUTE, KWH, "difference")])
    assert db.execute(shown, [device.device_id]).fetchall() == [("difference", 1)]


def test_a_reading_that_is_sent_again_stays_corrected(db: Connection, device: Device) -> None:
    sent = minutely(500, 507)
    send(db, device, sent)
    correct(db, device, sent[1].ts, 501 * KWH)
    assert {one.outcome for one in send(db, device, sent)} == {"duplicate"}
    checked(db, device, sent, Correction(sent[1].ts, 501 * KWH))
    # what it should have sent is not what it sent
    (answer,) = send(db, device, [sent[1]._replace(mwh=501 * KWH)])
    assert answer.outcome == "conflict"


@pytest.mark.parametrize(
    ("at", "value", "reason", "code"),
    [
        (NOON, "1e10", "why", "WL026"),
        (NOON, "-1", "why", "WL026"),
        (NOON, "NaN", "why", "WL026"),
        (NOON, "1", "", "WL026"),
        (NOON, "1", None, "WL026"),
        (None, "1", "why", "WL026"),
        (NOON - timedelta(days=100), "1", "why", "WL026"),
        (NOON + timedelta(microseconds=1), "1", "why", "WL027"),
        (NOON + timedelta(microseconds=1), None, "why", "WL027"),
    ],
)
def test_what_no_reading_can_have_reported_is_refused(
    db: Connection, at: datetime | None, value: str | None, reason: str | None, code: str
) -> None:
    meter = new_device()
    send(db, meter, minutely(1))
    with pytest.raises(psycopg.Error) as raised:
        db.execute(
            "SELECT ops.correct_reading(%s, %s, %s::numeric, %s)", [meter.name, at, value, reason]
        )
    assert raised.value.sqlstate == code
    assert raised.value.diag.message_hint


def test_the_bounds_of_a_difference_are_others_than_those_of_a_register(
    db: Connection, device: Device
) -> None:
    sent = [Reading(NOON, 0, "difference"), Reading(NOON + MINUTE, 500 * KWH)]
    send(db, device, sent)
    (most,) = db.execute(
        "SELECT l.maximum FROM telemetry.limits AS l"
        " WHERE l.dataset = %s AND l.field = 'energy_kwh'",
        [device.dataset],
    ).fetchone() or (0,)
    correct(db, device, sent[1].ts, round(most + 1) * KWH)
    with pytest.raises(psycopg.Error, match="no value of a reading"):
        correct(db, device, sent[0].ts, round(most + 1) * KWH)


@pytest.mark.parametrize("where", ["server"], indirect=True, scope="module")
def test_corrections_beside_writers_and_settlers_come_to_the_last_word(
    url: str, db: Connection, device: Device
) -> None:
    sent = minutely(*(500 + minute / 10 for minute in range(60)))
    send(db, device, sent[:20])
    at = sent[10].ts
    failures: list[BaseException] = []

    def work(values: list[float | None], readings: list[Reading]) -> None:
        try:
            with psycopg.connect(url, autocommit=True) as session:
                for value, one in zip(values, readings, strict=True):
                    send(session, device, [one])
                    correct(session, device, at, None if value is None else round(value * KWH))
                    session.execute("SELECT api.settle(10)")
        except BaseException as error:
            failures.append(error)

    values: list[float | None] = [501.1, None, 500.95, 920, 0] * 4
    threads = [
        threading.Thread(target=work, args=(values, readings))
        for readings in (sent[20:40], sent[40:])
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    (last,) = db.execute(
        "SELECT c.value_mwh FROM telemetry.corrected_reading AS c WHERE c.device_id = %s",
        [device.device_id],
    ).fetchone() or (0,)
    checked(db, device, sent, Correction(at, last))
    made = db.execute(
        "SELECT count(*) FROM bi.ledger_record AS r WHERE r.device_id = %s", [device.device_id]
    )
    assert made.fetchone() == (40,)
