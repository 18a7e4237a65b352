"""Requests of a soak: readings that are new, sent again, or contradict one that is stored."""

from __future__ import annotations

import random
import time
from collections import deque
from enum import Enum
from typing import NamedTuple

from loadtests.soak.devices import DAY_MS, Device

_HOUR_MS = 3600 * 1000
_BATCH_READINGS = 40
_MINUTE_MS = 60 * 1000


class Kind(Enum):
    """What is to become of a reading."""

    NEW = "new"
    AGAIN = "again"
    CONFLICTING = "conflicting"


class Sent(NamedTuple):
    """A reading of a request: its time in epoch milliseconds."""

    device: Device
    at: int
    energy_mwh: int
    kind: Kind


class Chooser:
    """Chooses requests of some devices in turn; `edge_ms`: the oldest time that is accepted."""

    def __init__(self, devices: list[Device]) -> None:
        self.edge_ms = 0
        self._devices = deque(devices)

    def choose(self, chance: random.Random) -> tuple[str, list[Sent]]:
        """What a request is called in the report, and its readings."""
        kind = chance.randrange(100)
        if kind < 62:
            return "live", [self._live()]
        if kind < 70:
            return "live batch", [self._live() for _ in range(_BATCH_READINGS)]
        if kind < 80:
            return "late", [self._late(chance)]
        if kind < 84:
            return "backlog", self._backlog(chance)
        if kind < 90:
            return "at the edge", [self._at_edge(chance)]
        if kind < 94:
            return "sent again", [self._known(chance, Kind.AGAIN)]
        if kind < 97:
            return "conflicting", [self._known(chance, Kind.CONFLICTING)]
        return "mixed batch", self._mixed(chance)

    def _next(self) -> Device:
        self._devices.rotate(1)
        return self._devices[0]

    def _live(self) -> Sent:
        device = self._next()
        return Sent(device, *device.live(), Kind.NEW)

    def _late(self, chance: random.Random) -> Sent:
        """Minutes to days late."""
        longest = chance.choice((_HOUR_MS, 12 * _HOUR_MS, 4 * DAY_MS))
        device = self._next()
        return Sent(device, *device.late(chance.uniform(_MINUTE_MS, longest), chance), Kind.NEW)

    def _at_edge(self, chance: random.Random) -> Sent:
        """Around the oldest time accepted, so that some are refused."""
        if not self.edge_ms:
            return self._late(chance)
        device = self._next()
        age = time.time() * 1000 - self.edge_ms + chance.uniform(-1.5 * DAY_MS, 0.25 * DAY_MS)
        return Sent(device, *device.late(max(_MINUTE_MS, age), chance), Kind.NEW)

    def _backlog(self, chance: random.Random) -> list[Sent]:
        """What a device kept while it was offline: a reading per minute."""
        device = self._next()
        since = chance.uniform(0, 2 * DAY_MS)
        ages = (since + minute * _MINUTE_MS for minute in range(_BATCH_READINGS, 0, -1))
        return [Sent(device, *device.late(age, chance), Kind.NEW) for age in ages]

    def _known(self, chance: random.Random, kind: Kind) -> Sent:
        """One that was acknowledged, as it was or with another energy; a new one before any."""
        device = self._next()
        if not device.remembered:
            return Sent(device, *device.live(), Kind.NEW)
        at, energy_mwh = chance.choice(device.remembered)
        return Sent(device, at, energy_mwh + (1000 if kind is Kind.CONFLICTING else 0), kind)

    def _mixed(self, chance: random.Random) -> list[Sent]:
        """Some of everything, each reading once."""
        ways = (
            self._live,
            lambda: self._late(chance),
            lambda: self._at_edge(chance),
            lambda: self._known(chance, Kind.AGAIN),
            lambda: self._known(chance, Kind.CONFLICTING),
        )
        sent = [way() for _ in range(_BATCH_READINGS // len(ways)) for way in ways]
        return list({(one.device.id, one.at): one for one in sent}.values())
