"""What the truth says of readings that never came, beside what was sent."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from service.demo.channel import Row
from service.demo.plan import Plan
from service.demo.simulation import Simulation
from service.demo.truth import SessionTruth
from service.demo.verdict import Cover

# some of its devices lose much
PLAN = Plan(datetime(2026, 1, 12, tzinfo=UTC), seed=4, vehicles=120, days=4)


@pytest.fixture(scope="module")
def fleet() -> Simulation:
    return Simulation(PLAN)


@pytest.fixture(scope="module")
def rows(fleet: Simulation) -> dict[str, list[Row]]:
    """What arrives of each vehicle, once."""
    found = defaultdict[str, dict[object, Row]](dict)
    for hour in [*fleet.run(), *fleet.rest()]:
        for sent in hour.vehicles:
            found[sent.row[0]][sent.row[1]] = sent.row
    return {name: list(by_time.values()) for name, by_time in found.items()}


def cover_of(session: SessionTruth) -> Cover:
    return Cover(*map(sum, zip(*session.covered.values(), strict=True)))


def at_whole_meters(
    fleet: Simulation, kind: str, *, loses: bool
) -> Iterator[tuple[SessionTruth, Cover]]:
    """Charges of vehicles of a kind, where all of the meter came."""
    end = PLAN.start + timedelta(days=PLAN.days)
    for session in fleet.truth.sessions:
        meter = fleet.truth.devices["meter", session.linked_meter_id]
        vehicle = fleet.truth.devices["vehicle", session.vehicle_id]
        is_whole = meter.sent == meter.measured and meter.kind != "session_counter"
        # before its first reading a register says nothing
        is_between = PLAN.start + timedelta(hours=1) < session.since < session.energy_until < end
        is_meant = vehicle.kind == kind and (vehicle.sent < vehicle.measured) is loses
        if is_whole and is_between and is_meant:
            yield session, cover_of(session)


def test_all_is_covered_where_each_reading_came(fleet: Simulation, rows: dict[str, list[Row]]):
    found = list(at_whole_meters(fleet, "difference", loses=False))
    assert found
    for session, cover in found:
        ac = sum(flow.ac for flow in session.hours.values())
        assert cover == (ac, ac, session.battery)
        assert list(session.covered) == list(session.hours)


def test_differences_that_never_came_are_not_covered(fleet: Simulation, rows: dict[str, list[Row]]):
    found = list(at_whole_meters(fleet, "difference", loses=True))
    assert any(cover.dc < 0.8 * session.battery for session, cover in found)
    for session, cover in found:
        # clocks are off by less than two minutes
        until = session.energy_until + timedelta(minutes=3)
        told = [
            round(row[3] * 1e6)
            for row in rows[session.vehicle_id]
            if session.since <= row[1] <= until
        ]
        assert cover.dc == sum(told)
        assert cover.dc <= cover.ac <= cover.told_ac
        assert cover.told_ac == sum(flow.ac for flow in session.hours.values())


def test_a_register_tells_what_flowed_while_it_was_not_heard(
    fleet: Simulation, rows: dict[str, list[Row]]
):
    found = list(at_whole_meters(fleet, "lifetime_register", loses=True))
    heard = {name: (min(r[1] for r in of), max(r[1] for r in of)) for name, of in rows.items()}
    between = [
        (session, cover)
        for session, cover in found
        if heard[session.vehicle_id][0] < session.since
        and session.energy_until + timedelta(minutes=3) < heard[session.vehicle_id][1]
    ]
    assert between
    for session, cover in between:
        assert cover.dc == session.battery


def test_a_counter_of_sessions_does_not_tell_of_the_one_before(
    fleet: Simulation, rows: dict[str, list[Row]]
):
    found = list(at_whole_meters(fleet, "session_counter", loses=True))
    assert any(cover.dc < session.battery for session, cover in found)
    for session, cover in found:
        if session.session_id not in {row[5] for row in rows[session.vehicle_id]}:
            assert cover.dc == 0


def test_too_little_covered_is_insufficient(fleet: Simulation, rows: dict[str, list[Row]]):
    lacking = [
        (session, cover_of(session))
        for session in fleet.truth.sessions
        if session.verdicts == ("insufficient",) and session.battery > 7_000_000
    ]
    assert lacking
    for _, cover in lacking:
        assert cover.ac < 5_000_000 or cover.ac < cover.told_ac / 2
    # and days have what their sessions have
    days = [day.cover for day in fleet.truth.days()]
    assert sum(cover.ac for cover in days) == sum(
        cover_of(session).ac for session in fleet.truth.sessions
    )
