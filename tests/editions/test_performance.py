"""Performance from the rollups equals performance from the raw readings, and outlives them."""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import HealthCheck, given
from hypothesis import strategies as st

from tests.editions.test_efficiency import DAY, HOUR, MINUTE, NOON, fill, overlap_free
from tests.support.examples import examples
from tests.support.fold import Reading
from tests.support.ledger import Device, send, settle
from tests.support.readings import (
    NOW,
    Connection,
    MeterReading,
    VehicleReading,
    count_where_read,
    ingest_meters,
    ingest_vehicles,
    link,
    performance,
)

# what api.performance answers, from the raw readings alone
RAW_ONLY = """
WITH piece AS (
    SELECT l.meter_id, greatest(lower(l.during), %(since)s) AS since,
        least(upper(l.during), %(until)s) AS until
    FROM telemetry.charging_link AS l
    WHERE l.vehicle_id = %(vehicle)s AND l.during && tstzrange(%(since)s, %(until)s)
),
ac AS (
    SELECT m.* FROM piece JOIN telemetry.meter_reading AS m USING (meter_id)
    WHERE m.ts >= piece.since AND m.ts < piece.until
),
whole AS (
    SELECT v.* FROM telemetry.vehicle_reading AS v
    WHERE v.vehicle_id = %(vehicle)s AND v.ts >= %(since)s AND v.ts < %(until)s
),
dc AS (
    SELECT v.* FROM piece JOIN whole AS v ON v.ts >= piece.since AND v.ts < piece.until
)
SELECT
    (SELECT coalesce(sum(energy_mwh), 0) / 1000000 FROM ac) AS ac_kwh,
    (SELECT coalesce(sum(energy_mwh), 0) / 1000000 FROM dc) AS dc_kwh,
    (SELECT coalesce(sum(energy_mwh), 0) / 1000000 FROM whole)
    - (SELECT coalesce(sum(energy_mwh), 0) / 1000000 FROM dc) AS dc_unlinked_kwh,
    (SELECT round(avg(battery_temp_mc) / 1000, 3) FROM whole WHERE entry = 0) AS avg_battery_temp_c,
    (SELECT count(*) FROM ac WHERE entry = 0) AS meter_samples,
    (SELECT count(*) FROM whole WHERE entry = 0) AS vehicle_samples
"""
COLUMNS = (
    "ac_kwh",
    "dc_kwh",
    "dc_unlinked_kwh",
    "avg_battery_temp_c",
    "meter_samples",
    "vehicle_samples",
)

SECONDS = st.integers(0, 4 * 24 * 3600)
BEGIN = NOON - timedelta(days=4)


def at(seconds: int) -> datetime:
    return BEGIN + timedelta(seconds=seconds)


@examples(40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    meters=st.dictionaries(
        st.tuples(st.sampled_from(["A", "B"]), SECONDS), st.integers(0, 10**7), max_size=60
    ),
    vehicle=st.dictionaries(
        SECONDS, st.tuples(st.integers(0, 10**7), st.none() | st.integers(-100, 400)), max_size=60
    ),
    links=st.lists(
        st.tuples(st.just("V"), st.sampled_from(["A", "B"]), SECONDS, SECONDS), max_size=5
    ).map(overlap_free),
    window=st.tuples(SECONDS, SECONDS).filter(lambda w: w[0] != w[1]),
    corrections=st.dictionaries(SECONDS, st.integers(-(10**6), 10**6), max_size=3),
)
def test_any_window_is_answered_like_from_raw_readings_to_the_last_digit(
    db: Connection, meters: dict, vehicle: dict, links: list, window: tuple, corrections: dict
) -> None:
    since, until = sorted(window)
    with db.transaction(force_rollback=True):
        count_where_read(db)
        for _, meter, first, last in links:
            link(db, "V", meter, at(first), at(last))
        ingest_meters(db, [MeterReading(m, at(t), e / 10**6) for (m, t), e in meters.items()])
        ingest_vehicles(
            db,
            [
                VehicleReading("V", at(t), e / 10**6, battery_temp_c=None if c is None else c / 10)
                for t, (e, c) in vehicle.items()
            ],
        )
        for seconds, energy_mwh in corrections.items():
            db.execute(
                "INSERT INTO telemetry.meter_reading (meter_id, ts, entry, energy_mwh)"
                " VALUES ('A', %s, 1, %s)",
                [at(seconds), energy_mwh],
            )
        found = performance(db, "V", at(since), at(until))
        expected = db.execute(
            RAW_ONLY, {"vehicle": "V", "since": at(since), "until": at(until)}
        ).fetchone()
        assert tuple(found[name] for name in COLUMNS) == expected
        assert found["rounded_to"] is None


