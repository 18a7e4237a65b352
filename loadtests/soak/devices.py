"""Devices of a soak, and what of each was acknowledged on each UTC day."""

from __future__ import annotations

import random
import time
from collections import Counter, deque
from typing import NamedTuple

from loadtests.support.device import CountedDevice

DAY_MS = 24 * 3600 * 1000
_REMEMBERED = 40


class Total(NamedTuple):
    """Readings, and the energy of a day in milliwatt-hours."""

    readings: int
    energy_mwh: int


class Device(CountedDevice):
    """A meter or a vehicle that posts live and late; no two of its readings are of one moment."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        # readings of it, by days since 1970
        self.days: Counter[int] = Counter()
        # some that were acknowledged, to be sent again: time and energy
        self.remembered: deque[tuple[int, int]] = deque(maxlen=_REMEMBERED)
        self._late: set[int] = set()
        self._live_ms = 0

    def live(self) -> tuple[int, int]:
        """A reading of now: its time in epoch milliseconds, even, and what it measured."""
        self._live_ms = max(int(time.time() * 1000) // 2 * 2, self._live_ms + 2)
        return self._live_ms, self.measure(self._live_ms)

    def late(self, age_ms: float, chance: random.Random) -> tuple[int, int]:
        """A reading of about that age; its time is odd, so that it is not of a live one."""
        at = int(time.time() * 1000 - age_ms) // 2 * 2 + 1
        while at in self._late:
            at -= 2 * chance.randrange(1, 500)
        self._late.add(at)
        return at, self.measure(at)

    def fill(self, day: int, total: Total) -> None:
        """Count readings of a day, stored before the load, as acknowledged."""
        self.days[day] += total.readings
        self.energy_mwh += total.energy_mwh

    def remember(self, at: int, mwh: int) -> None:
        """Count a reading that the service says is stored, and keep it in mind."""
        self.acknowledge(at, mwh)
        self.days[at // DAY_MS] += 1
        self.remembered.append((at, mwh))
