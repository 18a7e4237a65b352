"""Charging efficiency divides energy by links, exactly, and says what it can be judged by."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import psycopg
import pytest
from hypothesis import HealthCheck, given
from hypothesis import strategies as st

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


def rows(db: Connection, relation: str, **wanted: object) -> list[dict]:
    cursor = db.cursor(row_factory=psycopg.rows.dict_row)
    where = " AND ".join(["true", *(f"{name} = %({name})s" for name in wanted)])
    return cursor.execute(
        f"SELECT * FROM bi.{relation} WHERE {where} ORDER BY 1, 2", wanted
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


def test_an_hour_has_energy_of_both_sides_loss_efficiency_coverage_and_verdict(
    db: Connection,
) -> None:
    link(db)
    fill(db)
    (row,) = rows(db, "charging_efficiency_hourly")
    assert row == {
        "bucket": NOON,
        "vehicle_id": "V-1",
        "ac_kwh": Decimal(6),
        "dc_kwh": Decimal("5.4"),
        "loss_kwh": Decimal("0.6"),
        "efficiency": Decimal("0.9"),
        "meter_coverage": 1,
        "vehicle_coverage": 1,
        "verdict": "healthy",
        "meter_samples": 60,
        "vehicle_samples": 60,
        "linked": HOUR,
        "linked_hours": 1,
    }


def test_an_hour_between_two_vehicles_is_split_at_the_links_boundary(db: Connection) -> None:
    change = NOON + timedelta(minutes=20, seconds=30)
    link(db, "V-1", "M-1", None, change)
    link(db, "V-2", "M-1", change)
    fill(db, dc_kwh=None)
    fill(db, ac_kwh=None, vehicle="V-1")
    fill(db, ac_kwh=None, vehicle="V-2")
    found = {row["vehicle_id"]: row for row in rows(db, "charging_efficiency_hourly")}
    assert found["V-1"]["ac_kwh"] == Decimal("2.1")  # 21 minutes have begun
    assert found["V-2"]["ac_kwh"] == Decimal("3.9")
    assert found["V-1"]["linked"] + found["V-2"]["linked"] == HOUR
    assert found["V-1"]["meter_coverage"] == 1
    daily = {row["vehicle_id"]: row for row in rows(db, "charging_efficiency_daily")}
    for vehicle in ("V-1", "V-2"):
        assert daily[vehicle]["ac_kwh"] == found[vehicle]["ac_kwh"]
        assert daily[vehicle]["dc_kwh"] == found[vehicle]["dc_kwh"]
    assert daily["V-1"]["linked"] + daily["V-2"]["linked"] == timedelta(days=1)


def test_energy_while_not_linked_belongs_to_nobody(db: Connection) -> None:
    link(db, "V-1", "M-1", NOON, NOON + HOUR)
    fill(db, NOON - HOUR, 180)
    (row,) = rows(db, "charging_efficiency_hourly")
    assert (row["bucket"], row["ac_kwh"], row["dc_kwh"]) == (NOON, Decimal(6), Decimal("5.4"))
    (day,) = rows(db, "charging_efficiency_daily")
    assert (day["ac_kwh"], day["dc_kwh"], day["linked"]) == (Decimal(6), Decimal("5.4"), HOUR)


def test_a_link_inside_one_hour_has_its_part_of_it(db: Connection) -> None:
    link(db, "V-1", "M-1", NOON + 10 * MINUTE, NOON + 40 * MINUTE)
    fill(db)
    (row,) = rows(db, "charging_efficiency_hourly")
    assert (row["ac_kwh"], row["linked"], row["meter_samples"]) == (Decimal(3), HOUR / 2, 30)


def test_an_hour_without_ac_has_no_efficiency(db: Connection) -> None:
    link(db)
    fill(db, ac_kwh=0.0, dc_kwh=0.0)
    (row,) = rows(db, "charging_efficiency_hourly")
    assert (row["efficiency"], row["verdict"]) == (None, "insufficient")


@pytest.mark.parametrize(
    ("fields", "verdict"),
    [
        ({}, "healthy"),
        ({"dc_kwh": 0.085}, "healthy"),
        ({"dc_kwh": 0.084}, "degraded"),
        ({"dc_kwh": 0.11}, "impossible"),
        ({"dc_kwh": None}, "insufficient"),
        ({"ac_kwh": None}, "insufficient"),
        ({"minutes": 29}, "insufficient"),
        ({"minutes": 31}, "healthy"),
        ({"ac_kwh": 0.001, "dc_kwh": 0.0005}, "insufficient"),
    ],
)
def test_the_verdict_of_an_hour_follows_ratio_energy_and_coverage(
    db: Connection, fields: dict, verdict: str
) -> None:
    link(db)
    fill(db, **fields)
    (row,) = rows(db, "charging_efficiency_hourly")
    assert row["verdict"] == verdict


def test_a_changed_rule_changes_verdicts_at_once(db: Connection) -> None:
    link(db)
    fill(db)
    db.execute("UPDATE telemetry.rules SET degraded_below = 0.95")
    assert [row["verdict"] for row in rows(db, "charging_efficiency_hourly")] == ["degraded"]


def test_a_changed_link_changes_whose_energy_it_was_at_once(db: Connection) -> None:
    link(db, "V-1", "M-1", None, NOON)
    fill(db)
    assert rows(db, "charging_efficiency_hourly") == []
    link(db, "V-2", "M-1", NOON)
    assert [row["vehicle_id"] for row in rows(db, "charging_efficiency_hourly")] == ["V-2"]


def test_the_present_hour_expects_readings_until_now_alone(db: Connection) -> None:
    # not NOW, which is as far back as the tests have run
    begin = datetime.now(UTC).replace(second=0, microsecond=0) - 40 * MINUTE
    link(db, since=begin)
    # the last one of this minute, so that an hour that has just begun has a reading too
    fill(db, begin, 41)
    for row in rows(db, "charging_efficiency_hourly"):
        assert row["meter_coverage"] > Decimal("0.6")


def test_the_fleets_day_sums_vehicles_and_counts_them_by_verdict(db: Connection) -> None:
    shares = {"V-1": 0.09, "V-2": 0.07, "V-3": 0.12, "V-4": None}
    for number, (vehicle, dc_kwh) in enumerate(shares.items()):
        link(db, vehicle, f"M-{number}", DAY, DAY + HOUR)
        fill(db, DAY, meter=f"M-{number}", vehicle=vehicle, dc_kwh=dc_kwh)
    (row,) = rows(db, "fleet_efficiency_daily")
    assert (row["bucket"], row["vehicles"]) == (DAY, 4)
    assert (row["ac_kwh"], row["dc_kwh"], row["loss_kwh"]) == (24, Decimal("16.8"), Decimal("7.2"))
    assert (row["efficiency"], row["verdict"]) == (Decimal("0.7"), "degraded")
    assert [row[f"{verdict}_vehicles"] for verdict in ("healthy", "degraded", "impossible")] == [
        1,
        1,
        1,
    ]
    assert row["insufficient_vehicles"] == 1


def test_local_days_divide_energy_like_utc_days_in_utc(db: Connection) -> None:
    link(db, "V-1", "M-1", NOON, NOON + 30 * HOUR)
    fill(db, NOON - HOUR, 33 * 60)
    local = db.execute(
        "SELECT day, vehicle_id, ac_kwh, dc_kwh, efficiency, meter_coverage, verdict"
        " FROM bi.charging_efficiency_local_daily('UTC', %s, %s) ORDER BY day",
        [DAY.date(), DAY.date() + timedelta(days=3)],
    ).fetchall()
    daily = rows(db, "charging_efficiency_daily")
    assert local == [
        (
            row["bucket"].date(),
            row["vehicle_id"],
            row["ac_kwh"],
            row["dc_kwh"],
            row["efficiency"],
            row["meter_coverage"],
            row["verdict"],
        )
        for row in daily
    ]
    assert len(local) == 2


MINUTES = st.integers(0, 60 * 60)


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
    meters=st.dictionaries(
        st.tuples(st.sampled_from(["A", "B"]), MINUTES), st.integers(0, 10**7), max_size=60
    ),
    vehicles=st.dictionaries(
        st.tuples(st.sampled_from(["V", "W"]), MINUTES), st.integers(0, 10**7), max_size=60
    ),
    links=st.lists(
        st.tuples(st.sampled_from(["V", "W"]), st.sampled_from(["A", "B"]), MINUTES, MINUTES),
        max_size=6,
    ).map(overlap_free),
)
def test_any_readings_and_links_are_divided_by_hour_and_day_without_loss(
    db: Connection, meters: dict, vehicles: dict, links: list
) -> None:
    begin = NOON - timedelta(days=4)
    with db.transaction(force_rollback=True):
        for vehicle, meter, first, last in links:
            link(db, vehicle, meter, begin + first * MINUTE, begin + last * MINUTE)
        ingest_meters(
            db, [MeterReading(m, begin + t * MINUTE, e / 10**6) for (m, t), e in meters.items()]
        )
        ingest_vehicles(
            db, [VehicleReading(v, begin + t * MINUTE, e / 10**6) for (v, t), e in vehicles.items()]
        )
        for grain, width in (("hourly", HOUR), ("daily", timedelta(days=1))):
            expected: dict[tuple[datetime, str], list[int]] = {}
            for vehicle, meter, first, last in links:
                for side, (readings, device) in enumerate(((meters, meter), (vehicles, vehicle))):
                    for (name, minute), energy in readings.items():
                        if name == device and first <= minute < last:
                            ts = begin + minute * MINUTE
                            bucket = ts - (ts - DAY) % width
                            sums = expected.setdefault((bucket, vehicle), [0, 0, 0, 0])
                            sums[side] += energy
                            sums[2 + side] += 1
            found = {
                (row["bucket"], row["vehicle_id"]): [
                    int(row["ac_kwh"] * 10**6),
                    int(row["dc_kwh"] * 10**6),
                    row["meter_samples"],
                    row["vehicle_samples"],
                ]
                for row in rows(db, f"charging_efficiency_{grain}")
            }
            assert found == expected
