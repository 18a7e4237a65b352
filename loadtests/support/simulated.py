"""Registers of a simulated fleet: what each shows in the course of a day."""

from __future__ import annotations

from bisect import bisect_right
from datetime import UTC, datetime, timedelta
from functools import cache

from service.demo.plan import Plan
from service.demo.simulation import Simulation

# a Monday in the cold: most charge, and some have to wait
_START = datetime(2026, 1, 12, tzinfo=UTC)
_DAY_MS = 24 * 3600 * 1000


class Register:
    """A register's day, from zero on: what it shows is known at any time."""

    def __init__(self, shown: list[tuple[int, int]]) -> None:
        first = shown[0][1]
        self._times = [at for at, _ in shown]
        self._levels = [level - first for _, level in shown]

    def level(self, share: float) -> int:
        """Milliwatt-hours since midnight, when this share of the day is over."""
        place = bisect_right(self._times, int(share * _DAY_MS))
        return self._levels[place - 1] if place else 0


@cache
def registers() -> tuple[Register, ...]:
    """The lifetime registers of a fleet that tell all, of meters and vehicles, none fast."""
    simulation = Simulation(Plan(_START, vehicles=40, days=1))
    hours = simulation.run()
    shown: dict[str, list[tuple[int, int]]] = {}
    for hour in hours:
        for sent in hour.meters + hour.vehicles:
            name, read_at, kind, kwh, *_ = sent.row
            if kind == "lifetime_register" and not name.startswith("M-HPC"):
                at = (read_at - _START) // timedelta(milliseconds=1)
                shown.setdefault(name, []).append((at, round(kwh * 1e6)))
    return tuple(Register(sorted(one)) for one in shown.values())