def keep_raw(db: Connection, keep: str) -> list[tuple[Any, ...]]:
    """Shorten both raw retentions, dropping what that drops."""
    listed = [
        row
        for dataset in ("meter_reading", "vehicle_reading")
        for row in db.execute(
            "SELECT * FROM ops.set_retention(%s, %s::interval, confirm => true)", [dataset, keep]
        )
    ]
    db.execute("CALL ops.maintain()")
    return listed


@pytest.mark.slow_on_webassembly
def test_a_window_older_than_raw_readings_is_rounded_to_hours_and_says_so(db: Connection) -> None:
    old = DAY - timedelta(days=30)
    link(db, "V-1", "M-1", None, old + 2 * HOUR + 40 * MINUTE)
    fill(db, old, 300)
    exact = performance(db, "V-1", old + 20 * MINUTE, old + 4 * HOUR)
    assert (exact["ac_kwh"], exact["rounded_to"]) == (Decimal(14), None)
    assert keep_raw(db, "8 days")
    assert db.execute("SELECT count(*) FROM telemetry.meter_reading").fetchone() == (0,)
    found = performance(db, "V-1", old + 20 * MINUTE, old + 4 * HOUR)
    # from 20 past to the full hour, and the link's end from 40 past to the next
    assert (found["window_start"], found["window_end"]) == (old, old + 4 * HOUR)
    assert (found["ac_kwh"], found["dc_kwh"]) == (Decimal(18), Decimal("16.2"))
    assert found["dc_unlinked_kwh"] == Decimal("5.4")
    assert found["rounded_to"] == "hour"
    whole = performance(db, "V-1", old, old + 2 * HOUR)
    assert (whole["ac_kwh"], whole["rounded_to"]) == (Decimal(12), None)


def test_neighbouring_links_share_an_old_hour_without_gap_or_overlap(db: Connection) -> None:
    old = DAY - timedelta(days=30)
    change = old + HOUR + 25 * MINUTE
    link(db, "V-1", "M-1", None, change)
    link(db, "V-2", "M-1", change)
    fill(db, old, 240, dc_kwh=None)
    keep_raw(db, "8 days")
    assert sum(
        performance(db, vehicle, old, old + 4 * HOUR)["ac_kwh"] for vehicle in ("V-1", "V-2")
    ) == Decimal(24)
    rows = db.execute("SELECT sum(ac_kwh) FROM bi.charging_efficiency_hourly").fetchone()
    assert rows == (Decimal(24),)
    rows = db.execute("SELECT sum(ac_kwh) FROM bi.charging_efficiency_daily").fetchone()
    assert rows == (Decimal(24),)


@pytest.mark.slow_on_webassembly
def test_a_window_older_than_the_hours_is_rounded_to_days_and_says_so(db: Connection) -> None:
    old = DAY - timedelta(days=60)
    link(db)
    fill(db, old + 22 * HOUR, 240)
    keep_raw(db, "8 days")
    for side in ("meter", "vehicle"):
        dropped = db.execute(
            "SELECT * FROM ops.set_retention(%s, '20 days', confirm => true)",
            [f"{side}_energy_hourly"],
        ).fetchall()
        assert dropped
    db.execute("CALL ops.maintain()")
    found = performance(db, "V-1", old + 10 * HOUR, old + 40 * HOUR)
    assert (found["window_start"], found["window_end"]) == (old, old + timedelta(days=2))
    assert (found["ac_kwh"], found["dc_kwh"]) == (Decimal(24), Decimal("21.6"))
    assert (found["meter_samples"], found["rounded_to"]) == (240, "day")


