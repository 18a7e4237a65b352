"""What DBAs say of devices is judged with their readings, and can be taken back."""

from __future__ import annotations

from datetime import timedelta

import psycopg
import pytest

from tests.support.fold import Booking, Exchange, Reading, Rules
from tests.support.ledger import START, Device, check, moment, new_device, send, settle
from tests.support.readings import NOW, Connection

MINUTE = timedelta(minutes=1)
NOON = START + timedelta(hours=12)
KWH = 10**6


def minutely(*levels: float) -> list[Reading]:
    return [Reading(NOON + i * MINUTE, round(level * KWH)) for i, level in enumerate(levels)]


def record(db: Connection, call: str, *values: object) -> int:
    """Make a record as a DBA does; return its id."""
    (record_id,) = db.execute(f"SELECT ops.{call}", values).fetchone() or (None,)
    assert isinstance(record_id, int)
    settle(db)
    return record_id


def states(db: Connection, device: Device) -> list[tuple[str, str]]:
    return db.execute(
        "SELECT e.event, e.state FROM bi.register_event AS e"
        " WHERE e.side = %s AND e.device_id = %s ORDER BY e.happened_at",
        [device.side, device.device_id],
    ).fetchall()


def test_an_exchange_counts_what_the_old_register_still_had(db: Connection, device: Device) -> None:
    sent = minutely(500, 500.5, 3, 3.4)
    send(db, device, sent)
    settle(db)
    assert states(db, device) == [("reset", "provisional")]
    at = NOON + 1.5 * MINUTE
    record(db, "exchange_meter(%s, %s, 500.7, 2.9, 'replaced')", device.name, at)
    folded = check(db, device, sent, [Exchange(at, 500_700_000, 2_900_000)])
    assert folded.hours == {NOON: round(1.2 * KWH)}
    assert states(db, device) == [("exchange", "settled")]


def test_an_exchange_at_a_readings_time_comes_before_it(db: Connection, device: Device) -> None:
    sent = minutely(500, 3, 3.4)
    send(db, device, sent)
    at = NOON + MINUTE
    record(db, "exchange_meter(%s, %s, 500.2, 2.5, 'replaced')", device.name, at)
    folded = check(db, device, sent, [Exchange(at, 500_200_000, 2_500_000)])
    assert folded.hours == {NOON: round(1.1 * KWH)}


def test_an_exchange_before_all_readings_makes_the_first_one_count(
    db: Connection, device: Device
) -> None:
    at = NOON - MINUTE
    sent = minutely(0.4, 0.5)
    send(db, device, sent)
    record(db, "exchange_meter(%s, %s, 0, 0, 'new')", device.name, at)
    folded = check(db, device, sent, [Exchange(at, 0, 0)])
    assert sum(folded.hours.values()) == round(0.5 * KWH)


def test_a_correction_is_energy_of_its_hour_and_leaves_the_register(
    db: Connection, device: Device
) -> None:
    sent = minutely(500, 500.5)
    send(db, device, sent)
    at = NOON + timedelta(hours=3)
    record(db, "book_energy(%s, %s, -0.2, 'a meter beside')", device.name, moment(at))
    check(db, device, sent, [Booking(at, -200_000)])
    bill = db.execute(
        "SELECT b.energy_kwh, b.corrected_kwh, b.register_end_kwh"
        f" FROM bi.{device.side}_register_daily AS b WHERE b.{device.side}_id = %s",
        [device.device_id],
    ).fetchall()
    assert [tuple(map(float, row)) for row in bill] == [(0.3, -0.2, 500.5)]


def test_a_correction_may_be_of_a_time_before_all_readings(db: Connection, device: Device) -> None:
    sent = minutely(500, 500.5)
    send(db, device, sent)
    at = NOON - timedelta(days=2)
    record(db, "book_energy(%s, %s, 4, 'the meter came late')", device.name, moment(at))
    check(db, device, sent, [Booking(at, 4 * KWH)])


def test_a_jump_is_open_until_it_is_booked(db: Connection, device: Device) -> None:
    sent = minutely(100, 1010, 1010.5, 1011.5)
    send(db, device, sent)
    settle(db)
    check(db, device, sent)
    assert states(db, device) == [("jump", "open")]
    at = sent[1].ts
    booked = record(
        db, "resolve_register_event(%s, %s, 'book', 'as the site says', 12.5)", device.name, at
    )
    check(db, device, sent, [Booking(at, 12_500_000, sent[0].ts)])
    assert states(db, device) == [("jump", "settled")]
    record(db, "cancel_record(%s, 'of another site')", booked)
    check(db, device, sent)
    assert states(db, device) == [("jump", "open")]


