"""What a charging session is: where it begins and ends, and what belongs to it."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest

from tests.ledger.charges import MINUTE, told
from tests.support.charging_account import Link
from tests.support.charging_rows import Case, keep, kept_place, new_place, sessions
from tests.support.fold import HOUR, Reading
from tests.support.ledger import START, settle
from tests.support.readings import Connection

pytestmark = pytest.mark.slow_on_webassembly
NOON = START + 12 * HOUR
ALWAYS = Link("A", START, START + 48 * HOUR)
KWH = 10**6


def times(found: list[dict[str, Any]]) -> list[tuple[datetime, datetime]]:
    """When they begin and end."""
    return [(one["started_at"], one["ended_at"]) for one in found]


def without(readings: list[Reading], since: datetime, until: datetime) -> list[Reading]:
    """Readings that are not of a time."""
    return [one for one in readings if not since < one.ts <= until]


@pytest.mark.parametrize("kind", ["lifetime_register", "difference"])
@pytest.mark.parametrize("silent", [29, 30])
def test_a_pause_of_30_minutes_ends_a_session_and_one_of_29_does_not(
    db: Connection, kind: str, silent: int
) -> None:
    # registers stand, and of differences nothing is told; a little tells how fine they are
    phases = [(59, 11), (1, 0.2), (silent, 0), (60, 11)]
    meter, vehicle = (told(NOON, *phases, kind=kind, share=share) for share in (1, 0.9))
    if kind == "difference":
        pause = NOON + HOUR, NOON + HOUR + silent * MINUTE
        meter, vehicle = without(meter, *pause), without(vehicle, *pause)
    found = sessions(db, kept_place(db, Case(meter, {"A": vehicle}, [ALWAYS])))
    assert len(found) == (2 if silent == 30 else 1)
    # a step at each end of flow, not sure to be matched
    kw = 22 if silent == 29 and kind == "difference" else 33.2
    assert sum(one["edge_mwh"] for one in found) == pytest.approx(kw * KWH / 60, abs=4)
    assert {one["verdict"] for one in found} == {"healthy"}


def test_a_silence_through_which_a_register_counts_ends_no_session(db: Connection) -> None:
    silent = NOON + HOUR, NOON + 4 * HOUR
    meter, vehicle = (without(told(NOON, (300, 11), share=share), *silent) for share in (1, 0.9))
    (found,) = sessions(db, kept_place(db, Case(meter, {"A": vehicle}, [ALWAYS])))
    assert (found["started_at"], found["ended_at"]) == (NOON + MINUTE, NOON + 5 * HOUR)
    assert (found["verdict"], found["coverage"]) == ("healthy", 1)


def test_a_charge_begins_with_an_edge_though_a_coarse_register_stands_first(db: Connection) -> None:
    # 0.1 kWh at 2 kW: it stands two minutes of three
    meter = told(NOON, (120, 2), quantum=10**5)
    vehicle = told(NOON, (120, 2), share=0.9)
    assert meter[0].mwh == meter[1].mwh == 0
    (found,) = sessions(db, kept_place(db, Case(meter, {"A": vehicle}, [ALWAYS])))
    assert found["started_at"] == NOON + MINUTE
    assert found["edge_mwh"] == pytest.approx(30_000 + 100_000, abs=2)


def test_what_is_idle_before_and_after_it_is_not_of_the_session(db: Connection) -> None:
    phases = [(20, 0.03), (5, 11), (10, 0.06), (30, 11), (100, 0.03)]
    meter, vehicle = (told(NOON, *phases, share=share) for share in (1, 0.9))
    # though the link begins with the hour in which it flows
    links = [Link("A", NOON - HOUR, NOON + 15 * MINUTE)]
    links += [Link("A", NOON + 15 * MINUTE, NOON + 24 * HOUR)]
    place = kept_place(db, Case(meter, {"A": vehicle}, links))
    (found,) = sessions(db, place)
    assert times([found]) == [(NOON + 20 * MINUTE, NOON + 65 * MINUTE)]
    assert (found["standby_mwh"], found["standby_us"]) == (KWH / 100, 10 * 60 * 10**6)
    assert found["ac_mwh"] == pytest.approx(35 * 11 * KWH / 60, abs=2)
    assert found["dc_mwh"] == pytest.approx(0.9 * (found["ac_mwh"] + found["standby_mwh"]), abs=2)
    assert (found["meter_samples"], found["vehicle_samples"]) == (45, 45)
    # it is told apart, not lost
    (standby,) = db.execute(
        "SELECT sum(standby_mwh) FROM telemetry.charging_part WHERE meter_id = %s",
        [place.meter.device_id],
    ).fetchone() or (0,)
    assert int(standby) == pytest.approx((20 * 0.03 + 10 * 0.06 + 100 * 0.03) * KWH / 60, abs=999)


def test_a_link_of_a_vehicle_of_which_nothing_came_ends_a_session(db: Connection) -> None:
    flow = told(NOON, (110, 11), kind="difference")
    meter = without(flow, NOON + 50 * MINUTE, NOON + 60 * MINUTE)
    link = Link("A", NOON + 51 * MINUTE, NOON + 58 * MINUTE)
    found = sessions(db, kept_place(db, Case(meter, {"A": []}, [link])))
    assert times(found) == [
        (NOON, NOON + 50 * MINUTE),
        (NOON + 60 * MINUTE, NOON + 110 * MINUTE),
    ]


@pytest.mark.parametrize("names", ["meter", "vehicle"])
def test_a_session_is_plugged_in_while_it_is_named(db: Connection, names: str) -> None:
    phases = [(60, 11), (600, 0.02)]
    meter, vehicle = (
        told(NOON, *phases, share=share, names="always" if side == names else "never")
        for share, side in ((1, "meter"), (0.9, "vehicle"))
    )
    links = [Link("A", START, NOON + 400 * MINUTE)]
    place = kept_place(db, Case(meter[:90], {"A": vehicle[:90]}, links))
    (found,) = sessions(db, place)
    assert found["ended_at"] == NOON + HOUR
    assert found["unplugged_at"] == NOON + 90 * MINUTE
    # hour by hour, as it comes, until the link ends
    later = Case(meter[90:], {"A": vehicle[90:]}, [])
    place.send_all(db, later)
    settle(db)
    for n in range(2, 12):
        keep(db, place, NOON + n * HOUR, NOON + (n + 1) * HOUR)
    (found,) = sessions(db, place)
    assert found["unplugged_at"] == NOON + 399 * MINUTE


def test_a_reading_that_came_late_shares_with_the_next_one_of_its_hour(db: Connection) -> None:
    levels = {0: 0, 10: 1.5, 20: 2, 30: 3}
    meter = [Reading(NOON + n * MINUTE, round(kwh * KWH)) for n, kwh in levels.items()]
    case = Case(meter, {}, [])
    place = new_place({})
    for sent in (meter[:1], meter[2:], meter[1:2]):
        place.send_all(db, case._replace(meter=sent))
        settle(db)
    keep(db, place, NOON, NOON + HOUR)
    (peak,) = db.execute(
        "SELECT max(peak_w) FROM telemetry.charging_part WHERE meter_id = %s",
        [place.meter.device_id],
    ).fetchone() or (0,)
    assert peak == 9000


def test_what_flows_at_just_the_power_below_which_it_is_idle_is_not(db: Connection) -> None:
    # 0.1 kW, as floating-point numbers do not have it
    meter = [Reading(NOON + n * 504 * MINUTE / 60, n * 14_000) for n in range(9)]
    (found,) = sessions(db, kept_place(db, Case(meter, {}, [])))
    assert (found["ac_mwh"], found["standby_mwh"]) == (8 * 14_000, 0)
