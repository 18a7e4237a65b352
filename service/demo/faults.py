"""Faults by name, time and size, and what a judge should say of each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

Name = Literal[
    "charger_step",
    "slow_drift",
    "frozen_counter",
    "register_reset",
    "glitch_run",
    "rollover",
    "swapped_meters",
    "wrong_link",
    "silent_device",
    "cold_week",
    "meter_exchanged",
]

_WEEK = timedelta(days=7)
# status of the pair, or event of the register; several where either can be told
_JUDGED: dict[Name, tuple[str, ...]] = {
    "charger_step": ("degraded",),
    "slow_drift": ("drifting", "degraded"),
    "frozen_counter": ("frozen",),
    "register_reset": ("reset",),
    "glitch_run": ("glitch",),
    "rollover": ("rollover",),
    # each meter counts while the other one's vehicle charges
    "swapped_meters": ("frozen", "impossible", "degraded"),
    "wrong_link": ("frozen", "impossible", "degraded"),
    "silent_device": ("insufficient",),
    "cold_week": ("healthy",),
    "meter_exchanged": ("exchange",),
}
EVENTS = ("reset", "glitch", "rollover", "exchange")
# what a fault's size is, and what it is unless told
SIZES: dict[Name, tuple[str, float]] = {
    "charger_step": ("share of the energy that still arrives", 0.80 / 0.92),
    "slow_drift": ("points of efficiency lost per week", 4.0),
    "glitch_run": ("readings that show nothing", 3),
    "rollover": ("kWh until the register is full, at the start", 60),
    "cold_week": ("degrees C that it is colder", 18),
}


@dataclass(frozen=True)
class Fault:
    """What goes wrong with a device from a time on; `devices` are meters' or vehicles' ids.

    Two of them are swapped; a cold week is of all. `until` None: it stays.
    """

    name: Name
    devices: tuple[str, ...]
    since: datetime
    until: datetime | None = None
    given_size: float | None = None

    @property
    def size(self) -> float:
        """How big it is; SIZES says in what."""
        if self.given_size is not None:
            return self.given_size
        return SIZES.get(self.name, ("", 0.0))[1]

    @property
    def verdicts(self) -> tuple[str, ...]:
        """What a judge should say, the likeliest first: statuses, or one of EVENTS."""
        return _JUDGED[self.name]

    @property
    def judged(self) -> str:
        """The likeliest of them."""
        return self.verdicts[0]

    def lost_points(self, moment: datetime) -> float:
        """Points of efficiency that it takes of a sound pair's 92 at a time."""
        if not self.is_at(moment):
            return 0.0
        if self.name == "charger_step":
            return 92 * (1 - self.size)
        return self.size * ((moment - self.since) / _WEEK) if self.name == "slow_drift" else 0.0

    def is_at(self, moment: datetime) -> bool:
        """Whether it is there at a time."""
        return self.since <= moment and (self.until is None or moment < self.until)


class Faulty:
    """Faults of a fleet, found by name and device."""

    def __init__(self, faults: Sequence[Fault]) -> None:
        self._faults = faults

    def of(self, device_id: str, *names: Name) -> list[Fault]:
        """The faults of these names that a device has."""
        return [f for f in self._faults if f.name in names and device_id in f.devices]

    def named(self, name: Name) -> list[Fault]:
        """All faults of a name."""
        return [f for f in self._faults if f.name == name]

    def exchanged(self, name: Name, device_id: str, moment: datetime) -> str:
        """The device in whose place one is at a time, by faults that swap two."""
        for fault in self.of(device_id, name):
            if fault.is_at(moment):
                first, second = fault.devices
                return second if device_id == first else first
        return device_id
