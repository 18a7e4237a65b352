"""Percentiles of durations, as all load tests tell them."""

from __future__ import annotations

from typing import NamedTuple


class Latency(NamedTuple):
    """Percentiles in milliseconds."""

    p50: float
    p95: float
    p99: float
    p999: float

    @classmethod
    def of(cls, seconds: list[float]) -> Latency:
        """The percentiles of some durations in seconds."""
        ordered = sorted(seconds) or [float("nan")]
        last = len(ordered) - 1
        return cls(*(ordered[round(last * q)] * 1000 for q in (0.5, 0.95, 0.99, 0.999)))
