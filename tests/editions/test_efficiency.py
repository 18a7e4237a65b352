"""Charging efficiency is judged on matched time, divided by links, and says how sure it is."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import psycopg
import pytest
from hypothesis import HealthCheck, example, given
from hypothesis import strategies as st

from tests.support.charging import Link, Sums, by_bucket, keep_charging, linked_hours
from tests.support.examples import examples
from tests.support.readings import (
    NOW,
    Connection,
    MeterReading,
    VehicleReading,
    ingest_meters,
    ingest_vehicles,
    link,
)

MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)
DAY = NOW.replace(hour=0, minute=0) - timedelta(days=3)
NOON = DAY + 12 * HOUR
# of the first minute of an hour
FIRST = NOON + MINUTE
# without a tariff
NO_COST = {
    "cost": None,
    "standby_cost": None,
    "loss_cost": None,
    "excess_loss_cost": None,
    "currency": None,
    "cost_gap": "no_tariff",
}


def rows(db: Connection, relation: str, **wanted: object) -> list[dict[str, Any]]:
    cursor = db.cursor(row_factory=psycopg.rows.dict_row)
    where = " AND ".join(["true", *(f"{name} = %({name})s" for name in wanted)])
    return cursor.execute(
        f"SELECT * FROM bi.{relation} WHERE {where} ORDER BY 1, 2, 3", wanted
    ).fetchall()


def fill(
    db: Connection,
    begin: datetime = NOON,
    minutes: int = 60,
    *,
    ac_kwh: float | None = 0.1,
    dc_kwh: float | None = 0.09,
    meter: str = "M-1",
    vehicle: str = "V-1",
) -> None:
    """A reading a minute on both sides, or on one where the other is null."""
    times = [begin + i * MINUTE for i in range(minutes)]
    if ac_kwh is not None:
        ingest_meters(db, [MeterReading(meter, ts, ac_kwh) for ts in times])
    if dc_kwh is not None:
        ingest_vehicles(db, [VehicleReading(vehicle, ts, dc_kwh) for ts in times])


def fill_and_keep(
    db: Connection, begin: datetime = FIRST, minutes: int = 60, **fields: Any
) -> None:
    fill(db, begin, minutes, **fields)
    keep_charging(db)


def test_an_hour_has_energy_of_both_sides_what_is_matched_and_a_verdict(db: Connection) -> None:
    link(db)
    # the meter reports standby before, and its reading at one o'clock is of the next hour
    fill(db, NOON - 29 * MINUTE, 30, ac_kwh=0.001, dc_kwh=None)
    fill_and_keep(db)
    (row,) = rows(db, "charging_efficiency_hourly", bucket=NOON)
    assert row == {
        "bucket": NOON,
        "vehicle_id": "V-1",
        "meter_id": "M-1",
        "ac_kwh": Decimal(6),
        "dc_kwh": Decimal("5.4"),
        "loss_kwh": Decimal("0.6"),
        "efficiency": Decimal("0.9"),
        "coverage": 1,
        # the last digits of both, 0.01 and 0.001 kWh, and half of the minutes in which flow starts
        # and ends
        "uncertainty": Decimal("0.0185"),
        "expected_efficiency": Decimal("0.85"),
        "verdict": "healthy",
        "frozen_side": None,
        "ac_active_kwh": Decimal(6),
        "ac_matched_kwh": Decimal(6),
        "dc_matched_kwh": Decimal("5.4"),
        "standby_kwh": 0,
        "charging_hours": 1,
        "mean_kw": 6,
        "peak_kw": 6,
        "meter_samples": 60,
        "vehicle_samples": 59,
        "excess_loss_kwh": 0,
        **NO_COST,
    }
    (before,) = rows(db, "charging_efficiency_hourly", bucket=NOON - HOUR)
    assert (before["ac_kwh"], before["standby_kwh"]) == (Decimal("0.03"), Decimal("0.03"))
    assert (before["coverage"], before["efficiency"], before["verdict"]) == (None, None, "idle")
    assert (before["uncertainty"], before["expected_efficiency"]) == (None, None)


def test_days_and_months_are_sums_of_hours_judged_as_a_whole(db: Connection) -> None:
    link(db)
    # each hour has too little to be judged
    for hour in range(3):
        fill(db, FIRST + 2 * hour * HOUR, 40)
    keep_charging(db)
    hours = rows(db, "charging_efficiency_hourly")
    assert {row["verdict"] for row in hours if row["ac_kwh"]} == {"insufficient"}
    (day,) = rows(db, "charging_efficiency_daily")
    (month,) = rows(db, "charging_efficiency_monthly")
    assert (day["bucket"], day["day"]) == (DAY, DAY.date())
    assert (month["bucket"], month["month"]) == (DAY.replace(day=1), DAY.date().replace(day=1))
    for row in (day, month):
        assert row["ac_kwh"] == sum(hour["ac_kwh"] for hour in hours) == 12
        assert (row["dc_matched_kwh"], row["efficiency"]) == (Decimal("10.8"), Decimal("0.9"))
        assert (row["verdict"], row["charging_hours"]) == ("healthy", 2)


def test_an_hour_between_two_vehicles_is_split_at_the_links_boundary(db: Connection) -> None:
    change = NOON + timedelta(minutes=20, seconds=30)
    link(db, "V-1", "M-1", None, change)
    link(db, "V-2", "M-1", change)
    fill(db, FIRST, dc_kwh=None)
    fill(db, FIRST, ac_kwh=None, vehicle="V-1")
    fill_and_keep(db, ac_kwh=None, vehicle="V-2")
    found = {row["vehicle_id"]: row for row in rows(db, "charging_efficiency_hourly", bucket=NOON)}
    # the minute in which it changes is cut too
    assert found["V-1"]["ac_kwh"] == Decimal("2.05")
    assert found["V-2"]["ac_kwh"] == Decimal("3.95")
    assert found["V-1"]["coverage"] == found["V-2"]["coverage"] == 1
    daily = {row["vehicle_id"]: row for row in rows(db, "charging_efficiency_daily")}
    for vehicle in ("V-1", "V-2"):
        assert daily[vehicle]["ac_kwh"] == found[vehicle]["ac_kwh"]
        assert daily[vehicle]["dc_kwh"] == found[vehicle]["dc_kwh"]


def test_energy_while_not_linked_belongs_to_no_vehicle(db: Connection) -> None:
    link(db, "V-1", "M-1", NOON, NOON + HOUR)
    fill_and_keep(db, FIRST - HOUR, 180)
    (row,) = rows(db, "charging_efficiency_hourly")
    assert (row["bucket"], row["ac_kwh"], row["dc_kwh"]) == (NOON, Decimal(6), Decimal("5.4"))
    (day,) = rows(db, "charging_efficiency_daily")
    assert (day["ac_kwh"], day["dc_kwh"]) == (Decimal(6), Decimal("5.4"))
    (unlinked,) = rows(db, "unlinked_energy_daily")
    assert (unlinked["bucket"], unlinked["day"], unlinked["meter_id"]) == (DAY, DAY.date(), "M-1")
    assert (unlinked["ac_kwh"], unlinked["ac_active_kwh"], unlinked["standby_kwh"]) == (12, 12, 0)
    assert (unlinked["charging_hours"], unlinked["mean_kw"], unlinked["peak_kw"]) == (2, 6, 6)
    # the readings at which the link starts and ends are of it and of the time after it
    assert unlinked["meter_samples"] == 120


def test_a_link_inside_one_hour_has_its_part_of_it(db: Connection) -> None:
    link(db, "V-1", "M-1", NOON + 10 * MINUTE, NOON + 40 * MINUTE)
    fill_and_keep(db)
    (row,) = rows(db, "charging_efficiency_hourly")
    assert (row["ac_kwh"], row["charging_hours"], row["meter_samples"]) == (3, Decimal("0.5"), 30)


def test_an_hour_without_ac_has_no_efficiency(db: Connection) -> None:
    link(db)
    fill_and_keep(db, ac_kwh=0.0, dc_kwh=0.0)
    (row,) = rows(db, "charging_efficiency_hourly", bucket=NOON)
    assert (row["efficiency"], row["coverage"], row["verdict"]) == (None, None, "idle")


@pytest.mark.parametrize(
    ("fields", "verdict"),
    [
        ({}, "healthy"),
        # as much below what is expected as the last digits leave open
        ({"dc_kwh": 0.085}, "healthy"),
        ({"dc_kwh": 0.075}, "degraded"),
        ({"dc_kwh": 0.11}, "impossible"),
        ({"dc_kwh": None}, "insufficient"),
        ({"ac_kwh": None}, "insufficient"),
        ({"minutes": 49}, "insufficient"),
        ({"minutes": 51}, "healthy"),
        ({"dc_kwh": 0.0}, "frozen"),
        ({"ac_kwh": 0.0}, "frozen"),
        ({"ac_kwh": 0.001, "dc_kwh": 0.0005}, "idle"),
    ],
)
def test_the_verdict_of_an_hour_follows_ratio_energy_and_coverage(
    db: Connection, fields: dict[str, Any], verdict: str
) -> None:
    link(db)
    fill_and_keep(db, **fields)
    (row,) = rows(db, "charging_efficiency_hourly", bucket=NOON)
    assert row["verdict"] == verdict
    standing = {"dc_kwh": "vehicle", "ac_kwh": "meter"}
    expected = standing[next(iter(fields))] if verdict == "frozen" else None
    assert row["frozen_side"] == expected


def test_lost_readings_of_a_vehicle_lower_coverage_and_not_efficiency(db: Connection) -> None:
    link(db)
    fill(db, FIRST, 120, dc_kwh=None)
    for begin in range(0, 120, 30):
        fill(db, FIRST + begin * MINUTE, 20, ac_kwh=None)
    keep_charging(db)
    (row,) = rows(db, "charging_efficiency_daily")
    assert (row["ac_kwh"], row["dc_kwh"]) == (12, Decimal("7.2"))
    assert (row["ac_matched_kwh"], row["dc_matched_kwh"]) == (8, Decimal("7.2"))
    assert (row["efficiency"], row["coverage"]) == (Decimal("0.9"), Decimal("0.6667"))
    assert (row["loss_kwh"], row["verdict"]) == (Decimal("0.8"), "healthy")


def test_less_is_expected_of_slow_charging(db: Connection) -> None:
    link(db)
    fill_and_keep(db, DAY + MINUTE, 12 * 60, ac_kwh=0.035, dc_kwh=0.028)
    (row,) = rows(db, "charging_efficiency_daily")
    assert (row["mean_kw"], row["efficiency"]) == (Decimal("2.1"), Decimal("0.8"))
    assert (row["expected_efficiency"], row["verdict"]) == (Decimal("0.75"), "healthy")


def test_a_changed_rule_changes_verdicts_at_once(db: Connection) -> None:
    link(db)
    fill_and_keep(db)
    db.execute("UPDATE telemetry.rules SET degraded_below = 0.95")
    for relation in ("charging_efficiency_hourly", "charging_efficiency_daily"):
        assert [row["verdict"] for row in rows(db, relation) if row["ac_kwh"]] == ["degraded"]
    assert [row["verdict"] for row in rows(db, "fleet_efficiency_daily")] == ["degraded"]
    assert [row["verdict"] for row in rows(db, "meter_efficiency_daily")] == ["degraded"]
    assert [row["verdict"] for row in rows(db, "charging_session")] == ["degraded"]


def test_a_changed_link_changes_whose_energy_it_was_once_it_is_kept(db: Connection) -> None:
    link(db, "V-1", "M-1", None, NOON)
    fill_and_keep(db)
    assert rows(db, "charging_efficiency_hourly", bucket=NOON) == []
    link(db, "V-2", "M-1", NOON)
    keep_charging(db)
    (row,) = rows(db, "charging_efficiency_hourly", bucket=NOON)
    assert row["vehicle_id"] == "V-2"


def test_the_fleets_day_tells_vehicles_that_are_judged_from_the_others(db: Connection) -> None:
    shares = {"V-1": 0.09, "V-2": 0.07, "V-3": 0.12, "V-4": None, "V-5": 0.0}
    for number, (vehicle, dc_kwh) in enumerate(shares.items()):
        link(db, vehicle, f"M-{number}", DAY, DAY + HOUR)
        fill(db, DAY + MINUTE, meter=f"M-{number}", vehicle=vehicle, dc_kwh=dc_kwh)
    link(db, "V-6", "M-6", DAY, DAY + HOUR)
    fill(db, DAY + MINUTE, meter="M-6", vehicle="V-6", ac_kwh=0.001, dc_kwh=None)
    keep_charging(db)
    (row,) = rows(db, "fleet_efficiency_daily")
    assert (row["bucket"], row["day"]) == (DAY, DAY.date())
    assert (row["vehicles"], row["judged_vehicles"]) == (6, 2)
    assert (row["ac_kwh"], row["dc_kwh"]) == (Decimal("30.06"), Decimal("16.8"))
    assert (row["judged_ac_kwh"], row["judged_dc_kwh"]) == (12, Decimal("9.6"))
    assert (row["unjudged_ac_kwh"], row["unjudged_dc_kwh"]) == (Decimal("18.06"), Decimal("7.2"))
    assert (row["ac_matched_kwh"], row["dc_matched_kwh"]) == (12, Decimal("9.6"))
    assert (row["loss_kwh"], row["efficiency"]) == (Decimal("2.4"), Decimal("0.8"))
    # of 30 kWh above idle those of V-4 alone are not matched
    assert (row["coverage"], row["expected_efficiency"]) == (Decimal("0.8"), Decimal("0.85"))
    assert (row["standby_kwh"], row["verdict"]) == (Decimal("0.06"), "degraded")
    counts = {name: row[f"{name}_vehicles"] for name in VERDICTS}
    assert counts == {**dict.fromkeys(VERDICTS, 1), "drifting": 0}


VERDICTS = ["healthy", "degraded", "drifting", "impossible", "frozen", "insufficient", "idle"]


def test_the_fleet_expects_of_each_vehicle_what_its_power_allows(db: Connection) -> None:
    """One that charges slowly and well does not make the fleet degraded."""
    for number, (ac_kwh, dc_kwh) in enumerate([(0.035, 0.028), (0.175, 0.154)]):
        link(db, f"V-{number}", f"M-{number}")
        fill(
            db,
            DAY + MINUTE,
            600,
            ac_kwh=ac_kwh,
            dc_kwh=dc_kwh,
            meter=f"M-{number}",
            vehicle=f"V-{number}",
        )
    keep_charging(db)
    (row,) = rows(db, "fleet_efficiency_daily")
    assert row["expected_efficiency"] == round(Decimal((21 * 0.75 + 105 * 0.85) / 126), 6)
    assert row["verdict"] == "healthy"
    db.execute("UPDATE telemetry.rules SET slow_degraded_below = 0.99, degraded_below = 0.99")
    (row,) = rows(db, "fleet_efficiency_daily")
    assert (row["degraded_vehicles"], row["verdict"]) == (2, "degraded")


def test_a_vehicle_on_two_meters_in_a_day_is_one_of_the_fleet(db: Connection) -> None:
    link(db, "V-1", "M-1", None, NOON)
    link(db, "V-1", "M-2", NOON)
    # too little at either meter alone
    fill(db, NOON - 39 * MINUTE, 80, dc_kwh=0.09, ac_kwh=None)
    fill(db, NOON - 39 * MINUTE, 40, dc_kwh=None)
    fill_and_keep(db, FIRST, 40, dc_kwh=None, meter="M-2")
    assert [row["verdict"] for row in rows(db, "charging_efficiency_daily")] == ["insufficient"] * 2
    (fleet,) = rows(db, "fleet_efficiency_daily")
    assert (fleet["vehicles"], fleet["healthy_vehicles"], fleet["ac_kwh"]) == (1, 1, 8)


def test_a_meters_day_is_judged_over_all_its_vehicles(db: Connection) -> None:
    link(db, "V-1", "M-1", NOON, NOON + HOUR)
    link(db, "V-2", "M-1", NOON + HOUR, NOON + 2 * HOUR)
    fill(db, FIRST, 60, ac_kwh=None, dc_kwh=0.07)
    fill(db, FIRST + HOUR, 60, ac_kwh=None, dc_kwh=0.07, vehicle="V-2")
    fill(db, FIRST, 180, dc_kwh=None)
    # idle: 12 W for an hour
    fill_and_keep(db, FIRST + 3 * HOUR, 60, ac_kwh=0.0002, dc_kwh=None)
    (row,) = rows(db, "meter_efficiency_daily")
    assert (row["bucket"], row["day"], row["meter_id"]) == (DAY, DAY.date(), "M-1")
    assert (row["vehicles"], row["ac_kwh"], row["dc_kwh"]) == (2, Decimal("18.012"), Decimal("8.4"))
    assert (row["ac_active_kwh"], row["unlinked_ac_kwh"]) == (18, 6)
    assert (row["ac_matched_kwh"], row["efficiency"]) == (12, Decimal("0.7"))
    # what no vehicle drew is not expected to be matched
    assert (row["coverage"], row["verdict"]) == (1, "degraded")
    assert (row["standby_kwh"], row["standby_w"]) == (Decimal("0.012"), 12)
    assert (row["standby_hours"], row["charging_hours"], row["mean_kw"]) == (1, 3, 6)


def test_a_meter_without_a_vehicle_is_unlinked(db: Connection) -> None:
    fill_and_keep(db, dc_kwh=None)
    (row,) = rows(db, "meter_efficiency_daily")
    assert (row["vehicles"], row["verdict"], row["unlinked_ac_kwh"]) == (0, "unlinked", 6)
    assert (row["efficiency"], row["coverage"], row["standby_w"]) == (None, None, None)


def test_local_days_divide_energy_like_utc_days_in_utc(db: Connection) -> None:
    link(db, "V-1", "M-1", NOON, NOON + 30 * HOUR)
    fill_and_keep(db, FIRST - HOUR, 33 * 60)
    cursor = db.cursor(row_factory=psycopg.rows.dict_row)
    local = cursor.execute(
        "SELECT * FROM bi.charging_efficiency_local_daily('UTC', %s, %s) ORDER BY day",
        [DAY.date(), DAY.date() + timedelta(days=3)],
    ).fetchall()
    daily = rows(db, "charging_efficiency_daily")
    assert [
        {"bucket": row["bucket"], **there} for row, there in zip(daily, local, strict=True)
    ] == daily
    assert len(local) == 2


MINUTES = st.integers(0, 60 * 60)
# less than what is taken for more than one step
ENERGIES = st.integers(0, 9 * 10**6)


def overlap_free(
    links: Iterable[tuple[str, str, int, int]],
) -> list[tuple[str, str, int, int]]:
    """Those links that can all stand: nobody in two places at once."""
    kept: list[tuple[str, str, int, int]] = []
    for vehicle, meter, first, last in links:
        clear = all(last <= f or u <= first for v, m, f, u in kept if v == vehicle or m == meter)
        if first < last and clear:
            kept.append((vehicle, meter, first, last))
    return kept


@pytest.mark.slow_on_webassembly
@examples(30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    meters=st.dictionaries(st.tuples(st.sampled_from(["A", "B"]), MINUTES), ENERGIES, max_size=60),
    vehicles=st.dictionaries(
        st.tuples(st.sampled_from(["V", "W"]), MINUTES), ENERGIES, max_size=60
    ),
    links=st.lists(
        st.tuples(st.sampled_from(["V", "W"]), st.sampled_from(["A", "B"]), MINUTES, MINUTES),
        max_size=6,
    ).map(overlap_free),
)
# it reports less often while nothing flows, which reaches into the time of the link
@example(
    meters={},
    vehicles={("V", 720 + m): 0 for m in (0, 1, 3, 5, 303, 304)} | {("V", 1025): 1667},
    links=[("V", "A", 0, 1022)],
)
def test_any_readings_and_links_are_divided_by_hour_day_and_month_without_loss(
    db: Connection, meters: dict, vehicles: dict, links: list
) -> None:
    begin = NOON - timedelta(days=4)
    with db.transaction(force_rollback=True):
        spans = [
            Link(vehicle, meter, begin + first * MINUTE, begin + last * MINUTE)
            for vehicle, meter, first, last in links
        ]
        for span in spans:
            link(db, *span)
        sent: list[dict[str, dict[datetime, int]]] = [{}, {}]
        for told, readings in zip(sent, (meters, vehicles), strict=True):
            for (device, minute), energy in readings.items():
                told.setdefault(device, {})[begin + minute * MINUTE] = energy
        flat = [
            [(device, ts, mwh / 10**6) for device, told in side.items() for ts, mwh in told.items()]
            for side in sent
        ]
        assert ingest_meters(db, [MeterReading(*reading) for reading in flat[0]]) == []
        assert ingest_vehicles(db, [VehicleReading(*reading) for reading in flat[1]]) == []
        keep_charging(db)
        hours = linked_hours(spans, sent[0], sent[1])
        for grain in ("hourly", "daily", "monthly"):
            found = {
                (row["vehicle_id"], row["meter_id"], row["bucket"]): Sums(
                    int(row["ac_kwh"] * 10**6),
                    int(row["dc_kwh"] * 10**6),
                    row["meter_samples"],
                    row["vehicle_samples"],
                )
                for row in rows(db, f"charging_efficiency_{grain}")
            }
            assert found == by_bucket(hours, grain)
        # what no vehicle had is told apart, and nothing is left out
        unlinked = sum(row["ac_kwh"] for row in rows(db, "unlinked_energy_daily"))
        linked = sum(row["ac_kwh"] for row in rows(db, "fleet_efficiency_daily"))
        whole = sum(row["ac_kwh"] for row in rows(db, "meter_efficiency_daily"))
        assert int((unlinked + linked) * 10**6) == int(whole * 10**6) == sum(meters.values())
