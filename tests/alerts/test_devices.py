"""Alerts of meters that fall silent, registers that fell, idle draw, swapped meters, and rules."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal

from tests.support.alerts import (
    KWH,
    START,
    alerts,
    degraded,
    drifting,
    good,
    impossible,
    judge,
    keep,
    new_names,
    open_kinds,
    unlinked,
)
from tests.support.fold import Reading
from tests.support.ledger import Device, send, settle
from tests.support.readings import NOW, Connection, MeterReading, ingest_meters, link
from tests.support.tariffs import Band, Tariff, set_tariff

HOUR = timedelta(hours=1)
DAY = timedelta(days=1)


def kept_day(db: Connection, meter: str, day: datetime, **sums: int) -> None:
    """A day of a meter, as it is kept."""
    given = {"vehicle_id": "", "peak_w": 11_000, **sums}
    names = ", ".join(given)
    db.execute(
        f"INSERT INTO telemetry.charging_day (day, meter_id, {names})"
        f" VALUES (telemetry.utc_day(%s), %s{', %s' * len(given)})",
        [day, meter, *given.values()],
    )


def reports(db: Connection, meter: str, until: datetime, hours: int) -> None:
    """It reports each hour for so long, as far as is kept of that."""
    times = [until - n * HOUR for n in range(hours)]
    ingest_meters(db, [MeterReading(meter, ts, 0.01) for ts in times])
    db.execute(
        "INSERT INTO telemetry.charging_part (meter_id, hour, since, until, vehicle_id,"
        " meter_samples) SELECT %s, telemetry.floor_hour(t.ts), telemetry.floor_hour(t.ts),"
        " telemetry.floor_hour(t.ts) + INTERVAL '1 hour', '', 1 FROM unnest(%s::timestamptz[])"
        " AS t (ts) ON CONFLICT DO NOTHING",
        [meter, times],
    )


def test_a_meter_that_reports_no_more_is_silent_until_it_does(db: Connection):
    m, n = new_names("M", "N")
    reports(db, m, NOW - 30 * HOUR, 40)
    reports(db, n, NOW - 25 * HOUR, 40)
    judge(db)
    # of all others nobody knows either
    assert open_kinds(db, m, n) == set()
    (other,) = new_names("O")
    ingest_meters(db, [MeterReading(other, NOW)])
    judge(db)
    assert open_kinds(db, m, n) == {("silent", m)}
    (told,) = alerts(db, m)
    assert (told["since"], told["cause"]) == (NOW - 30 * HOUR, "communication")
    ingest_meters(db, [MeterReading(m, NOW - HOUR)])
    judge(db)
    assert open_kinds(db, m, n) == set()
    assert alerts(db, m)[0]["closed_because"] == "reported"


def test_a_meter_that_is_retired_is_not_silent_any_more(db: Connection):
    m, other = new_names("M", "O")
    reports(db, m, NOW - 30 * HOUR, 40)
    ingest_meters(db, [MeterReading(other, NOW)])
    judge(db)
    assert open_kinds(db, m) == {("silent", m)}
    db.execute("SELECT ops.set_device(%s, retired_at => now() + '1 hour')", [f"meter:{m}"])
    judge(db)
    assert open_kinds(db, m) == {("silent", m)}
    db.execute("SELECT ops.set_device(%s, 'Box', retired_at => now())", [f"meter:{m}"])
    # who retires it has it looked at
    db.execute("SELECT telemetry.settle_alerts(1000)")
    assert open_kinds(db, m) == set()
    (told,) = alerts(db, m)
    assert told["closed_because"] == "retired"
    # what is kept of an alert for ever has nothing that could not be erased
    (kept,) = db.execute(
        "SELECT (SELECT array_agg(a.*)::text FROM telemetry.alert AS a WHERE a.meter_id = %(m)s)"
        " || (SELECT array_agg(c.*)::text FROM telemetry.alert_change AS c"
        " JOIN telemetry.alert AS a USING (alert_id) WHERE a.meter_id = %(m)s)",
        {"m": m},
    ).fetchone() or ("",)
    assert m in kept
    assert "Box" not in kept
    judge(db)
    assert open_kinds(db, m) == set()
    db.execute("SELECT ops.set_device(%s)", [f"meter:{m}"])
    judge(db)
    assert open_kinds(db, m) == {("silent", m)}


def test_one_that_is_often_silent_as_long_is_not(db: Connection):
    m, n, other = new_names("M", "N", "O")
    for meter, back in ((m, 12), (n, 9)):
        reports(db, meter, NOW - 30 * HOUR, 2)
        reports(db, meter, NOW - (30 + back) * HOUR, 30)
    ingest_meters(db, [MeterReading(other, NOW)])
    judge(db)
    assert open_kinds(db, m, n) == {("silent", n)}


def test_a_register_that_fell_is_told_until_somebody_speaks_of_it(db: Connection):
    m, _ = new_names("M", "V")
    meter = Device("meter", m)
    levels = [900_000_000, 900_100_000, 300_000_000, 302_000_000, 304_000_000]
    send(
        db,
        meter,
        [
            Reading(NOW - 2 * DAY + n * HOUR, level, "lifetime_register")
            for n, level in enumerate(levels)
        ],
    )
    settle(db)
    judge(db)
    assert open_kinds(db, m) == {("register", m)}
    (told,) = alerts(db, m)
    assert (told["since"], told["cause"]) == (NOW - 2 * DAY + 2 * HOUR, "register_reset")
    db.execute(
        "SELECT ops.resolve_register_event(%s, %s, 'dismiss', 'it was put back')",
        [meter.name, told["since"]],
    )
    settle(db)
    judge(db)
    assert open_kinds(db, m) == set()
    assert alerts(db, m)[0]["closed_because"] == "settled"


def test_a_charger_that_draws_too_much_while_idle_is_told(db: Connection):
    m, n, great = new_names("M", "N", "G")
    hours = 20 * 3600 * 10**6
    for day in range(3):
        at = START + day * DAY
        kept_day(db, m, at, standby_mwh=20 * 60_000, standby_us=hours)
        kept_day(db, n, at, standby_mwh=20 * 9_000, standby_us=hours)
        kept_day(db, great, at, standby_mwh=20 * 60_000, standby_us=hours, peak_w=50_000)
    judge(db)
    assert open_kinds(db, m, n, great) == {("standby", m)}
    (told,) = alerts(db, m)
    # beyond 35 W, of three days of twenty hours
    assert (told["charges"], told["cause"]) == (3, "idle_draw")
    assert float(told["lost_kwh"]) == 3 * 20 * 0.025


def test_idle_draw_costs_what_its_days_do_on_average_hours_for_nothing_included(db: Connection):
    m, free = new_names("M", "F")
    night = [Band(Decimal(0), until=12), Band(Decimal("0.30"), since=12)]
    set_tariff(db, Tariff(night, zone="UTC", meter_id=m))
    set_tariff(db, Tariff([Band(Decimal(0))], zone="UTC", meter_id=free))
    for meter in (m, free):
        for day in range(3):
            at = (START + day * DAY).astimezone(UTC).replace(hour=0, minute=0)
            sums = {"standby_mwh": 20 * 60_000, "standby_us": 20 * 3600 * 10**6}
            kept_day(db, meter, at, **sums)
            for hour in range(20):
                db.execute(
                    "INSERT INTO telemetry.charging_part (meter_id, hour, since, until, vehicle_id,"
                    " standby_mwh) VALUES (%s, %s, %s, %s, '', 60000)",
                    [meter, *[at + hour * HOUR] * 2, at + (hour + 1) * HOUR],
                )
    judge(db)
    assert open_kinds(db, m, free) == {("standby", m), ("standby", free)}
    (told,) = alerts(db, m)
    # of 25 W beyond what is allowed, eight hours in twenty
    assert (told["lost_cost"], told["currency"]) == (3 * Decimal("0.06"), "EUR")
    (told,) = alerts(db, free)
    assert (told["lost_cost"], told["currency"], told["cost_gap"]) == (0, "EUR", None)


def test_what_is_told_of_idle_draw_counts_its_days(db: Connection):
    (m,) = new_names("M")
    for day in range(2):
        sums = {"standby_mwh": 20 * 60_000, "standby_us": 20 * 3600 * 10**6}
        kept_day(db, m, START + day * DAY, **sums)
    judge(db)
    (told,) = alerts(db, m)
    row = db.execute(
        "SELECT (c.detail ->> 'charges')::bigint, (c.detail ->> 'lostKwh')::numeric"
        " FROM bi.alert_change AS c WHERE c.alert_id = %s",
        [told["alert_id"]],
    ).fetchone()
    assert row == (told["charges"], told["lost_kwh"]) == (2, 1)


def test_idle_draw_of_days_that_turn_out_to_have_none_is_corrected(db: Connection):
    (m,) = new_names("M")
    for sums in (
        {"standby_mwh": 20 * 60_000, "standby_us": 20 * 3600 * 10**6},
        {"ac_mwh": 20 * 60_000, "active_us": 20 * 3600 * 10**6},
    ):
        db.execute("DELETE FROM telemetry.charging_day WHERE meter_id = %s", [m])
        for day in range(2):
            kept_day(db, m, START + day * DAY, **sums)
        judge(db)
    (told,) = alerts(db, m)
    assert (told["closed_because"], told["charges"]) == ("corrected", 0)


def test_two_meters_that_count_for_one_another_are_swapped(db: Connection):
    m, n, other = new_names("M", "N", "O")
    for day in range(3):
        at = START + day * DAY
        flowed = {m: (10 + day, 30), n: (30, 10 + day), other: (20 + 4 * day, 20 + 4 * day)}
        for meter, (ac, got) in flowed.items():
            kept_day(db, meter, at, ac_mwh=ac * KWH, dc_mwh=round(got * KWH * 0.9))
        keep(db, impossible(m, "V", 24 * day), impossible(n, "W", 24 * day + 1))
    judge(db)
    assert open_kinds(db, m, n) == {("impossible", m), ("impossible", n)}
    assert {one["cause"] for one in alerts(db, m, n)} == {"swapped_links"}


def test_efficiency_that_falls_slowly_is_wiring_or_ageing(db: Connection):
    m, v = new_names("M", "V")
    keep(db, *(good(m, v, 24 * n, efficiency=0.93 - 0.006 * n) for n in range(13)))
    keep(db, *(degraded(m, v, 24 * n, efficiency=0.93 - 0.006 * n) for n in range(14, 18)))
    judge(db)
    assert [one["cause"] for one in alerts(db, m)] == ["wiring_or_ageing"]
    m, v = new_names("M", "V")
    keep(db, *(good(m, v, 24 * n, efficiency=0.93 - 0.001 * (n % 3)) for n in range(13)))
    keep(db, *(degraded(m, v, 24 * n, efficiency=0.82 + 0.001 * (n % 3)) for n in range(14, 18)))
    judge(db)
    assert [one["cause"] for one in alerts(db, m)] == ["charger"]


def test_what_only_the_cold_does_is_of_temperature(db: Connection):
    m, v = new_names("M", "V")
    keep(db, *(good(m, v, 24 * n) for n in range(5)))
    keep(db, *(degraded(m, v, 24 * n, efficiency=0.66, temp_c=-3) for n in range(5, 8)))
    judge(db)
    assert [one["cause"] for one in alerts(db, m)] == ["temperature"]


def test_a_changed_rule_holds_at_once(db: Connection):
    m, v = new_names("M", "V")
    link(db, v, m)
    keep(db, degraded(m, v, 0), good(m, v, 10), drifting(m, v, 20), unlinked(m, 30))
    judge(db)
    assert open_kinds(db, m) == {("drifting", m)}
    ingest_meters(db, [MeterReading(m, NOW)])
    db.execute("UPDATE telemetry.rules SET alert_after = 1, drift_alert_after = 2")
    try:
        judge(db)
        assert open_kinds(db, m) == {("degraded", m), ("unlinked", m)}
    finally:
        db.execute("UPDATE telemetry.rules SET alert_after = 2, drift_alert_after = 1")
        judge(db)
