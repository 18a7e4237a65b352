"""What is kept of charging does not depend on the windows that it is kept by."""

from __future__ import annotations

import pytest

from tests.ledger.charges import MINUTE, told
from tests.support.charging_account import Link
from tests.support.charging_rows import (
    Case,
    expected_sums,
    forget,
    keep,
    kept,
    new_place,
    settle_charging,
    sums_now,
)
from tests.support.fold import HOUR
from tests.support.ledger import START, settle
from tests.support.readings import Connection

NOON = START + 12 * HOUR
pytestmark = pytest.mark.slow_on_webassembly
ALWAYS = (START, START + 48 * HOUR)


def check(db: Connection, case: Case) -> int:
    """Kept hour by hour it is the same as kept at once; return how many sessions there are."""
    place = new_place(case.vehicles)
    place.tell(db, case)
    place.send_all(db, case)
    settle(db)
    hours = (case.until - case.since) // HOUR
    for first in (0, 1):
        for n in [*range(first, hours, 2), *range(1 - first, hours, 2)]:
            keep(db, place, case.since + n * HOUR, case.since + (n + 1) * HOUR)
        found = kept(db, place)
        assert found[0]
        forget(db, place)
        keep(db, place, case.since, case.until)
        assert kept(db, place) == found
        forget(db, place)
    keep(db, place, case.since, case.until)
    return len(kept(db, place)[1])


def test_a_silence_in_which_the_charge_goes_on_is_no_edge_of_it(db: Connection) -> None:
    flow = told(NOON, (8 * 60, 11))
    meter = [one for one in flow if not NOON + HOUR < one.ts < NOON + 7 * HOUR]
    check(db, Case(meter, {"A": told(NOON, (8 * 60, 11), share=0.9)}, [Link("A", *ALWAYS)]))


def test_a_counter_that_stood_long_before_the_window_is_idle(db: Connection) -> None:
    # coarse ones, that count a little in the night
    phases = [(60, 11), (170, 0.04), (50, 11)]
    meter = told(NOON, *phases, quantum=10**5)
    vehicle = told(NOON, *phases, quantum=10**5, share=0.9)
    for shifted in (0, 31, 59):
        meter = [one._replace(ts=one.ts + shifted * MINUTE) for one in meter]
        check(db, Case(meter, {"A": vehicle}, [Link("A", *ALWAYS)]))


def test_what_the_vehicle_named_before_it_fell_silent_goes_on(db: Connection) -> None:
    vehicle = told(NOON, (6 * 60, 11), share=0.9, kind="difference", names="always")
    ends = NOON + 4.5 * HOUR
    vehicle = [
        one._replace(session="first" if one.ts < ends else "second")
        for one in vehicle
        if not NOON + HOUR / 2 < one.ts < ends
    ]
    # what is named later ends it, in the middle of an hour
    case = Case(told(NOON, (6 * 60, 11)), {"A": vehicle}, [Link("A", *ALWAYS)])
    assert check(db, case) == 2


def test_a_reading_on_the_hour_is_answered_though_not_kept_yet(db: Connection) -> None:
    case = Case(told(NOON, (60, 11)), {"A": []}, [Link("A", *ALWAYS)])
    place = new_place(case.vehicles)
    place.tell(db, case)
    place.send_all(db, case._replace(meter=case.meter[:-1]))
    settle_charging(db)
    place.send_all(db, case)
    assert sums_now(db, place, case.since, case.until) == expected_sums(case, place)
