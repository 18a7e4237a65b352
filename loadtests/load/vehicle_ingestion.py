"""Scenario of up to 500 users in three stages; vehicle readings over 1,000 vehicles."""

from __future__ import annotations

from locust import LoadTestShape, constant, task

from loadtests.load import objectives
from loadtests.load.devices import Device, Fleet, shared

_VEHICLES = Fleet("vehicle", 1_000)
shared(_VEHICLES)
objectives.decide_exit_code()


class VehicleIngestion(Device):
    """Posts vehicle readings."""

    wait_time = constant(0)

    @task
    def vehicle(self) -> None:
        """One reading."""
        self.post(_VEHICLES, "vehicle reading")


class Stages(LoadTestShape):
    """The three stages: users to have at a time."""

    def tick(self) -> tuple[int, float] | None:
        """How many users there are to be now, and how many start or stop per second; None: end."""
        seconds = self.get_run_time()
        if seconds < 10:
            return max(1, round(seconds * 10)), 100
        if seconds < 40:
            return 500, 200
        if seconds < 50:
            return max(1, round((50 - seconds) * 50)), 200
        return None
