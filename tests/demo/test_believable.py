"""What those who run chargers would wonder about."""

from __future__ import annotations

from collections import defaultdict
from datetime import UTC, datetime
from itertools import pairwise

import pytest

from service.demo.plan import Plan
from service.demo.simulation import Simulation

PLAN = Plan(datetime(2026, 1, 12, tzinfo=UTC), seed=6, vehicles=60, days=5)


@pytest.fixture(scope="module")
def voltages() -> dict[str, dict[datetime, float]]:
    """Of each meter by minute."""
    found = defaultdict[str, dict[datetime, float]](dict)
    for hour in Simulation(PLAN).run():
        for sent in hour.meters:
            found[sent.row[0]][sent.row[1].replace(second=0)] = sent.row[-1]
    return found


def test_no_grid_is_outside_of_its_tolerance(voltages: dict[str, dict[datetime, float]]):
    told = [value for of in voltages.values() for value in of.values()]
    # 230 V, up to a twentieth more or less
    assert 218 < min(told) < max(told) < 242


def test_no_two_meters_have_the_same_voltage_all_day(
    voltages: dict[str, dict[datetime, float]],
):
    curves = [tuple(sorted(of.items())[:20]) for of in voltages.values()]
    assert len(set(curves)) == len(curves)


def test_the_voltage_does_not_jump_at_midnight(voltages: dict[str, dict[datetime, float]]):
    steps = defaultdict[bool, list[float]](list)
    for of in voltages.values():
        told = sorted(of.items())
        for (before, low), (after, high) in pairwise(told):
            steps[before.day != after.day].append(high - low)
    jump = sum(steps[True]) / len(steps[True])
    usual = sum(steps[False]) / len(steps[False])
    assert abs(jump - usual) < 1.2


def test_few_come_home_empty():
    simulation = Simulation(PLAN)
    simulation.run()
    socs = [session.soc_start for session in simulation.truth.sessions]
    assert min(socs) > 0.05
    assert sum(soc < 0.1 for soc in socs) < 0.1 * len(socs)
