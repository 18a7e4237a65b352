"""What is said of a charge, by what both sides tell of it."""

from __future__ import annotations

from typing import Any

import pytest

from tests.ledger.charges import MINUTE, told
from tests.support.charging_account import Link
from tests.support.charging_rows import Case, kept_place, kept_sums, sessions
from tests.support.fold import HOUR, Reading
from tests.support.ledger import START
from tests.support.readings import Connection

pytestmark = pytest.mark.slow_on_webassembly
NOON = START + 12 * HOUR
ALWAYS = Link("A", START, START + 72 * HOUR)
KWH = 10**6


def told_session(db: Connection, meter: list[Reading], vehicle: list[Reading]) -> dict[str, Any]:
    """The one session of a meter and a vehicle."""
    (found,) = sessions(db, kept_place(db, Case(meter, {"A": vehicle}, [ALWAYS])))
    return found


def test_a_meter_of_15_minutes_is_matched_with_a_vehicle_of_one(db: Connection) -> None:
    meter = told(NOON, (4 * 60, 11), step=15 * MINUTE)
    for kind in ("difference", "lifetime_register"):
        vehicle = told(NOON, (4 * 60, 11), share=0.9, kind=kind)
        found = told_session(db, meter, vehicle)
        assert found["efficiency"] == pytest.approx(0.9, abs=0.0001)
        # the meter's first and last steps may have flowed in less than all of them
        assert found["coverage"] == pytest.approx(13 / 15, abs=0.0001)
        assert found["verdict"] == "healthy"


@pytest.mark.parametrize("coarse", ["meter", "vehicle", "both"])
@pytest.mark.parametrize("kw", [3, 11])
@pytest.mark.parametrize("quantum", [10**5, 10**6])
def test_coarse_registers_are_matched_and_not_idle(
    db: Connection, coarse: str, kw: float, quantum: int
) -> None:
    meter, vehicle = (
        told(NOON, (360, kw), share=share, quantum=quantum if coarse in (side, "both") else 1)
        for side, share in (("meter", 1), ("vehicle", 0.9))
    )
    found = told_session(db, meter, vehicle)
    assert found["efficiency"] == pytest.approx(0.9, abs=0.05)
    assert found["coverage"] > 0.95
    assert found["standby_mwh"] == 0
    assert (found["verdict"], found["frozen_side"]) == (
        "insufficient" if found["uncertainty"] > 0.1 else "healthy",
        None,
    )


