"""Which verdicts are right, by rule."""

from __future__ import annotations

import pytest

from service.demo.verdict import Flow, right

SOUND = Flow(ac=11_000_000, dc=10_000_000, minutes=60)
LOW = SOUND._replace(dc=8_000_000)
LITTLE = Flow(ac=5_000_000, dc=4_000_000, minutes=60)
TINY = Flow(ac=900_000, dc=800_000, minutes=60)
UNRELATED = ("frozen", "impossible", "degraded")


@pytest.mark.parametrize(
    ("flow", "faults", "lost_points", "verdicts"),
    [
        (Flow(standby=100), {"silent_device"}, 0, ("idle",)),
        (SOUND, {"silent_device"}, 0, ("insufficient",)),
        (SOUND, (), 0, ("healthy",)),
        (LITTLE, (), 0, ("insufficient",)),
        (SOUND, {"frozen_counter"}, 0, ("frozen",)),
        (LITTLE, {"frozen_counter"}, 0, ("insufficient", "frozen")),
        (TINY, {"frozen_counter"}, 0, ("insufficient",)),
        (SOUND, {"swapped_meters"}, 0, UNRELATED),
        (SOUND, {"wrong_link"}, 0, UNRELATED),
        (LOW, {"charger_step"}, 12, ("degraded",)),
        (SOUND, {"charger_step"}, 12, ("drifting", "healthy")),
        (SOUND, {"slow_drift"}, 4, ("healthy",)),
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
