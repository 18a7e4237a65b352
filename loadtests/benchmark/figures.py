"""Figures of a run, in one structure for the table, the plot and the file."""

from __future__ import annotations

import msgspec

from loadtests.support.percentiles import Latency


class Throughput(msgspec.Struct):
    """What was reached in closed loop: `rate` per second of `unit`, `cores` used by name."""

    key: str
    name: str
    unit: str
    rate: float
    latency: Latency | None
    errors: int
    cores: dict[str, float]

    @property
    def cost_us(self) -> float:
        """Processor time of server and database for each of `unit`, in microseconds.

        It hardly depends on what else the machine does, unlike a rate.
        """
        used = self.cores.get("server", 0.0) + self.cores["database"]
        return used * 1e6 / self.rate if self.rate else 0.0


class OpenLoop(msgspec.Struct):
    """Latency under a fixed arrival rate; `late_ms` is how late the generator was at p99."""

    name: str
    share: float
    rate: float
    answered: float
    latency: Latency
    errors: int
    late_ms: float
    cores: dict[str, float]


class Ratio(msgspec.Struct):
    """One figure over another, both from this run; `aim` is what was hoped for, if anything."""

    name: str
    value: float
    aim: str


class Figures(msgspec.Struct):
    """All of one run, and where it ran."""

    command: str
    began: str
    machine: dict[str, str]
    throughput: list[Throughput] = []
    open_loop: list[OpenLoop] = []
    ratios: list[Ratio] = []

    def rate(self, key: str) -> float | None:
        """The rate measured under a key."""
        return next((one.rate for one in self.throughput if one.key == key), None)

    def cost_us(self, key: str) -> float | None:
        """Processor time for each request or row measured under a key, in microseconds."""
        return next((one.cost_us for one in self.throughput if one.key == key), None)

    def p99(self, key: str) -> float | None:
        """The 99th percentile in closed loop measured under a key, in milliseconds."""
        found = (one.latency for one in self.throughput if one.key == key)
        latency = next(found, None)
        return latency.p99 if latency else None