@pytest.mark.parametrize("quantum", [1, 10**5, 10**6])
def test_a_counter_that_stands_all_night_is_idle(db: Connection, quantum: int) -> None:
    phases = [(120, 11), (10 * 60, 0), (60, 11)]
    meter, vehicle = (told(NOON, *phases, share=share, quantum=quantum) for share in (1, 0.9))
    place = kept_place(db, Case(meter, {"A": vehicle}, [ALWAYS]))
    found = sessions(db, place)
    assert len(found) == 2
    night = [row for (hour, _), row in kept_sums(db, place).items() if 15 <= hour.hour < 23]
    assert len(night) == 8
    assert {(row["active_us"], row["standby_us"] // 10**6) for row in night} == {(0, 3600)}


@pytest.mark.parametrize("kind", ["lifetime_register", "difference"])
def test_what_flows_while_the_vehicle_is_silent_is_nobodys_loss(db: Connection, kind: str) -> None:
    meter = told(NOON, (240, 11))
    vehicle = told(NOON, (240, 11), share=0.9, kind=kind)
    heard = [one for one in vehicle if not NOON + HOUR < one.ts <= NOON + 2 * HOUR]
    found = told_session(db, meter, heard)
    assert found["efficiency"] == pytest.approx(0.9, abs=0.0001)
    # a register tells afterwards what flowed
    assert found["coverage"] == pytest.approx(1 if kind != "difference" else 0.75, abs=0.01)
    assert found["verdict"] == "healthy"
    if kind == "difference":
        found = told_session(db, meter, vehicle[:100])
        assert found["verdict"] == "insufficient"


def test_a_side_whose_value_stands_is_frozen(db: Connection) -> None:
    flows, stands = told(NOON, (120, 11)), told(NOON, (120, 0))
    for meter, vehicle, side in ((flows, stands, "vehicle"), (stands, flows, "meter")):
        found = told_session(db, meter, vehicle)
        assert (found["verdict"], found["frozen_side"]) == ("frozen", side)
    # one that says nothing is not
    assert told_session(db, flows, [])["verdict"] == "insufficient"


SOUND = {
    "ac_mwh": 20 * KWH,
    "ac_matched_mwh": 20 * KWH,
    "dc_mwh": 18 * KWH,
    "dc_matched_mwh": 18 * KWH,
    "ac_standing_mwh": 0,
    "dc_standing_mwh": 0,
    "standby_mwh": 0,
    "edge_mwh": 0,
    "ac_resolution_mwh": 0,
    "dc_resolution_mwh": 0,
    "matched_us": 2 * 3600 * 10**6,
    "battery_temp_mc": None,
    "is_drifting": False,
}


def judged(db: Connection, **changes: Any) -> dict[str, Any]:
    """What telemetry.judged says of a sound charge with changes."""
    sums = SOUND | changes
    arguments = ", ".join(
        f"{name} => %({name})s::{'boolean' if name == 'is_drifting' else 'double precision'}"
        for name in sums
    )
    cursor = db.execute(
        f"SELECT j.* FROM telemetry.rules AS r,"  # type: ignore[arg-type]
        f" LATERAL telemetry.judged({arguments}, rules => r) AS j",
        sums,
    )
    names = [column.name for column in cursor.description or ()]
    return dict(zip(names, cursor.fetchone() or (), strict=True))


def matched(ac: float, dc: float) -> dict[str, Any]:
    """Sums of so many kWh, all of it matched."""
    return {
        "ac_mwh": ac * KWH,
        "ac_matched_mwh": ac * KWH,
        "dc_mwh": dc * KWH,
        "dc_matched_mwh": dc * KWH,
    }


BELOW = 1 - 10**-6


@pytest.mark.parametrize(
    ("changes", "verdict"),
    [
        ({}, "healthy"),
        (matched(20, 17), "healthy"),
        (matched(20, 17 * BELOW), "degraded"),
        # not for certain
        (matched(20, 16.5) | {"edge_mwh": KWH}, "healthy"),
        (matched(20, 16.5) | {"edge_mwh": KWH * 0.99}, "degraded"),
        (matched(20, 16.5) | {"dc_resolution_mwh": KWH / 2}, "healthy"),
        (matched(20, 16.5) | {"ac_resolution_mwh": KWH / 2}, "degraded"),
        (matched(20, 20), "healthy"),
        (matched(20, 20 / BELOW), "impossible"),
        (matched(20, 21) | {"edge_mwh": 2 * KWH}, "healthy"),
        (matched(20, 21) | {"edge_mwh": 1.99 * KWH}, "impossible"),
        # too little of it
        (matched(5, 4.5), "healthy"),
        (matched(5 * BELOW, 4.5), "insufficient"),
        ({"ac_mwh": 40 * KWH}, "healthy"),
        ({"ac_mwh": 40 * KWH / BELOW}, "insufficient"),
        ({"edge_mwh": 4 * KWH}, "healthy"),
        ({"edge_mwh": 4 * KWH / BELOW}, "insufficient"),
        (matched(0, 0), "idle"),
        (matched(0, 0) | {"standby_mwh": 3 * KWH}, "idle"),
        # drifting is said of what is not worse
        ({"is_drifting": True}, "drifting"),
        (matched(20, 16) | {"is_drifting": True}, "degraded"),
        (matched(4, 3.6) | {"is_drifting": True}, "insufficient"),
        # nothing is expected of what is slow, or cold, as of other charges
        (matched(20, 15.1) | {"matched_us": 10 * 3600 * 10**6}, "healthy"),
        (matched(20, 14.9) | {"matched_us": 10 * 3600 * 10**6}, "degraded"),
        (matched(20, 16) | {"battery_temp_mc": -3000}, "healthy"),
        (matched(20, 16) | {"battery_temp_mc": 7000}, "degraded"),
        # one side flows, and the other one stands
        (matched(20, 0) | {"ac_standing_mwh": 20 * KWH}, "frozen"),
        (matched(20, 9) | {"ac_standing_mwh": 10 * KWH}, "frozen"),
        (matched(20, 9) | {"ac_standing_mwh": 10 * KWH * BELOW}, "degraded"),
        (matched(0.9, 0) | {"ac_standing_mwh": 0.9 * KWH}, "insufficient"),
        (matched(0, 0) | {"dc_mwh": KWH, "dc_standing_mwh": KWH}, "frozen"),
        (matched(0, 0) | {"dc_mwh": KWH, "dc_standing_mwh": KWH, "standby_mwh": 9}, "impossible"),
        (matched(0, 0) | {"dc_mwh": KWH}, "insufficient"),
    ],
)
def test_a_verdict_follows_from_sums(db: Connection, changes: dict[str, Any], verdict: str) -> None:
    assert judged(db, **changes)["verdict"] == verdict


def test_what_is_unknown_is_never_healthy(db: Connection) -> None:
    for name in SOUND:
        if name.endswith("resolution_mwh") or name in ("battery_temp_mc", "is_drifting"):
            continue
        said = judged(db, **{name: None})["verdict"]
        if name in ("ac_mwh", "ac_matched_mwh", "dc_matched_mwh", "edge_mwh", "matched_us"):
            assert said == "insufficient", name
    assert judged(db, matched_us=0)["verdict"] == "insufficient"