def test_a_reset_is_open_until_it_is_dismissed(db: Connection, device: Device) -> None:
    sent = minutely(532, 264.9, 265.2, 266.2)
    send(db, device, sent)
    settle(db)
    # as a DBA finds what to dismiss
    db.execute("SET ROLE wattledger_dba")
    assert states(db, device) == [("reset", "open")]
    db.execute("RESET ROLE")
    dismissed = record(
        db, "resolve_register_event(%s, %s, 'dismiss', 'nothing flowed')", device.name, sent[1].ts
    )
    check(db, device, sent)
    assert states(db, device) == [("reset", "settled")]
    record(db, "cancel_record(%s, 'something did')", dismissed)
    assert states(db, device) == [("reset", "open")]


def test_a_jump_books_by_default_what_its_register_rose_by(db: Connection, device: Device) -> None:
    sent = [Reading(NOON, 100 * KWH), *minutely(1010, 1010.5, 1011.5)]
    sent[1:] = [one._replace(ts=one.ts + 90 * MINUTE) for one in sent[1:]]
    send(db, device, sent)
    settle(db)
    at = sent[1].ts
    made = record(db, "resolve_register_event(%s, %s, 'book', 'it was offline')", device.name, at)
    # in the hours since the reading before it
    folded = check(db, device, sent, [Booking(at, 910 * KWH, NOON)])
    assert sorted(folded.hours) == [NOON, NOON + timedelta(hours=1)]
    with pytest.raises(psycopg.Error, match="has resolved that event") as raised:
        record(db, "resolve_register_event(%s, %s, 'dismiss', 'none')", device.name, at)
    assert raised.value.sqlstate == "WL026"
    record(db, "cancel_record(%s, 'it was not')", made)
    record(db, "resolve_register_event(%s, %s, 'dismiss', 'none')", device.name, at)
    check(db, device, sent)


@pytest.mark.parametrize(
    ("resolution", "kwh", "message"),
    [
        ("book", None, "nobody knows what flowed before a reset"),
        ("book", "NaN", "cannot be recorded"),
        ("dismiss", 1, "books no energy"),
        ("ignore", None, "by book or dismiss"),
        (None, None, "by book or dismiss"),
    ],
)
def test_a_reset_is_resolved_by_what_somebody_knows(
    db: Connection, resolution: str | None, kwh: object, message: str
) -> None:
    meter = new_device()
    sent = minutely(532, 264.9, 265.2, 266.2)
    send(db, meter, sent)
    settle(db)
    with pytest.raises(psycopg.Error, match=message) as raised:
        db.execute(
            "SELECT ops.resolve_register_event(%s, %s, %s, 'why', %s)",
            [meter.name, sent[1].ts, resolution, kwh],
        )
    assert raised.value.sqlstate == "WL026"


def test_a_cancelled_exchange_was_none(db: Connection, device: Device) -> None:
    sent = minutely(500, 500.5, 501.5)
    send(db, device, sent)
    made = record(
        db, "exchange_meter(%s, %s, 500, 2.9, 'mistaken')", device.name, NOON + 0.5 * MINUTE
    )
    assert states(db, device) == [("exchange", "settled"), ("jump", "open")]
    record(db, "cancel_record(%s, 'the one next to it')", made)
    check(db, device, sent)
    assert states(db, device) == []


def test_what_was_recorded_stays_in_the_list(db: Connection) -> None:
    meter = new_device()
    send(db, meter, minutely(1))
    made = record(db, "book_energy(%s, %s, 4, 'a guess')", meter.name, moment(NOON))
    cancelled = record(db, "cancel_record(%s, 'no guesses')", made)
    rows = db.execute(
        "SELECT r.record_id, r.record, r.side, r.energy_kwh, r.reason, r.state, r.cancels,"
        " r.cancelled_by, r.made_by = session_user"
        " FROM bi.ledger_record AS r WHERE r.device_id = %s ORDER BY 1",
        [meter.device_id],
    ).fetchall()
    assert rows == [
        (made, "booking", "meter", 4, "a guess", "cancelled", None, cancelled, True),
        (cancelled, "cancellation", "meter", None, "no guesses", "stands", made, None, True),
    ]


