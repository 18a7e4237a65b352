"""Counts of readings, of the groups that they are written in, and of what waits to be written."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Sequence
from typing import Any, get_args

from service.metrics.families import NANOSECONDS, OTHER, SECONDS, axis, counter, gauge, histogram
from service.metrics.slab import Slab
from service.wire import Reason

LIVE, LATE = "live", "late"
_LINES = axis("line", (LIVE, LATE))

_READINGS = counter(
    "readings_total",
    "Readings committed (accepted), or there already (duplicate).",
    axis("type", ("meter", "vehicle")),
    axis("result", ("accepted", "duplicate")),
)
_REFUSED = counter(
    "readings_refused_total",
    "Readings refused; a body that cannot be read is one.",
    axis("reason", (*get_args(Reason), OTHER)),
)
_QUEUE_REFUSED = counter("queue_refused_total", "Requests refused because the queue was full.")
_SIZES = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000)
_COMMIT = histogram(
    "commit_duration_seconds", "How long groups of readings took to commit, in seconds.", _LINES
)
_GROUP = histogram(
    "group_readings",
    "How many readings the groups had that were committed.",
    _LINES,
    bounds=_SIZES,
    parts=1,
)
_QUEUE_READINGS = gauge("queue_readings", "Readings that wait to be written.", _LINES)
_QUEUE_BYTES = gauge("queue_bytes", "Bytes of bodies that wait to be written.", _LINES)
_LIMIT_READINGS = gauge("queue_limit_readings", "Readings that may wait in both lines together.")
_LIMIT_BYTES = gauge("queue_limit_bytes", "Bytes that may wait in both lines together.")

# of whoever stores readings, also out of a buffer
READING_FAMILIES = (_READINGS, _REFUSED)
FAMILIES = (
    *(*READING_FAMILIES, _QUEUE_REFUSED, _COMMIT, _GROUP),
    *(_QUEUE_READINGS, _QUEUE_BYTES, _LIMIT_READINGS, _LIMIT_BYTES),
)


class LineCounts:
    """Counts the groups of one line, `line`."""

    def __init__(self, slab: Slab, line: str) -> None:
        self.line = line
        self._slots = slab.slots
        # of each the first bucket, and the sum
        self._commit, self._group = slab.places(_COMMIT)[line,], slab.places(_GROUP)[line,]
        self._seconds = self._commit + _COMMIT.width - 1
        self._group_sum = self._group + _GROUP.width - 1
        self._readings = slab.places(_QUEUE_READINGS)[line,]
        self._bytes = slab.places(_QUEUE_BYTES)[line,]

    def committed(self, readings: int, seconds: float) -> None:
        """Count a group that is committed."""
        slots = self._slots
        slots[self._commit + bisect_left(SECONDS, seconds)] += 1
        slots[self._seconds] += int(seconds * NANOSECONDS)
        slots[self._group + bisect_left(_SIZES, readings)] += 1
        slots[self._group_sum] += readings

    def waiting(self, readings: int, size_bytes: int) -> None:
        """Note what waits now."""
        self._slots[self._readings] = readings
        self._slots[self._bytes] = size_bytes


class ReadingCounts:
    """Counts readings."""

    def __init__(self, slab: Slab | None = None) -> None:
        """`slab`: where to count; one that nobody else sees unless given."""
        slab = slab or Slab.private(READING_FAMILIES)
        self._slots = slab.slots
        readings = slab.places(_READINGS)
        # by whether it is a vehicle's
        self._accepted = [readings[side, "accepted"] for side in ("meter", "vehicle")]
        self._duplicate = [readings[side, "duplicate"] for side in ("meter", "vehicle")]
        self._refused = {reason: place for (reason,), place in slab.places(_REFUSED).items()}

    def stored(self, meters: int, vehicles: int, others: Sequence[Sequence[Any]]) -> None:
        """Count so many readings, of which `others` are no new ones: rows of the ingest call."""
        slots = self._slots
        new = [meters, vehicles]
        for is_vehicle, _, outcome, _ in others:
            new[is_vehicle] -= 1
            if outcome == "duplicate":
                slots[self._duplicate[is_vehicle]] += 1
        slots[self._accepted[0]] += new[0]
        slots[self._accepted[1]] += new[1]

    def refused(self, reasons: Iterable[str]) -> None:
        """Count readings that are refused, by why."""
        for reason in reasons:
            self._slots[self._refused.get(reason, self._refused[OTHER])] += 1


class IngestCounts(ReadingCounts):
    """Counts readings, and has the counts of both lines."""

    def __init__(self, slab: Slab | None = None) -> None:
        """`slab`: where to count; one that nobody else sees unless given."""
        slab = slab or Slab.private(FAMILIES)
        super().__init__(slab)
        self._queue_refused = slab.places(_QUEUE_REFUSED)[()]
        self._limits = slab.places(_LIMIT_READINGS)[()], slab.places(_LIMIT_BYTES)[()]
        self.lines = LineCounts(slab, LIVE), LineCounts(slab, LATE)

    def body_refused(self) -> None:
        """Count a body that cannot be read."""
        self.refused(["malformed"])

    def queue_full(self) -> None:
        """Count a request for which there was no room."""
        self._slots[self._queue_refused] += 1

    def limits(self, readings: int, size_bytes: int) -> None:
        """Note what may wait."""
        self._slots[self._limits[0]] = readings
        self._slots[self._limits[1]] = size_bytes
