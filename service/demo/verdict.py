"""Rules of a judge who knows everything: which verdicts are right (docs/demo.md)."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import NamedTuple

# less than this is too little to judge by
_LEAST_MWH = 5_000_000
# and less than this, to see that one side stands still
_LEAST_STANDING_MWH = 1_000_000
_LEAST_KW = 3.6
# of what the meter tells, the vehicle has to tell so much too
_LEAST_SHARE = 0.5
# a judge cuts at readings, not at minutes: so near to either, both are right
_NEAR = 0.05
# of a pair whose energies have nothing to do with one another
_UNRELATED = ("frozen", "impossible", "degraded")
# points of efficiency that are lost: fewer are no drift; of a history that drifts along, the median
# has lost half as much, so that a judge sees this many for sure
_NO_DRIFT, DRIFT = 5.0, 10.0


class Flow(NamedTuple):
    """Energy in mWh: drawn while charging, stored, drawn while idle; minutes of charging."""

    ac: int = 0
    dc: int = 0
    standby: int = 0
    minutes: int = 0

    @classmethod
    def of(cls, parts: Iterable[Flow]) -> Flow:
        """All parts together."""
        return cls(*map(sum, zip(cls(), *parts, strict=True)))

    @property
    def as_known(self) -> Cover:
        """All of it, as if each reading had come."""
        return Cover(self.ac, self.ac, self.dc)

    @property
    def expected_efficiency(self) -> float | None:
        """The least of a sound pair, by its mean power; None where nothing was charged."""
        if not self.minutes:
            return None
        return 0.85 if self.ac * 60 / self.minutes >= _LEAST_KW * 1e6 else 0.75


class Cover(NamedTuple):
    """What of a flow is known from what was sent, in mWh.

    `told_ac` is what the meter's readings tell of what is drawn while charging, `ac` what of that
    the vehicle's tell too, and `dc` what was stored in that time.
    """

    told_ac: int = 0
    ac: int = 0
    dc: int = 0

    @classmethod
    def of(cls, parts: Iterable[Cover]) -> Cover:
        """All parts together."""
        return cls(*map(sum, zip(cls(), *parts, strict=True)))


def right(
    flow: Flow, faults: Collection[str], lost_points: float, cover: Cover | None = None
) -> tuple[str, ...]:
    """Verdicts that are right, the likeliest first; more than one where either can be told.

    Without a cover, each reading came.
    """
    if not flow.ac:
        return ("idle",)
    if "silent_device" in faults:
        return ("insufficient",)
    known = cover or flow.as_known
    if "frozen_counter" in faults:
        stands = ("frozen",)
    else:
        stands = _UNRELATED if {"swapped_meters", "wrong_link"} & set(faults) else ()
    if stands:
        if known.dc >= _LEAST_MWH and known.ac >= _LEAST_SHARE * flow.ac:
            return stands
        return ("insufficient", *(stands if known.dc >= _LEAST_STANDING_MWH else ()))
    least = max(_LEAST_MWH, _LEAST_SHARE * known.told_ac)
    if known.ac < (1 - _NEAR) * least:
        return ("insufficient",) if known.told_ac else ("insufficient", "idle")
    # a meter that tells less than half of it leaves open how much the vehicle lacks
    in_doubt = (
        known.ac < (1 + _NEAR) * least or known.dc < _LEAST_MWH or known.ac < _LEAST_SHARE * flow.ac
    )
    of_efficiency = _of_efficiency(flow, known, faults, lost_points)
    return ("insufficient", *of_efficiency) if in_doubt else of_efficiency


def _of_efficiency(
    flow: Flow, known: Cover, faults: Collection[str], lost_points: float
) -> tuple[str, ...]:
    is_low = known.dc < (flow.expected_efficiency or 0) * known.ac
    if "charger_step" in faults:
        # of a pair that was good enough to lose so much, only its history can tell
        return ("degraded",) if is_low else ("drifting", "healthy")
    if "slow_drift" not in faults:
        return ("healthy",)
    drifting = () if lost_points < _NO_DRIFT else ("drifting",)
    # a cold battery takes so much that it would be low without the drift too
    is_cold = known.dc + lost_points / 100 * known.ac < (flow.expected_efficiency or 0) * known.ac
    is_small = lost_points < _NO_DRIFT or (lost_points < DRIFT and (is_cold or not is_low))
    healthy = ("healthy",) if is_small else ()
    return (*drifting, *healthy, *(("degraded",) if is_low else ()))
