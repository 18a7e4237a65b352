"""Families of metrics: what each counts, and all label values that it can have.

Labels are fixed before anything is counted, so that no client can make more of them.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import accumulate, product
from typing import Literal

import msgspec

PREFIX = "wattledger_"
OTHER = "other"
NANOSECONDS = 10**9
# of durations, in seconds, as OpenTelemetry has them for HTTP
SECONDS = (0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0)

Labels = tuple[str, ...]


class Axis(msgspec.Struct, frozen=True):
    """Labels that vary together, and all values that they have together.

    `shown` are those that are shown before anything was counted of them; None: all.
    """

    names: Labels
    values: tuple[Labels, ...]
    shown: tuple[Labels, ...] | None = None


class Family(msgspec.Struct, frozen=True):
    """A metric with all its series, in a fixed order.

    A series of a histogram has a slot per bucket, one for what is above all, and one for the sum.
    `parts`: so many of what a sum's slot holds are one of the unit.
    """

    name: str
    kind: Literal["counter", "gauge", "histogram"]
    about: str
    axes: tuple[Axis, ...] = ()
    bounds: tuple[float, ...] = ()
    parts: int = 1

    @property
    def width(self) -> int:
        """How many slots a series takes."""
        return len(self.bounds) + 2 if self.kind == "histogram" else 1

    @property
    def label_names(self) -> Labels:
        """The names of its labels."""
        return tuple(name for axis in self.axes for name in axis.names)

    def series(self) -> list[Labels]:
        """The label values of each series, in the order of their slots."""
        combined = product(*(axis.values for axis in self.axes))
        return [tuple(value for labels in one for value in labels) for one in combined]

    def hidden(self) -> frozenset[Labels]:
        """The values of the first axis that are not shown before anything was counted of them."""
        if not self.axes or self.axes[0].shown is None:
            return frozenset()
        return frozenset(self.axes[0].values) - frozenset(self.axes[0].shown)


class Layout:
    """Families, and where the slots of each begin."""

    def __init__(self, families: Sequence[Family]) -> None:
        names = [family.name for family in families]
        if len(set(names)) != len(names):
            raise ValueError(f"a metric is declared twice: {sorted(names)}")
        sizes = [family.width * len(family.series()) for family in families]
        ends = list(accumulate(sizes))
        self.families = tuple(families)
        self.starts = dict(zip(names, [0, *ends], strict=False))
        self.size = ends[-1] if ends else 0

    def encoded(self) -> bytes:
        """The families, as `decoded` reads them."""
        return msgspec.json.encode(self.families)

    @classmethod
    def decoded(cls, encoded: bytes) -> Layout:
        """The layout of families that `encoded` wrote."""
        return cls(msgspec.json.decode(encoded, type=tuple[Family, ...]))

    def places(self, name: str) -> dict[Labels, int]:
        """The first slot of each series of a family."""
        family = next(family for family in self.families if family.name == name)
        start = self.starts[name]
        return {labels: start + n * family.width for n, labels in enumerate(family.series())}


def axis(name: str, values: Iterable[str]) -> Axis:
    """An axis of one label."""
    return Axis((name,), tuple((value,) for value in values))


def counter(name: str, about: str, *axes: Axis) -> Family:
    """A number that only grows; `name` is without the prefix and with _total."""
    return Family(PREFIX + name, "counter", about, axes)


def gauge(name: str, about: str, *axes: Axis) -> Family:
    """A number that rises and falls, summed over the workers that live."""
    return Family(PREFIX + name, "gauge", about, axes)


def histogram(
    name: str, about: str, *axes: Axis, bounds: Sequence[float] = SECONDS, parts: int = NANOSECONDS
) -> Family:
    """How often something was how large; of seconds, whose sum is kept in ns, unless told else."""
    return Family(PREFIX + name, "histogram", about, axes, tuple(bounds), parts)
