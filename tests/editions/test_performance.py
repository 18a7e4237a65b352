"""Performance from the rollups equals performance from the raw readings, and outlives them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import HealthCheck, given
from hypothesis import strategies as st
from psycopg.rows import dict_row

from tests.editions.test_efficiency import DAY, HOUR, MINUTE, NOON, fill, overlap_free
from tests.support.examples import examples
from tests.support.fold import Reading
from tests.support.kept_charging import charge, keep
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


MATCHED = (
    "ac_matched_kwh",
    "dc_matched_kwh",
    "loss_kwh",
    "efficiency",
    "ac_active_kwh",
    "standby_kwh",
    "coverage",
    "uncertainty",
    "expected_efficiency",
    "frozen_side",
    "status",
)


@pytest.mark.slow_on_webassembly
def test_hours_of_matched_time_sum_up_to_performance(db: Connection) -> None:
    begin = NOW.replace(minute=0) - 30 * HOUR
    link(db, "V-1", "M-1", begin + 90 * MINUTE, begin + 7 * HOUR + 7 * MINUTE)
    link(db, "V-1", "M-2", begin + 7 * HOUR + 20 * MINUTE)
    for meter in ("M-1", "M-2"):
        fill(db, begin, 600, meter=meter, dc_kwh=None)
    fill(db, begin, 500, ac_kwh=None)
    window = ["V-1", begin, begin + 24 * HOUR]
    ask = (
        "SELECT sum(p.ac_matched_kwh), sum(p.dc_matched_kwh), sum(p.loss_kwh),"
        " sum(p.ac_active_kwh), sum(p.standby_kwh) FROM api.performance_hourly(%s, %s, %s) AS p"
    )
    names = ("ac_matched_kwh", "dc_matched_kwh", "loss_kwh", "ac_active_kwh", "standby_kwh")
    before = performance(db, *window)
    assert before["ac_matched_kwh"] > 30
    assert db.execute(ask, window).fetchone() == tuple(before[name] for name in names)
    # and it does not matter whether that is kept yet
    assert keep(db)
    assert performance(db, *window) == before
    assert db.execute(ask, window).fetchone() == tuple(before[name] for name in names)


@pytest.mark.slow_on_webassembly
def test_matched_time_is_told_when_raw_readings_are_gone(db: Connection) -> None:
    old = DAY - timedelta(days=30)
    link(db, "V-1", "M-1")
    charge(db, old + HOUR, 120)
    window = ["V-1", old, old + 4 * HOUR]
    before = performance(db, *window)
    assert (before["status"], before["efficiency"]) == ("healthy", Decimal("0.9"))
    keep(db)
    keep_raw(db, "8 days")
    assert db.execute("SELECT count(*) FROM telemetry.meter_reading").fetchone() == (0,)
    found = performance(db, *window)
    assert {name: found[name] for name in MATCHED} == {name: before[name] for name in MATCHED}


@pytest.mark.slow_on_webassembly
def test_a_vehicle_drifts_where_its_last_sessions_are_below_the_usual(db: Connection) -> None:
    begin = DAY - timedelta(days=12)
    link(db)
    for number in range(9):
        efficiency = 0.95 if number < 6 else 0.88
        charge(db, begin + number * timedelta(days=1), 90, efficiency=efficiency)
    keep(db)
    days = [begin + number * timedelta(days=1) for number in range(10)]
    found = [performance(db, "V-1", since, until)["status"] for since, until in pairwise(days)]
    assert found == ["healthy"] * 8 + ["drifting"]
    # of a longer window, the last one counts
    assert performance(db, "V-1", days[0], days[9])["status"] == "drifting"
    assert performance(db, "V-1", days[0], days[8])["status"] == "healthy"
    for since, until, status in (
        (days[8], days[9], "drifting"),
        (days[0], days[9], "drifting"),
        (days[0], days[8], "healthy"),
        # of hours, not of whole days
        (days[8] + HOUR / 2, days[8] + 2 * HOUR, "drifting"),
        (days[8] + HOUR, days[8] + 2 * HOUR, "insufficient"),
        (days[8] - HOUR, days[8] + 3 * HOUR, "drifting"),
    ):
        rows = db.execute("SELECT status FROM api.fleet(%s, %s) OFFSET 1", [since, until])
        assert rows.fetchall() == [(status,)], (since, until)


def test_a_window_since_ages_takes_no_longer_than_one_since_the_first_reading(
    db: Connection,
) -> None:
    begin = DAY - timedelta(days=3)
    link(db)
    charge(db, begin, 120)
    ages = datetime(1, 1, 2, tzinfo=UTC)
    db.execute("SET statement_timeout = '5 s'")
    for keeping in (False, True):
        assert not keeping or keep(db)
        found, expected = (performance(db, "V-1", since, NOW) for since in (ages, begin - HOUR))
        assert {name: found[name] for name in MATCHED} == {name: expected[name] for name in MATCHED}
        charger = db.execute(
            "SELECT ac_active_kwh FROM api.meter_performance('M-1', %s, %s)", [ages, NOW]
        )
        assert charger.fetchone() == (Decimal("14.4"),)


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
    keep(db)
    end = begin + 55 * HOUR
    each = {f"V-{number}": performance(db, f"V-{number}", begin, end) for number in range(3)}
    names = ("ac_matched_kwh", "dc_matched_kwh", "loss_kwh", "ac_active_kwh", "standby_kwh")
    total = db.execute(
        "SELECT vehicles, ac_matched_kwh, dc_matched_kwh, loss_kwh, ac_active_kwh, standby_kwh,"
        " efficiency, coverage, status, healthy, degraded, judged_vehicles, other_vehicles"
        " FROM api.fleet(%s, %s) LIMIT 1",
        [begin, end],
    ).fetchone()
    sums = [sum(one[name] for one in each.values()) for name in names]
    efficiency = round(sums[1] / sums[0], 6)
    assert total == (3, *sums, efficiency, 1, "degraded", 1, 2, 3, 0)
    vehicles = db.execute(
        "SELECT vehicle_id, meter_coverage, vehicle_coverage, ac_matched_kwh, dc_matched_kwh,"
        " loss_kwh, efficiency, ac_active_kwh, standby_kwh, coverage, uncertainty,"
        " expected_efficiency, frozen_side, status, ac_kwh"
        " FROM api.fleet(%s, %s, 'vehicle_id') OFFSET 1",
        [begin, end],
    ).fetchall()
    assert vehicles == [
        (
            vehicle,
            *(one[name] for name in ("meter_coverage", "vehicle_coverage", *MATCHED)),
            # as far as readings explain it
            one["ac_active_kwh"] + one["standby_kwh"],
        )
        for vehicle, one in sorted(each.items())
    ]


def test_what_cannot_be_judged_is_no_loss_of_the_fleet(db: Connection) -> None:
    begin = DAY - timedelta(days=3)
    for number in range(4):
        link(db, f"V-{number}", f"M-{number}")
    for number in (0, 1):
        charge(db, begin, 120, vehicle_id=f"V-{number}", meter_id=f"M-{number}")
    # one vehicle says nothing, and another one little
    fill(db, begin, 120, meter="M-2", dc_kwh=None)
    fill(db, begin, 120, meter="M-3", dc_kwh=None)
    fill(db, begin, 20, vehicle="V-3", ac_kwh=None)
    keep(db)
    for window in ([begin, begin + timedelta(days=1)], [begin - HOUR, begin + 3 * HOUR]):
        total, *vehicles = db.execute(
            "SELECT vehicle_id, vehicles, judged_vehicles, other_vehicles, healthy, insufficient,"
            " loss_kwh, efficiency, ac_kwh, judged_ac_kwh + other_ac_kwh,"
            " dc_kwh - judged_dc_kwh - other_dc_kwh, status FROM api.fleet(%s, %s, 'loss')",
            window,
        ).fetchall()
        own = performance(db, "V-0", *window)
        assert total[:6] == (None, 4, 2, 2, 2, 2)
        assert total[6:8] == (2 * own["loss_kwh"], own["efficiency"])
        assert total[8] == total[9] > 2 * own["ac_active_kwh"] + 23
        assert total[10:] == (0, "healthy")
        # nothing was matched of the third, and what was of the fourth is too little to judge
        assert [one[0] for one in vehicles] == ["V-0", "V-1", "V-3", "V-2"]


def test_a_charger_is_judged_over_its_vehicles_and_tells_what_belongs_to_none(
    db: Connection,
) -> None:
    begin = DAY - timedelta(days=3)
    link(db, "V-1", "M-1", begin, begin + 2 * HOUR)
    link(db, "V-2", "M-1", begin + 2 * HOUR, begin + 4 * HOUR)
    charge(db, begin + HOUR / 2, 60)
    charge(db, begin + 2 * HOUR + HOUR / 2, 60, vehicle_id="V-2", efficiency=0.8)
    # nobody is linked, and then all is idle
    charge(db, begin + 5 * HOUR, 30, vehicle_id="V-3")
    fill(db, begin + 6 * HOUR, 61, dc_kwh=None, ac_kwh=0.00005)
    window = [begin, begin + 8 * HOUR]
    ask = "SELECT * FROM api.meter_performance('M-1', %s, %s)"
    cursor = db.cursor(row_factory=dict_row)
    total, *vehicles = cursor.execute(ask, window).fetchall()
    each = [performance(db, vehicle, *window) for vehicle in ("V-1", "V-2")]
    assert [one["vehicle_id"] for one in (total, *vehicles)] == [None, "V-1", "V-2"]
    names = [name for name in MATCHED if name != "standby_kwh"]
    for found, own in zip(vehicles, each, strict=True):
        assert {name: found[name] for name in names} == {name: own[name] for name in names}
    for name in ("ac_matched_kwh", "dc_matched_kwh", "loss_kwh", "ac_active_kwh"):
        assert total[name] == sum(own[name] for own in each)
    assert [one["status"] for one in (total, *vehicles)] == ["healthy", "healthy", "degraded"]
    assert total["ac_unlinked_kwh"] == Decimal("3.6")
    # what the first reading of idle tells of the time before it is idle too
    assert (total["standby_kwh"], total["standby_w"]) == (Decimal("0.00305"), 3)
    assert total["ac_kwh"] == total["ac_active_kwh"] + total["ac_unlinked_kwh"] + Decimal("0.00305")
    assert keep(db)
    assert cursor.execute(ask, window).fetchall() == [total, *vehicles]
    nothing = cursor.execute("SELECT * FROM api.meter_performance('M-2')").fetchall()
    assert [(one["status"], one["ac_kwh"]) for one in nothing] == [("unlinked", 0)]


def test_sessions_come_in_order_and_tell_who_charged_how(db: Connection) -> None:
    begin = DAY - timedelta(days=3)
    link(db, "V-1", "M-1", begin, begin + 2 * HOUR)
    charge(db, begin + HOUR / 2, 60)
    charge(db, begin + HOUR, 30, meter_id="M-2", vehicle_id="V-2")
    keep(db)
    ask = "SELECT * FROM api.charging_sessions(%s, %s, %s, %s)"
    cursor = db.cursor(row_factory=dict_row)
    first, second = cursor.execute(ask, [None, None, None, None]).fetchall()
    # no vehicle is linked to the second meter
    assert (first["vehicle_id"], second["vehicle_id"]) == ("V-1", None)
    assert (first["started_at"], first["ended_at"]) == (begin + HOUR / 2, begin + HOUR * 3 / 2)
    assert first["unplugged_at"] == begin + 2 * HOUR
    assert (first["ac_kwh"], first["dc_kwh"], first["efficiency"]) == (
        Decimal("7.2"),
        Decimal("6.48"),
        Decimal("0.9"),
    )
    assert (first["mean_kw"], first["peak_kw"]) == (Decimal("7.2"), Decimal("7.2"))
    assert (first["status"], second["status"]) == ("healthy", "insufficient")
    assert (first["soc_start_percent"], first["battery_temp_end_c"]) == (
        Decimal("81.5"),
        Decimal("31.2"),
    )
    for asked, found in (
        (["V-1", None, None, None], [first]),
        ([None, "M-2", None, None], [second]),
        (["V-1", "M-2", None, None], []),
        # by when they start
        ([None, None, begin + HOUR, None], [second]),
        ([None, None, None, begin + HOUR], [first]),
    ):
        assert cursor.execute(ask, asked).fetchall() == found
    after = cursor.execute(
        "SELECT * FROM api.charging_sessions(after => %s, page_size => 1)", [first["place"]]
    ).fetchall()
    assert after == [second]
