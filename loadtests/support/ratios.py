"""Table of variants that were measured in turns, with their ratios to the first."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import median

from rich.table import Table


def table(
    what: str, process: str, taken: Mapping[str, Sequence[tuple[float, float, float]]]
) -> Table:
    """Medians of readings per second, p99 in ms, and core time of `process` in µs per reading.

    `taken` has the samples of each variant by its name; `what` is what the variants are of.
    """
    made = Table(title="single readings, medians")
    made.add_column(what)
    for column in ("readings/s", "to the first", "p99 ms", f"{process} µs per reading"):
        made.add_column(column, justify="right")
    first = median(rate for rate, _, _ in next(iter(taken.values())))
    for name, samples in taken.items():
        rate, p99, core = (median(column) for column in zip(*samples, strict=True))
        made.add_row(name, f"{rate:,.0f}", f"{rate / first:.2f}", f"{p99:.0f}", f"{core:.0f}")
    return made
