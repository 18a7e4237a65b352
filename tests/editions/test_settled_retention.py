"""What is dropped stays counted once, whatever comes of its device after, and holds up nobody."""

from __future__ import annotations

from datetime import timedelta

import psycopg
import pytest

from tests.editions.test_retention import DAY, NOON, maintain, retain
from tests.support.fold import Reading
from tests.support.ledger import (
    Device,
    let_settling_fail,
    let_settling_succeed,
    moment,
    new_device,
    send,
    settle,
)
from tests.support.readings import Connection

HOUR = timedelta(hours=1)
MINUTE = timedelta(minutes=1)
KWH = 10**6


@pytest.fixture(params=["meter", "vehicle"])
def device(request: pytest.FixtureRequest) -> Device:
    """A meter and a vehicle in turn."""
    return new_device(request.param)


def bill(db: Connection, device: Device) -> float:
    """All that the device's days hold, in kWh."""
    (kwh,) = db.execute(
        f"SELECT sum(d.energy_kwh)::float8 FROM bi.{device.side}_energy_daily AS d"
        f" WHERE d.{device.side}_id = %s",
        [device.device_id],
    ).fetchone() or (None,)
    assert isinstance(kwh, float)
    return kwh


def is_dropped_of(db: Connection, device: Device) -> bool:
    """Whether anything of its side is gone."""
    return db.execute(
        "SELECT d.complete_since > '-infinity' FROM telemetry.dataset AS d WHERE d.dataset = %s",
        [device.dataset],
    ).fetchone() == (True,)


def queued(db: Connection) -> list[tuple[str, str | None]]:
    return db.execute(
        "SELECT q.device_id, q.last_error FROM telemetry.settle_queue AS q"
    ).fetchall()


@pytest.mark.slow_on_webassembly
def test_late_readings_behind_what_was_dropped_leave_the_bill(
    db: Connection, device: Device
) -> None:
    last = NOON - 7 * DAY
    send(db, device, [Reading(NOON - 15 * DAY, 100 * KWH), Reading(last, 200 * KWH)])
    settle(db)
    maintain(db)
    # all of it flowed after these, and part of it is in hours that cannot be changed any more
    for keep, late in (("10 days", last - 5 * HOUR), ("8 days", last - 6 * HOUR)):
        retain(db, keep, (device.dataset,))
        maintain(db)
        assert is_dropped_of(db, device)
        assert bill(db, device) == 100
        assert send(db, device, [Reading(late, 100 * KWH)]) == []
        settle(db)
        maintain(db)
        assert bill(db, device) == 100
        assert db.execute("SELECT * FROM ops.verify()").fetchall() == []


@pytest.mark.slow_on_webassembly
def test_a_record_on_a_day_without_readings_outlives_what_was_dropped(
    db: Connection, device: Device
) -> None:
    corrected = new_device(device.side)
    for each in (device, corrected):
        start = NOON - 15 * DAY
        send(db, each, [Reading(start, 5000 * KWH), Reading(start + 2 * MINUTE, 5001 * KWH)])
    settle(db)
    maintain(db)
    retain(db, "12 days", (device.dataset,))
    maintain(db)
    assert is_dropped_of(db, device)
    at = NOON - 11 * DAY
    db.execute("SELECT ops.exchange_meter(%s, %s, 5002, 100, 'replaced')", [device.name, at])
    db.execute("SELECT ops.book_energy(%s, %s, 7, 'standby')", [corrected.name, moment(at)])
    settle(db)
    maintain(db)
    retain(db, "8 days", (device.dataset,))
    maintain(db)
    assert (bill(db, device), bill(db, corrected)) == (2, 8)
    back = NOON - DAY
    send(db, device, [Reading(back, 110 * KWH), Reading(back + MINUTE, 111 * KWH)])
    send(db, corrected, [Reading(back, 5002 * KWH), Reading(back + MINUTE, 5003 * KWH)])
    settle(db)
    maintain(db)
    assert (bill(db, device), bill(db, corrected)) == (13, 10)
    assert queued(db) == []
    assert db.execute("SELECT * FROM ops.verify()").fetchall() == []


def days_billed(db: Connection, device: Device) -> list[tuple[float | None, str]]:
    """Where the register stood at the end of each day that is billed, in kWh, and its state."""
    return db.execute(
        f"SELECT b.register_end_kwh::float8, b.state FROM bi.{device.side}_register_daily AS b"
        f" WHERE b.{device.side}_id = %s ORDER BY b.day",
        [device.device_id],
    ).fetchall()


@pytest.mark.slow_on_webassembly
@pytest.mark.parametrize("hands", ["ours", "others"])
def test_the_last_day_of_a_silent_device_is_settled_once_its_readings_are_gone(
    db: Connection, device: Device, hands: str
) -> None:
    send(db, device, [Reading(NOON - 15 * DAY + i * MINUTE, (100 + i) * KWH) for i in range(3)])
    settle(db)
    maintain(db)
    assert days_billed(db, device) == [(102, "provisional")]
    if hands == "ours":
        retain(db, "8 days", (device.dataset,))
    else:
        db.execute("SET ROLE wattledger_owner")
        db.execute(
            "SELECT public.drop_chunks(%s::regclass, older_than => %s)",
            [f"telemetry.{device.dataset}", NOON - 8 * DAY],
        )
        db.execute("RESET ROLE")
    maintain(db)
    assert is_dropped_of(db, device)
    assert days_billed(db, device)[0] == (102, "settled")
    # what comes flowed after what is billed
    send(db, device, [Reading(NOON - DAY, 110 * KWH)])
    settle(db)
    assert days_billed(db, device)[0] == (102, "settled")
    assert (bill(db, device), days_billed(db, device)[-1][0]) == (10, 110)


