"""Energy is counted in the hours in which it flowed, as a person would reckon it by hand."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from tests.support.fold import Exchange, Kind, Reading, Rules, fold
from tests.support.ledger import START, Device, check, hours, new_device, send, settle
from tests.support.readings import Connection

MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
KWH = 10**6
KINDS: list[Kind] = ["difference", "lifetime_register"]


def reported(kind: Kind, times: list[datetime], each: int) -> list[Reading]:
    """A device that counts so much per reading: as differences, or as the level of a register."""
    if kind == "difference":
        return [Reading(ts, each, kind) for ts in times]
    return [Reading(ts, 700 * KWH + i * each, kind) for i, ts in enumerate(times)]


def every(step: timedelta, since: datetime, count: int) -> list[datetime]:
    return [since + i * step for i in range(count)]


def daily(db: Connection, device: Device) -> dict[datetime, int]:
    rows = db.execute(
        f"SELECT d.bucket, d.energy_mwh FROM bi.{device.side}_energy_daily AS d"
        f" WHERE d.{device.side}_id = %s AND d.energy_mwh <> 0",
        [device.device_id],
    )
    return dict(rows.fetchall())


@pytest.mark.parametrize("kind", KINDS)
def test_a_quarter_of_an_hour_that_ends_at_midnight_belongs_to_the_day_before(
    db: Connection, device: Device, kind: Kind
) -> None:
    # the first one is a baseline, or a difference of one minute that ends where it is counted
    sent = reported(kind, every(15 * MINUTE, START + DAY - HOUR, 9), KWH // 4)
    send(db, device, sent)
    settle(db)
    check(db, device, sent)
    first = KWH // 4 if kind == "difference" else 0
    assert hours(db, device) == {START + DAY - HOUR: KWH + first, START + DAY: KWH}
    assert daily(db, device) == {START: KWH + first, START + DAY: KWH}


@pytest.mark.parametrize("kind", KINDS)
def test_an_hour_that_ends_at_the_full_hour_belongs_to_the_hour_before(
    db: Connection, device: Device, kind: Kind
) -> None:
    sent = reported(kind, every(HOUR, START + 22 * HOUR, 4), 2 * KWH)
    send(db, device, sent)
    settle(db)
    check(db, device, sent)
    found = hours(db, device)
    assert [found[START + hour * HOUR] for hour in (23, 24)] == [2 * KWH, 2 * KWH]
    assert START + 25 * HOUR not in found


@pytest.mark.parametrize("kind", KINDS)
def test_a_night_offline_is_spread_over_the_night(
    db: Connection, device: Device, kind: Kind
) -> None:
    evening, morning = START + 21.5 * HOUR, START + 31.5 * HOUR
    sent = reported(kind, [evening, morning], 60 * KWH)
    send(db, device, sent[:1])
    send(db, device, sent[1:])
    settle(db)
    folded = check(db, device, sent)
    night = {hour: mwh for hour, mwh in folded.cut_hours.items() if mwh}
    assert set(night) == {START + hour * HOUR for hour in range(21, 32)}
    assert night[START + 21 * HOUR] == 3 * KWH
    assert all(night[START + hour * HOUR] == 6 * KWH for hour in range(22, 31))
    assert night[START + 31 * HOUR] == 3 * KWH


def test_a_vehicle_that_slept_charged_in_the_minute_that_it_reports(db: Connection) -> None:
    vehicle = new_device("vehicle")
    sent = reported("difference", [START + 10 * HOUR, START + 30 * HOUR], 180_000)
    send(db, vehicle, sent)
    settle(db)
    check(db, vehicle, sent)
    assert hours(db, vehicle) == {START + 10 * HOUR: 180_000, START + 30 * HOUR: 180_000}


@pytest.mark.parametrize(
    ("gap", "hours_of_gap"),
    [(90 * MINUTE, [11, 12]), (90 * MINUTE + timedelta(microseconds=1), [12])],
)
def test_a_difference_explains_a_gap_of_ninety_minutes_and_no_longer_one(
    db: Connection, gap: timedelta, hours_of_gap: list[int]
) -> None:
    meter = new_device()
    last = START + 13 * HOUR - MINUTE
    sent = [Reading(last - gap, 0, "difference"), Reading(last, 600_000, "difference")]
    send(db, meter, sent)
    settle(db)
    check(db, meter, sent)
    assert set(hours(db, meter)) == {START + hour * HOUR for hour in hours_of_gap}


def test_a_device_with_a_step_of_its_own_explains_one_and_a_half(db: Connection) -> None:
    meter = new_device()
    db.execute("SELECT ops.set_device_rules(%s, step => '2 hours')", [meter.name])
    rules = Rules(step=2 * HOUR)
    times = [START + 2 * HOUR, START + 5 * HOUR, START + 20 * HOUR]
    sent = reported("difference", times, KWH)
    send(db, meter, sent)
    settle(db)
    check(db, meter, sent, rules=rules)
    found = hours(db, meter)
    # the first and the last explain one step, the second its whole gap of three hours
    assert [found.get(START + hour * HOUR, 0) for hour in (0, 1)] == [KWH // 2, KWH // 2]
    assert [found[START + hour * HOUR] for hour in (2, 3, 4)] == [333_333, 333_333, 333_334]
    assert [found[START + hour * HOUR] for hour in (18, 19)] == [KWH // 2, KWH // 2]


@pytest.mark.parametrize(
    ("seconds", "in_hour_before"), [(150, 0), (151, KWH * 141 // 151), (149, 0)]
)
@pytest.mark.parametrize("kind", KINDS)
def test_an_interval_is_cut_from_more_than_150_seconds_on(
    db: Connection, kind: Kind, seconds: int, in_hour_before: int
) -> None:
    meter = new_device()
    last = START + 12 * HOUR + timedelta(seconds=10)
    sent = reported(kind, [last - timedelta(seconds=seconds), last], KWH)
    send(db, meter, sent)
    settle(db)
    folded = check(db, meter, sent)
    assert folded.cut_hours.get(START + 11 * HOUR, 0) == in_hour_before
    assert hours(db, meter, "apportioned_mwh").get(START + 11 * HOUR, 0) == in_hour_before


def test_an_interval_starts_where_the_device_says(db: Connection, device: Device) -> None:
    sent = [
        Reading(START + 8 * HOUR, KWH, "difference"),
        Reading(START + 12 * HOUR, KWH, "difference", start=START + 10 * HOUR),
    ]
    send(db, device, sent)
    settle(db)
    check(db, device, sent)
    found = hours(db, device)
    assert found == {
        START + hour * HOUR: mwh for hour, mwh in ((8, KWH), (10, KWH // 2), (11, KWH // 2))
    }


def test_an_interval_that_starts_too_early_is_clipped(db: Connection, device: Device) -> None:
    sent = [
        Reading(START + 10 * HOUR, KWH, "difference"),
        Reading(START + 12 * HOUR, KWH, "difference", start=START + 9 * HOUR),
    ]
    send(db, device, sent)
    settle(db)
    check(db, device, sent)
    assert START + 9 * HOUR not in hours(db, device)
    # a late one in between clips it again
    late = Reading(START + 11 * HOUR, KWH, "difference")
    send(db, device, [late])
    settle(db)
    check(db, device, [*sent, late])
    assert hours(db, device) == {START + 10 * HOUR: 2 * KWH, START + 11 * HOUR: KWH}


def test_a_first_difference_that_says_its_start_is_spread(db: Connection, device: Device) -> None:
    sent = [Reading(START + 26 * HOUR, 4 * KWH, "difference", start=START + 22 * HOUR)]
    send(db, device, sent)
    settle(db)
    check(db, device, sent)
    assert daily(db, device) == {START: 2 * KWH, START + DAY: 2 * KWH}


def test_the_register_at_midnight_lies_between_two_readings(db: Connection, device: Device) -> None:
    sent = [
        Reading(START + 18 * HOUR, 100 * KWH),
        # three midnights lie between
        Reading(START + 90 * HOUR, 172 * KWH),
        Reading(START + 91 * HOUR, 173 * KWH),
    ]
    send(db, device, sent)
    settle(db)
    check(db, device, sent)
    rows = db.execute(
        "SELECT b.register_start_kwh, b.register_end_kwh, b.start_interpolated,"
        f" b.end_interpolated, b.energy_kwh FROM bi.{device.side}_register_daily AS b"
        f" WHERE b.{device.side}_id = %s ORDER BY b.day",
        [device.device_id],
    ).fetchall()
    assert rows == [
        (None, 106, False, True, 6),
        (106, 130, True, True, 24),
        (130, 154, True, True, 24),
        (154, 173, True, False, 19),
    ]


@pytest.mark.parametrize("zone", ["Europe/Berlin", "America/New_York", "Asia/Kolkata"])
def test_local_days_have_what_flowed_in_them(db: Connection, zone: str) -> None:
    """A meter of 15 minutes over two days, whose readings are stamped at local midnight too."""
    meter = new_device()
    # half an hour off UTC in one of the zones: cut by its raw readings, which end then
    place = ZoneInfo(zone)
    midnight = datetime(START.year, START.month, START.day, tzinfo=place) + DAY
    since = midnight.astimezone(UTC)
    sent = reported("lifetime_register", every(15 * MINUTE, since - 4 * HOUR, 60), KWH // 4)
    send(db, meter, sent)
    settle(db)
    check(db, meter, sent)
    rows = db.execute(
        "SELECT d.day, d.energy_mwh FROM bi.meter_energy_local_daily(%s, %s, %s) AS d"
        " WHERE d.meter_id = %s ORDER BY d.day",
        [zone, midnight.date() - DAY, midnight.date(), meter.device_id],
    ).fetchall()
    assert rows == [(midnight.date() - DAY, 4 * KWH), (midnight.date(), 59 * KWH // 4 - 4 * KWH)]


def test_a_local_day_of_25_hours_has_the_energy_of_25(db: Connection) -> None:
    """The last Sunday of October in Berlin, whichever year it was last."""
    meter = new_device()
    place = ZoneInfo("Europe/Berlin")
    last = max(
        day
        for year in (START.year - 1, START.year)
        for number in range(25, 32)
        if (day := datetime(year, 10, number, tzinfo=place)).weekday() == 6 and day < START
    )
    # for ever, in this file
    db.execute("UPDATE telemetry.dataset SET keep = NULL")
    since = last.astimezone(UTC)
    sent = reported("lifetime_register", every(HOUR, since, 28), KWH)
    send(db, meter, sent)
    settle(db)
    check(db, meter, sent)
    rows = db.execute(
        "SELECT d.day, d.energy_mwh"
        " FROM bi.meter_energy_local_daily('Europe/Berlin', %s, %s) AS d"
        " WHERE d.meter_id = %s ORDER BY d.day",
        [last.date(), last.date() + DAY, meter.device_id],
    ).fetchall()
    assert rows == [(last.date(), 25 * KWH), (last.date() + DAY, 2 * KWH)]


def test_an_exchange_starts_the_next_interval(db: Connection) -> None:
    meter = new_device()
    exchange = Exchange(START + 12 * HOUR, 104 * KWH, 7 * KWH)
    sent = [Reading(START + 10 * HOUR, 100 * KWH), Reading(START + 16 * HOUR, 15 * KWH)]
    send(db, meter, sent)
    db.execute("SELECT ops.exchange_meter(%s, %s, 104, 7, 'worn out')", [meter.name, exchange.ts])
    settle(db)
    check(db, meter, sent, [exchange])
    assert hours(db, meter) == {START + hour * HOUR: 2 * KWH for hour in range(10, 16)}


def test_what_flowed_before_raw_history_counts_in_its_first_hour(
    db: Connection, device: Device
) -> None:
    kept = START + DAY
    sent = [Reading(kept + 2 * HOUR, 8 * KWH, "difference", start=kept - 2 * HOUR)]
    with db.transaction(force_rollback=True):
        db.execute(
            "UPDATE telemetry.dataset SET complete_since = %s WHERE dataset = %s",
            [kept, device.dataset],
        )
        assert send(db, device, sent) == []
        settle(db)
        assert hours(db, device) == fold(sent, kept_since=kept).hours
        assert hours(db, device) == {kept: 6 * KWH, kept + HOUR: 2 * KWH}
