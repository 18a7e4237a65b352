"""Which verdicts are right, by rule."""

from __future__ import annotations

import pytest

from service.demo.verdict import Cover, Flow, right

SOUND = Flow(ac=11_000_000, dc=10_000_000, minutes=60)
LOW = SOUND._replace(dc=8_000_000)
BARELY_LOW = SOUND._replace(dc=9_300_000)
LITTLE = Flow(ac=4_500_000, dc=4_000_000, minutes=60)
EITHER = Flow(ac=5_400_000, dc=4_900_000, minutes=60)
LONG = Flow(ac=44_000_000, dc=40_000_000, minutes=240)
TINY = Flow(ac=900_000, dc=800_000, minutes=60)
UNRELATED = ("frozen", "impossible", "degraded")


@pytest.mark.parametrize(
    ("flow", "faults", "lost_points", "verdicts"),
    [
        (Flow(standby=100), {"silent_device"}, 0, ("idle",)),
        (SOUND, {"silent_device"}, 0, ("insufficient",)),
        (SOUND, (), 0, ("healthy",)),
        (LITTLE, (), 0, ("insufficient",)),
        # enough is drawn, and less is stored
        (EITHER, (), 0, ("insufficient", "healthy")),
        (SOUND, {"frozen_counter"}, 0, ("frozen",)),
        (LITTLE, {"frozen_counter"}, 0, ("insufficient", "frozen")),
        (TINY, {"frozen_counter"}, 0, ("insufficient",)),
        (SOUND, {"swapped_meters"}, 0, UNRELATED),
        (SOUND, {"wrong_link"}, 0, UNRELATED),
        (LOW, {"charger_step"}, 12, ("degraded",)),
        (SOUND, {"charger_step"}, 12, ("drifting", "healthy")),
        (SOUND, {"slow_drift"}, 4, ("healthy",)),
        # it may be low by so few points, or by the cold
        (BARELY_LOW, {"slow_drift"}, 4, ("healthy", "degraded")),
        (BARELY_LOW, {"slow_drift"}, 6, ("drifting", "degraded")),
        (LOW, {"slow_drift"}, 6, ("drifting", "healthy", "degraded")),
        (SOUND, {"slow_drift"}, 6, ("drifting", "healthy")),
        (SOUND, {"slow_drift"}, 11, ("drifting",)),
        (LOW, {"slow_drift"}, 11, ("drifting", "degraded")),
    ],
)
def test_verdicts_are_right_by_energy_and_fault(
    flow: Flow, faults: set[str], lost_points: float, verdicts: tuple[str, ...]
):
    assert right(flow, faults, lost_points) == verdicts


def test_less_power_is_expected_to_lose_more():
    assert Flow(ac=3_600_000, dc=1, minutes=60).expected_efficiency == 0.85
    assert Flow(ac=3_599_999, dc=1, minutes=60).expected_efficiency == 0.75
    assert Flow(standby=1).expected_efficiency is None


@pytest.mark.parametrize(
    ("flow", "faults", "cover", "verdicts"),
    [
        # the vehicle tells nothing, little, half, and most of what the meter does
        (LONG, (), Cover(44_000_000), ("insufficient",)),
        (LONG, (), Cover(44_000_000, 18_000_000, 16_000_000), ("insufficient",)),
        (LONG, (), Cover(44_000_000, 22_000_000, 20_000_000), ("insufficient", "healthy")),
        (LONG, (), Cover(44_000_000, 26_000_000, 24_000_000), ("healthy",)),
        # the meter tells too little, or less than half
        (SOUND, (), Cover(4_000_000, 4_000_000, 3_600_000), ("insufficient",)),
        (LONG, (), Cover(20_000_000, 20_000_000, 18_000_000), ("insufficient", "healthy")),
        (LONG, (), Cover(), ("insufficient", "idle")),
        (LONG, {"charger_step"}, Cover(44_000_000, 26_000_000, 20_000_000), ("degraded",)),
        (LONG, {"charger_step"}, Cover(44_000_000, 9_000_000, 7_000_000), ("insufficient",)),
        (LONG, {"frozen_counter"}, Cover(44_000_000, 30_000_000, 27_000_000), ("frozen",)),
        (
            LONG,
            {"frozen_counter"},
            Cover(44_000_000, 9_000_000, 8_000_000),
            ("insufficient", "frozen"),
        ),
    ],
)
def test_a_judge_that_is_told_too_little_is_right_to_say_so(
    flow: Flow, faults: set[str], cover: Cover, verdicts: tuple[str, ...]
):
    assert right(flow, faults, 12, cover) == verdicts