def test_the_last_day_of_a_device_is_settled_where_a_record_ends_it(
    db: Connection, device: Device
) -> None:
    send(db, device, [Reading(NOON - 15 * DAY + i * MINUTE, (100 + i) * KWH) for i in range(3)])
    settle(db)
    at = (NOON - 14 * DAY).replace(hour=0)
    record = "SELECT ops.exchange_meter(%s, %s, 102, 0, 'taken down')"
    db.execute(record, [device.name, at])
    settle(db)
    assert days_billed(db, device) == [(102, "settled"), (0, "provisional")]


@pytest.mark.slow_on_webassembly
def test_what_a_failing_device_is_settled_by_already_is_dropped(
    db: Connection, device: Device
) -> None:
    other = new_device(device.side)
    send(db, other, [Reading(NOON - age * DAY, age, "difference") for age in range(16, 3, -1)])
    send(db, device, [Reading(NOON - 15 * DAY, 100 * KWH), Reading(NOON - 13 * DAY, 110 * KWH)])
    settle(db)
    maintain(db)
    let_settling_fail(db, device.device_id)
    send(db, device, [Reading(NOON - 12 * DAY, 130 * KWH)])
    retain(db, "8 days", (device.dataset,))
    with pytest.raises(psycopg.Error, match=f"{device.device_id} .*it fails") as raised:
        maintain(db)
    assert raised.value.sqlstate == "WL025"
    oldest = f"SELECT min(r.ts) FROM telemetry.{device.dataset} AS r"
    assert db.execute(oldest).fetchone() == ((NOON - 13 * DAY).replace(hour=0),)
    db.execute("SET ROLE wattledger_dba")
    assert db.execute(
        "SELECT f.device, f.settled_through, f.last_error FROM ops.failing_devices AS f"
    ).fetchall() == [(device.name, (NOON - 14 * DAY).date(), "it fails")]
    db.execute("RESET ROLE")
    let_settling_succeed(db)
    db.execute("UPDATE telemetry.settle_queue SET retry_at = now()")
    settle(db)
    maintain(db)
    (kept,) = db.execute(oldest).fetchone() or (None,)
    assert kept > NOON - 12 * DAY
    assert bill(db, device) == 30
    assert db.execute("SELECT FROM ops.failing_devices").fetchall() == []
    assert db.execute("SELECT * FROM ops.verify()").fetchall() == []


@pytest.mark.slow_on_webassembly
def test_a_device_that_cannot_be_settled_keeps_what_it_is_settled_by(db: Connection) -> None:
    failing, vehicle = new_device(), new_device("vehicle")
    for each in (failing, vehicle):
        send(db, each, [Reading(NOON - 15 * DAY, KWH)])
    let_settling_fail(db, failing.device_id)
    retain(db, "8 days")
    with pytest.raises(psycopg.Error, match=f"{failing.device_id} .*it fails") as raised:
        maintain(db)
    assert raised.value.sqlstate == "WL025"
    left = "SELECT r.meter_id FROM telemetry.meter_reading AS r"
    assert db.execute(left).fetchall() == [(failing.device_id,)]
    assert db.execute("SELECT FROM telemetry.vehicle_reading").fetchall() == []
    let_settling_succeed(db)
    # it is tried again after a minute, and drops go on when that is done
    settle(db)
    assert {error for _, error in queued(db)} == {"it fails"}
    db.execute("UPDATE telemetry.settle_queue SET retry_at = now()")
    settle(db)
    maintain(db)
    assert queued(db) == []
    assert db.execute(left).fetchall() == []


@pytest.mark.slow_on_webassembly
def test_a_device_whose_readings_went_by_other_hands_holds_up_no_drop(
    db: Connection, device: Device
) -> None:
    db.execute("SELECT ops.set_chunk_interval(%s, INTERVAL '6 hours')", [device.dataset])
    other = new_device(device.side)
    early = NOON - 11 * HOUR
    send(db, other, [Reading(early - age * DAY, KWH) for age in range(16, 3, -1)])
    # in the day's second chunk, of which none stays
    gone = early + 6 * HOUR - 14 * DAY
    send(db, device, [Reading(gone, KWH), Reading(gone + HOUR, 2 * KWH)])
    settle(db)
    maintain(db)
    morning = early.replace(hour=6) - 14 * DAY
    db.execute("SET ROLE wattledger_owner")
    db.execute(
        "SELECT public.drop_chunks(%s::regclass, older_than => %s, newer_than => %s)",
        [f"telemetry.{device.dataset}", morning + 6 * HOUR, morning],
    )
    db.execute("RESET ROLE")
    retain(db, "8 days", (device.dataset,))
    steps = drop(db, device.dataset)
    assert steps.count("dropped") >= 6
    kept, since = db.execute(
        f"SELECT min(r.ts), min(d.accepted_since) FROM telemetry.{device.dataset} AS r"
        " INNER JOIN telemetry.dataset AS d ON d.dataset = %s",
        [device.dataset],
    ).fetchone() or (None, None)
    assert kept == min(ts for age in range(16, 3, -1) if (ts := early - age * DAY) >= since)


def drop(db: Connection, dataset: str) -> list[str]:
    """Drop step by step, as the upkeep does, which would go on where this does not end."""
    steps = list[str]()
    while len(steps) < 40:
        step, since, until = db.execute(
            "SELECT n.step, n.since, n.chunk_end FROM telemetry.drop_next(%s) AS n", [dataset]
        ).fetchone() or (None, None, None)
        if step is None:
            return steps
        steps.append(step)
        if step == "refresh":
            db.execute("CALL telemetry.refresh_above(%s, %s, %s)", [dataset, since, until])
    raise AssertionError(steps)
