"""Model of what readings take: so much for each, and so much for each request that brings them."""

from __future__ import annotations

from typing import NamedTuple


class Point(NamedTuple):
    """A fleet that posted, and what was measured: totals of the time, by name."""

    devices: int
    batch: int
    readings: int
    seconds: float
    used: dict[str, float]

    def per_million(self, name: str) -> float:
        """What a million readings took."""
        return self.used[name] / self.readings * 1e6


class Line(NamedTuple):
    """What a million readings take in batches of any size: `each`, and `request` by the batch."""

    each: float
    request: float

    def of(self, batch: int) -> float:
        """What a million readings take in batches of that size."""
        return self.each + self.request / batch


def through(one: Point, other: Point, name: str) -> Line:
    """The line through two points with different batches."""
    ours, theirs = one.per_million(name), other.per_million(name)
    request = (ours - theirs) / (1 / one.batch - 1 / other.batch)
    return Line(ours - request / one.batch, request)