@pytest.mark.parametrize(
    ("call", "code"),
    [
        ("exchange_meter('M-1', %(noon)s, 1, 1, 'why')", "WL026"),
        ("exchange_meter('meter:', %(noon)s, 1, 1, 'why')", "WL026"),
        ("exchange_meter(NULL, %(noon)s, 1, 1, 'why')", "WL026"),
        ("exchange_meter('meter:M-1', NULL, 1, 1, 'why')", "WL026"),
        ("exchange_meter('meter:M-1', %(noon)s, NULL, 1, 'why')", "WL026"),
        ("exchange_meter('meter:M-1', %(noon)s, -1, 1, 'why')", "WL026"),
        ("exchange_meter('meter:M-1', %(noon)s, 1, 1, '')", "WL026"),
        ("exchange_meter('meter:M-1', %(noon)s, 1, 1, NULL)", "WL026"),
        ("exchange_meter('meter:M-1', %(noon)s, 1e300, 1, 'why')", "WL026"),
        ("book_energy('meter:M-1', tstzrange(%(noon)s, %(noon)s, '[]'), 'NaN', 'why')", "WL026"),
        ("book_energy('meter:M-1', tstzrange(%(noon)s, %(noon)s, '[]'), NULL, 'why')", "WL026"),
        (
            "book_energy('meter:M-1', tstzrange(%(tomorrow)s, %(tomorrow)s, '[]'), 1, 'why')",
            "WL026",
        ),
        ("book_energy('meter:M-1', tstzrange(%(gone)s, %(gone)s, '[]'), 1, 'why')", "WL026"),
        ("exchange_meter('meter:M-2', %(noon)s, 1, 1, 'misspelt')", "WL027"),
        ("book_energy('vehicle:M-1', tstzrange(%(noon)s, %(noon)s, '[]'), 1, 'why')", "WL027"),
        ("resolve_register_event('meter:M-1', %(noon)s, 'dismiss', 'why')", "WL027"),
        ("cancel_record(0, 'why')", "WL027"),
        ("cancel_record(NULL, 'why')", "WL027"),
        ("set_device_rules('M-1')", "WL026"),
        ("set_device_rules('meter:M-1', step => '0')", "WL020"),
        ("set_device_rules('meter:M-1', max_power_kw => -1)", "WL020"),
        ("set_device_rules('meter:M-1', width_kwh => 'NaN')", "WL020"),
    ],
)
def test_what_cannot_be_kept_is_refused(db: Connection, call: str, code: str) -> None:
    times = {
        "noon": NOON,
        "tomorrow": NOW + timedelta(days=1),
        "gone": NOW - timedelta(days=100),
    }
    send(db, Device("meter", "M-1"), minutely(1))
    with pytest.raises(psycopg.Error) as raised:
        db.execute(f"SELECT ops.{call}", times)
    assert raised.value.sqlstate == code
    kept = db.execute("SELECT * FROM bi.ledger_record AS r WHERE r.device_id = 'M-1'")
    assert kept.fetchall() == []


def test_a_record_is_cancelled_once_and_its_cancellation_never(db: Connection) -> None:
    meter = new_device()
    send(db, meter, minutely(1))
    made = record(db, "book_energy(%s, %s, 4, 'why')", meter.name, moment(NOON))
    cancelled = record(db, "cancel_record(%s, 'why')", made)
    for record_id, code in ((made, "WL026"), (cancelled, "WL027")):
        with pytest.raises(psycopg.Error) as raised:
            db.execute("SELECT ops.cancel_record(%s, 'again')", [record_id])
        assert raised.value.sqlstate == code


def test_settings_of_a_device_hold_for_what_it_has_sent(db: Connection, device: Device) -> None:
    sent = minutely(99.9, 0.1, 0.6, 1.2)
    send(db, device, sent)
    settle(db)
    check(db, device, sent)
    db.execute("SELECT ops.set_device_rules(%s, width_kwh => 100)", [device.name])
    settle(db)
    folded = check(db, device, sent, rules=Rules(widths=[100 * KWH]))
    assert [event.event for event in folded.events] == ["rollover"]
    # what is not said goes back to what holds for all
    db.execute("SELECT ops.set_device_rules(%s)", [device.name])
    settle(db)
    check(db, device, sent)
    rows = db.execute("SELECT * FROM ops.device_rules AS s WHERE s.device = %s", [device.name])
    assert rows.fetchall() == []


def test_the_greatest_power_of_a_device_holds_at_the_door(db: Connection, device: Device) -> None:
    send(db, device, [Reading(NOON, 0, "difference")])
    db.execute(
        "SELECT ops.set_device_rules(%s, max_power_kw => 60, tolerance_kwh => 0.5)", [device.name]
    )
    refused = send(db, device, [Reading(NOON + MINUTE, 1_500_001, "difference")])
    assert [answer.outcome for answer in refused] == ["out_of_range"]
    assert send(db, device, [Reading(NOON + MINUTE, 1_500_000, "difference")]) == []
