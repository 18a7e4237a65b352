"""Counts of records: those that the service sends, and those that a worker takes and stores."""

from __future__ import annotations

import time
from bisect import bisect_left
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from service.ingest.counts import READING_FAMILIES, ReadingCounts
from service.ingest.quarantine import Quarantined
from service.metrics.exposition import WORKERS_EXPECTED
from service.metrics.families import SECONDS, Family, axis, counter, gauge, histogram
from service.metrics.slab import Slab
from service.vitals import STARTS, note_start

if TYPE_CHECKING:
    # the service counts too, also where no client is installed
    from service.buffer.taken import Record

_SENT = counter(
    "buffer_records_total",
    "Records sent, by whether all replicas in sync acknowledged them in time.",
    axis("result", ("acknowledged", "failed")),
)
_SENT_BYTES = counter("buffer_bytes_total", "Bytes of the records that were acknowledged.")
_LATENCY = histogram(
    "buffer_acknowledgement_seconds", "From sending a record to its acknowledgement, in seconds."
)
_SENDING = gauge("buffer_sending_records", "Records that are sent and not acknowledged yet.")
_CONNECTED = gauge("buffer_connected", "Workers of the service whose records are acknowledged.")
# of the service
SENDER_FAMILIES = (_SENT, _SENT_BYTES, _LATENCY, _SENDING, _CONNECTED)

# a database may be away for days
_DELAYS = (*SECONDS, 30.0, 60.0, 180.0, 900.0, 3600.0, 14_400.0, 86_400.0)
_SIZES = (1, 10, 50, 100, 500, 1000, 2000, 5000, 10_000, 20_000, 50_000)
_TAKEN = counter("buffer_worker_records_total", "Records taken from the buffer.")
_TAKEN_BYTES = counter("buffer_worker_bytes_total", "Bytes of the records that were taken.")
_LOST = counter(
    "buffer_worker_lost_records_total",
    "Records that the topic's retention removed before a worker took them.",
)
_POISON = counter("buffer_worker_poison_total", "Records in quarantine that could not be read.")
_KEPT = counter(
    "buffer_worker_quarantined_total", "Readings, bodies and records that went to quarantine."
)
_RETRIES = counter("buffer_worker_retries_total", "Groups tried again: the database was away.")
_REBALANCES = counter("buffer_worker_rebalances_total", "Times that partitions came or went.")
_PARTITIONS = gauge("buffer_worker_partitions", "Partitions that the worker has.")
_GROUP = histogram(
    "buffer_worker_group_readings",
    "How many readings the groups of records had that were stored.",
    bounds=_SIZES,
    parts=1,
)
_STORING = histogram(
    "buffer_worker_group_duration_seconds", "How long groups of records took to store, in seconds."
)
_DELAY = histogram(
    "buffer_worker_delay_seconds",
    "Of records: from when they were sent to when the database had them, in seconds.",
    bounds=_DELAYS,
)
# of a worker, which is one process, and the only one of its instance
WORKER_FAMILIES = (
    *(STARTS, WORKERS_EXPECTED),
    *(*READING_FAMILIES, _TAKEN, _TAKEN_BYTES, _LOST, _POISON, _KEPT, _RETRIES),
    *(_REBALANCES, _PARTITIONS, _GROUP, _STORING, _DELAY),
)


class _Histogram:
    """Counts in the only series of a histogram."""

    def __init__(self, slab: Slab, family: Family) -> None:
        self._slots = slab.slots
        self._bounds = family.bounds
        self._parts = family.parts
        self._first = slab.places(family)[()]
        self._sum = self._first + family.width - 1

    def count(self, value: float) -> None:
        self._slots[self._first + bisect_left(self._bounds, value)] += 1
        self._slots[self._sum] += int(value * self._parts)


class SenderCounts:
    """Counts what the service sends; all by its event loop."""

    def __init__(self, slab: Slab | None = None) -> None:
        """`slab`: where to count; one that nobody else sees unless given."""
        slab = slab or Slab.private(SENDER_FAMILIES)
        self._slots = slab.slots
        sent = slab.places(_SENT)
        self._acknowledged, self._failed = sent["acknowledged",], sent["failed",]
        self._bytes = slab.places(_SENT_BYTES)[()]
        self._latency = _Histogram(slab, _LATENCY)
        self._sending, self._connected = slab.places(_SENDING)[()], slab.places(_CONNECTED)[()]

    def acknowledged(self, size_bytes: int, seconds: float) -> None:
        """Count a record that all replicas in sync have, after so long."""
        self._slots[self._acknowledged] += 1
        self._slots[self._bytes] += size_bytes
        self._latency.count(seconds)

    def failed(self) -> None:
        """Count a record that may not be in the topic."""
        self._slots[self._failed] += 1

    def state(self, sending: int, *, connected: bool) -> None:
        """Note how many records are under way, and whether they are acknowledged."""
        self._slots[self._sending] = sending
        self._slots[self._connected] = connected


class WorkerCounts:
    """Counts what a worker takes and stores."""

    def __init__(self, slab: Slab | None = None) -> None:
        """`slab`: where to count; one that nobody else sees unless given."""
        slab = slab or Slab.private(WORKER_FAMILIES)
        self.readings = ReadingCounts(slab)
        self._slots = slab.slots
        note_start(slab)
        self._slots[slab.places(WORKERS_EXPECTED)[()]] = 1
        self._taken, self._bytes = slab.places(_TAKEN)[()], slab.places(_TAKEN_BYTES)[()]
        self._lost = slab.places(_LOST)[()]
        self._poison, self._kept = slab.places(_POISON)[()], slab.places(_KEPT)[()]
        self._retries = slab.places(_RETRIES)[()]
        self._rebalances = slab.places(_REBALANCES)[()]
        self._partitions = slab.places(_PARTITIONS)[()]
        self._group, self._storing = _Histogram(slab, _GROUP), _Histogram(slab, _STORING)
        self._delay = _Histogram(slab, _DELAY)

    def taken(self, records: Sequence[Record]) -> None:
        """Count records that came."""
        self._slots[self._taken] += len(records)
        self._slots[self._bytes] += sum(len(record.value) for record in records)

    def lost(self, records: int) -> None:
        """Count records that were removed before they were taken."""
        self._slots[self._lost] += records

    def retried(self) -> None:
        """Count a group that is tried again: the database was away."""
        self._slots[self._retries] += 1

    def stored(
        self, records: Iterable[Record], readings: int, kept: Sequence[Quarantined], seconds: float
    ) -> None:
        """Count a group that is stored, of so many readings, which took so long.

        `kept`: what of it is in quarantine.
        """
        self._slots[self._kept] += len(kept)
        # a record's place has three parts; what the service refused, and counted, has its own in it
        refused = [one for one in kept if (one.source or "").count("/") == 2]
        self.readings.refused(one.reason for one in refused)
        self._slots[self._poison] += sum(one.index is None for one in refused)
        self._group.count(readings)
        self._storing.count(seconds)
        now = time.time()
        for record in records:
            if record.sent_at:
                # clocks of several machines
                self._delay.count(max(now - record.sent_at, 0.0))

    def partitions(self, count: int) -> None:
        """Count that partitions came or went, of which the worker has so many now."""
        self._slots[self._rebalances] += 1
        self._slots[self._partitions] = count
