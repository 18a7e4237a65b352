"""Storing of records: what they hold goes to the ledger, and what is refused into quarantine."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from datetime import UTC, datetime
from functools import cached_property
from itertools import chain

import msgspec
import psycopg

from service.buffer.gateway import decoded_body, media_type
from service.buffer.keeping import Keeping
from service.buffer.pace import Pace
from service.buffer.raw import MEDIA_TYPE, raw_meter, raw_vehicle
from service.buffer.record import Refused, UnreadableRecord, decoded
from service.buffer.taken import Record
from service.database.errors import DatabaseUnavailable
from service.ingest.quarantine import Quarantined
from service.ingest.store import Outcome, Store, refused_alone
from service.ingest.writer import LATE, LATE_GROUP
from service.settings import Settings
from service.wire import MEDIA_TYPES, Batch, Refusal, Rows, raw_readings
from service.wire.readings import Row

_log = logging.getLogger(__name__)

_RECORD = "application/octet-stream"
# what is kept of a record that is too large
_BEGINNING_BYTES = 1_000


class Stored(msgspec.Struct):
    """What became of records: how many readings were new, were there already, were refused.

    `kept` is what of them is in quarantine.
    """

    accepted: int = 0
    duplicates: int = 0
    kept: list[Quarantined] = []

    @property
    def refused(self) -> int:
        """How many readings, bodies and records are in quarantine."""
        return len(self.kept)


class _Origin:
    """A record, and the raw form and key of each of its readings."""

    def __init__(self, record: Record, keys: list[str | None]) -> None:
        self.record = record
        self.keys = keys
        self.media_type = media_type(record) if record.by_gateway else MEDIA_TYPE

    @cached_property
    def _raws(self) -> list[bytes]:
        return raw_readings(self.record.value, self.media_type)

    def refused(
        self, one: Refusal, row: Row | None, outcome: Outcome | None, *, is_meter: bool = False
    ) -> Quarantined:
        """What is kept of a reading that was refused; `row` is None where it has none."""
        if self.record.by_gateway or row is None:
            raw = self._raws[one.index]
        else:
            raw = raw_meter(row) if is_meter else raw_vehicle(row)
        known = None if outcome is None else outcome.decoded.get(one.index)
        return Quarantined(
            *(one.index, one.reason, one.detail, self.media_type, raw, known, self.record.source)
        )


class _Part(msgspec.Struct, gc=False):
    """Readings of a record that are written together; late ones are apart."""

    origin: _Origin
    batch: Batch


class Storing:
    """Stores what records hold."""

    def __init__(self, store: Store, settings: Settings) -> None:
        self._store = store
        self._max_bytes = settings.max_body_bytes
        self._max_readings = settings.max_readings
        self._pace = Pace()

    async def store(self, records: list[Record]) -> Stored:
        """Store what records hold; when it returns, all is committed, or in quarantine.

        Raises DatabaseUnavailable: then some may be stored, and storing all again is safe.
        """
        keeping = Keeping(self._pace)
        stored = Stored()
        live: list[_Part] = []
        late: list[_Part] = []
        since = datetime.now(UTC) - LATE
        for record in records:
            try:
                part = self._decoded(record, keeping)
            except UnreadableRecord as error:
                keeping.add(None, self._poison(record, str(error)))
            except Exception as error:
                # a defect of ours: no reason to stop the partition
                _log.exception("the record %s cannot be read", record.source)
                keeping.add(None, self._poison(record, f"it cannot be read: {error!r}"))
            else:
                if part is not None:
                    _sort_in(part, since, live, late)
        for parts, most in ((live, self._pace.most), (late, min(LATE_GROUP, self._pace.most))):
            for group in _groups(parts, most):
                await self._ingest(group, stored, keeping)
        stored.kept = await keeping.keep(self._store)
        self._pace.done()
        return stored

    def _decoded(self, record: Record, keeping: Keeping) -> _Part | None:
        """A record's readings, but for those that are refused already. Raises UnreadableRecord."""
        if record.by_gateway:
            batch = decoded_body(record, self._max_bytes, self._max_readings)
            origin = _Origin(record, [None] * batch.size)
            for one in batch.refused:
                keeping.add(None, origin.refused(one, None, None))
            batch = Batch(len(batch.meters) + len(batch.vehicles), batch.meters, batch.vehicles, [])
            return _Part(origin, batch) if batch.size else None
        found = decoded(record.value)
        if not isinstance(found, Refused):
            return _Part(_Origin(record, found.keys), found.batch) if found.batch.size else None
        for place, entry in enumerate(found.entries):
            entry.source = f"{record.source}/{place}"
            keeping.add(found.key_id, entry)
        return None

    def _poison(self, record: Record, why: str) -> Quarantined:
        kind, raw = _RECORD, record.value
        if record.by_gateway:
            if (named := media_type(record)) in MEDIA_TYPES:
                kind = named
            if len(raw) > self._max_bytes:
                raw = raw[:_BEGINNING_BYTES]
        return Quarantined(None, "malformed", why, kind, raw, None, record.source)

    async def _ingest(self, parts: list[_Part], stored: Stored, keeping: Keeping) -> None:
        """Store parts in one transaction; where that fails, in halves, until one fails alone."""
        try:
            with self._pace.of(sum(part.batch.size for part in parts)):
                outcomes = await self._store.ingest([part.batch for part in parts])
        except DatabaseUnavailable:
            raise
        except (OSError, MemoryError) as error:
            raise DatabaseUnavailable(f"this machine has trouble: {error!r}") from error
        except Exception as error:
            if halves := _halves(parts):
                for half in halves:
                    await self._ingest(half, stored, keeping)
                return
            outcomes = [_refused(parts[0], error)]
        for part, outcome in zip(parts, outcomes, strict=True):
            stored.accepted += part.batch.size - outcome.duplicates - len(outcome.refused)
            stored.duplicates += outcome.duplicates
            _refuse(part, outcome, keeping)


