"""Scenario of a simulated fleet in real time: each device posts when and what it would."""

from __future__ import annotations

import time
from collections import deque
from datetime import UTC, datetime
from typing import Any

from locust import constant, task

from loadtests.load.devices import PROCESSES, Device, shared
from service.demo.channel import Sent
from service.demo.document import document
from service.demo.plan import Plan, start_of
from service.demo.simulation import Simulation

_VEHICLES = 2_000
# how many times faster than it was recorded: an hour of the evening in a minute
_PACE = 60
# of yesterday, in UTC
_HOUR = 19


class SteadyFleet:
    """This process's share of an evening's hour of the fleet, by time of arrival."""

    def __init__(self) -> None:
        # at import: a process of locust that works for seconds later on is taken for dead
        simulation = Simulation(Plan(start_of(1, datetime.now(UTC)), vehicles=_VEHICLES, days=1))
        hours = simulation.hours()
        for _ in range(_HOUR):
            next(hours)
        self._hour = next(hours)
        self._waiting: deque[Sent] = deque()
        self._began = 0.0
        self._first = 0

    def share(self, number: int) -> None:
        """Take the devices that are process `number`'s, and start."""
        hour = self._hour
        mine = [
            sent
            for sent in hour.meters + hour.vehicles
            if sum(map(ord, sent.row[0])) % PROCESSES == number
        ]
        # what a gateway had kept back, and what is sent twice, is for other scenarios
        seen = {(sent.row[0], sent.row[1]): sent for sent in sorted(mine, key=lambda one: one.at)}
        self._waiting = deque(sorted(seen.values(), key=lambda one: one.at))
        self._first = hour.number * 3600
        self._began = time.monotonic()

    def reading(self) -> dict[str, Any] | None:
        """The next reading that is due; None: none is yet."""
        if not self._waiting:
            return None
        due = (self._waiting[0].at - self._first) / _PACE
        if due > time.monotonic() - self._began:
            return None
        return document(self._waiting.popleft())


_FLEET = SteadyFleet()
shared(_FLEET)


class SteadyDevice(Device):
    """Posts what is due."""

    wait_time = constant(0.01)

    @task
    def due(self) -> None:
        """One reading, if there is one."""
        if reading := _FLEET.reading():
            self.post_reading(reading, f"{reading['type']} reading")