def test_hours_tell_what_is_not_settled_yet_and_hold_it(db: Connection) -> None:
    begin = NOW.replace(hour=0, minute=0) - 72 * HOUR
    link(db, "V-1", "M-1", begin)
    meter = Device("meter", "M-1")
    send(db, meter, [Reading(begin, 100 * 10**6)])
    settle(db)
    # four hours at once, of which none has another reading
    send(db, meter, [Reading(begin + 4 * HOUR, 108 * 10**6)])
    ask = (
        "SELECT hour_start, ac_kwh, provisional_kwh_ac, provisional_kwh_dc, settled_until"
        " FROM api.performance_hourly('V-1', %s, %s) WHERE ac_kwh <> 0"
    )
    window = [begin, begin + 3 * HOUR]
    hours = [begin + n * HOUR for n in range(3)]
    assert db.execute(ask, window).fetchall() == [(hour, 2, 2, 0, begin) for hour in hours]
    found = performance(db, "V-1", *window)
    assert (found["ac_kwh"], found["provisional_kwh_ac"]) == (6, 6)
    settle(db)
    assert db.execute(ask, window).fetchall() == [(hour, 2, 0, 0, None) for hour in hours]


@pytest.mark.slow_on_webassembly
@pytest.mark.parametrize("hours", [1, 24, 80])
def test_hours_of_performance_sum_up_to_performance(db: Connection, hours: int) -> None:
    begin = NOW.replace(minute=0) - 81 * HOUR
    link(db, "V-1", "M-1", begin + 90 * MINUTE, begin + 47 * HOUR + 7 * MINUTE)
    link(db, "V-1", "M-2", begin + 50 * HOUR)
    for meter in ("M-1", "M-2"):
        fill(db, begin, 80 * 60, meter=meter, dc_kwh=None)
    fill(db, begin, 80 * 60, ac_kwh=None)
    window = ["V-1", begin, begin + hours * HOUR]
    rows = db.execute(
        "SELECT sum(ac_kwh), sum(dc_kwh), sum(meter_samples)"
        " FROM api.performance_hourly(%s, %s, %s)",
        window,
    ).fetchone()
    found = performance(db, *window)
    assert rows is not None
    assert tuple(value or 0 for value in rows) == (
        found["ac_kwh"],
        found["dc_kwh"],
        found["meter_samples"],
    )


def test_the_fleet_sums_up_performance_of_its_vehicles(db: Connection) -> None:
    begin = NOW.replace(minute=0) - 60 * HOUR
    for number in range(3):
        link(db, f"V-{number}", f"M-{number}", begin + number * 77 * MINUTE)
        fill(
            db,
            begin,
            600,
            meter=f"M-{number}",
            vehicle=f"V-{number}",
            dc_kwh=0.09 - number * 0.01,
        )
    end = begin + 55 * HOUR
    (total,) = db.execute(
        "SELECT vehicles, ac_kwh, dc_kwh FROM api.fleet(%s, %s)", [begin, end]
    ).fetchall()
    each = {f"V-{number}": performance(db, f"V-{number}", begin, end) for number in range(3)}
    assert total == (
        3,
        sum(one["ac_kwh"] for one in each.values()),
        sum(one["dc_kwh"] for one in each.values()),
    )
    vehicles = db.execute(
        "SELECT vehicle_id, ac_kwh, dc_kwh, efficiency, meter_coverage, vehicle_coverage, status"
        " FROM api.fleet_vehicles(%s, %s, 'vehicle_id')",
        [begin, end],
    ).fetchall()
    names = ("ac_kwh", "dc_kwh", "efficiency", "meter_coverage", "vehicle_coverage", "status")
    assert vehicles == [
        (vehicle, *(each[vehicle][name] for name in names)) for vehicle in sorted(each)
    ]