def _sort_in(part: _Part, since: datetime, live: list[_Part], late: list[_Part]) -> None:
    """Put a record's readings among the live or the late ones, as the writer has two lines."""
    batch = part.batch
    if batch.oldest() >= since:
        live.append(part)
        return
    now = Batch(0, Rows([], []), Rows([], []), [])
    then = Batch(0, Rows([], []), Rows([], []), [])
    for rows, current, older in (
        (batch.meters, now.meters, then.meters),
        (batch.vehicles, now.vehicles, then.vehicles),
    ):
        for index, row in zip(rows.indexes, rows.rows, strict=True):
            chosen = current if row[1] >= since else older
            chosen.indexes.append(index)
            chosen.rows.append(row)
    for some, parts in ((now, live), (then, late)):
        some.size = len(some.meters) + len(some.vehicles)
        if some.size:
            parts.append(_Part(part.origin, some))


def _groups(parts: Iterable[_Part], most: int) -> Iterable[list[_Part]]:
    """Parts in groups of at most so many readings."""
    group: list[_Part] = []
    readings = 0
    for part in chain.from_iterable(_pieces(one, most) for one in parts):
        if group and readings + part.batch.size > most:
            yield group
            group, readings = [], 0
        group.append(part)
        readings += part.batch.size
    if group:
        yield group


def _pieces(part: _Part, most: int) -> Iterable[_Part]:
    """A part's readings, at most so many in each."""
    if part.batch.size <= most:
        yield part
        return
    for [half] in _halves([part]):
        yield from _pieces(half, most)


def _halves(parts: list[_Part]) -> list[list[_Part]]:
    """Parts in two, or the readings of the only one; none where that is one reading."""
    if len(parts) > 1:
        middle = len(parts) // 2
        return [parts[:middle], parts[middle:]]
    [part] = parts
    if part.batch.size <= 1:
        return []
    return [[_Part(part.origin, half)] for half in part.batch.halves()]


def _refused(part: _Part, error: Exception) -> Outcome:
    """The outcome of one reading that cannot be stored."""
    if isinstance(error, psycopg.Error):
        return refused_alone(part.batch, error)
    # a defect, of whoever wrote the record or ours
    _log.error("the record %s cannot be stored", part.origin.record.source, exc_info=error)
    [index] = (*part.batch.meters.indexes, *part.batch.vehicles.indexes)
    return Outcome(0, [Refusal(index, "malformed", f"it cannot be stored: {error!r}")], {})


def _refuse(part: _Part, outcome: Outcome, keeping: Keeping) -> None:
    if not outcome.refused:
        return
    meters = dict(zip(part.batch.meters.indexes, part.batch.meters.rows, strict=True))
    vehicles = dict(zip(part.batch.vehicles.indexes, part.batch.vehicles.rows, strict=True))
    for one in outcome.refused:
        is_meter = one.index in meters
        row = (meters if is_meter else vehicles)[one.index]
        entry = part.origin.refused(one, row, outcome, is_meter=is_meter)
        keeping.add(part.origin.keys[one.index], entry)
