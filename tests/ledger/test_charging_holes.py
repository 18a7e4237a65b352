"""Efficiency is right where readings are lost for good, whatever the device tells."""

from __future__ import annotations

import pytest

from tests.ledger.charges import MINUTE, told
from tests.support.charging_account import Link
from tests.support.charging_rows import Case, kept_place, sessions
from tests.support.fold import HOUR, Reading
from tests.support.ledger import START
from tests.support.readings import Connection

pytestmark = pytest.mark.slow_on_webassembly
NOON = START + 12 * HOUR
ALWAYS = Link("A", START, START + 48 * HOUR)
HOLES = ((5, 20), (30, 45))


def with_holes(readings: list[Reading]) -> list[Reading]:
    """Those of a charge from noon on that did come."""
    return [one for one in readings if not any(a < (one.ts - NOON) / MINUTE <= b for a, b in HOLES)]


def judged(db: Connection, meter: list[Reading], vehicle: list[Reading]) -> tuple[float, str]:
    (found,) = sessions(db, kept_place(db, Case(meter, {"A": vehicle}, [ALWAYS])))
    return found["efficiency"], found["verdict"]


@pytest.mark.parametrize("kw", [3.7, 11, 130])
def test_what_a_meter_lost_that_reports_less_often_while_idle(db: Connection, kw: float) -> None:
    # a quarter of an hour of standby per reading, and a minute of the charge
    before = told(START, (12 * 60, 0.006), kind="difference", step=15 * MINUTE)
    charge = told(NOON, (60, kw), kind="difference")
    after = told(NOON + HOUR, (8 * 60, 0.006), kind="difference", step=15 * MINUTE)
    meter = [*before, *with_holes(charge), *after]
    efficiency, verdict = judged(db, meter, told(NOON, (60, kw), share=0.9))
    # what a register tells of the lost time is not matched with the minute after it
    assert (round(efficiency, 2), verdict) == (0.9, "healthy" if kw * 0.5 > 5 else "insufficient")


@pytest.mark.parametrize("side", ["meter", "vehicle"])
def test_a_counter_that_begins_anew_in_a_hole(db: Connection, side: str) -> None:
    sides = [
        told(NOON, (90, 11), share=share, kind="session_counter" if side == name else "difference")
        for name, share in (("meter", 1), ("vehicle", 0.9))
    ]
    earlier = [Reading(NOON - 20 * HOUR, 10**6, "session_counter", session="before")]
    place = 0 if side == "meter" else 1
    # twenty minutes of it are in one reading
    sides[place] = [*earlier, *sides[place][20:]]
    efficiency, verdict = judged(db, sides[0], sides[1])
    assert (round(efficiency, 3), verdict) == (0.9, "healthy")
