"""Scenario of 300 users, each alternating a vehicle and a meter reading, over 2,000 devices."""

from __future__ import annotations

from locust import constant, task

from loadtests.load import objectives
from loadtests.load.devices import Device, Fleet, shared

_VEHICLES = Fleet("vehicle", 1_000)
_METERS = Fleet("meter", 1_000)
shared(_VEHICLES, _METERS)
objectives.decide_exit_code()


class DualStream(Device):
    """Posts for a vehicle, then for a meter."""

    wait_time = constant(0)

    @task
    def both(self) -> None:
        """One reading of either kind."""
        self.post(_VEHICLES, "vehicle reading")
        self.post(_METERS, "meter reading")
