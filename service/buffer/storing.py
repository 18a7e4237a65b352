"""Storing of records: what they hold goes to the ledger, and what is refused into quarantine."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import NamedTuple

import msgspec
import psycopg

from service.buffer.consumer import Record
from service.buffer.raw import MEDIA_TYPE, raw_meter, raw_vehicle
from service.buffer.record import Readings, Refused, UnreadableRecord, decoded
from service.database.errors import DatabaseUnavailable, RuleViolation
from service.ingest.quarantine import Quarantined
from service.ingest.store import Outcome, Store, ingest_split
from service.ingest.writer import LATE, LATE_GROUP
from service.wire import Batch, Rows

_log = logging.getLogger(__name__)

_RECORD = "application/octet-stream"
# too much awaits its time in quarantine already
_TOO_MUCH_AWAITS = "WL040"


class Stored(msgspec.Struct):
    """What became of records: how many readings were new, were there already, were refused."""

    accepted: int = 0
    duplicates: int = 0
    refused: int = 0


class _Part(NamedTuple):
    """Readings of a record that are written together; late ones are apart."""

    record: Record
    keys: list[str | None]
    batch: Batch


class Keeping:
    """Refused readings and records by key, on their way into quarantine."""

    def __init__(self) -> None:
        self._by_key: dict[str | None, list[Quarantined]] = {}

    def add(self, key_id: str | None, entry: Quarantined) -> None:
        """Have one kept that came with a key."""
        self._by_key.setdefault(key_id, []).append(entry)

    def count(self) -> int:
        """How many there are."""
        return sum(map(len, self._by_key.values()))

    async def keep(self, store: Store) -> None:
        """Keep all, each once, however often its record comes. Raises DatabaseUnavailable."""
        for key_id, entries in self._by_key.items():
            try:
                await store.quarantine(entries, key_id)
            except RuleViolation as error:
                if error.code != _TOO_MUCH_AWAITS:
                    await _keep_each(store, entries, error)
                    continue
                # nobody is there to send them again: they are kept, but not stored by themselves
                _log.warning("readings ahead of their time are kept for good: %s", error)
                for entry in entries:
                    entry.decoded = None
                await store.quarantine(entries, key_id)
            except psycopg.Error as error:
                await _keep_each(store, entries, error)


async def store_records(store: Store, records: list[Record]) -> Stored:
    """Store what records hold; when it returns, all is committed, or in quarantine.

    Raises DatabaseUnavailable: then some may be stored, and storing all again is safe.
    """
    keeping = Keeping()
    live: list[_Part] = []
    late: list[_Part] = []
    since = datetime.now(UTC) - LATE
    for record in records:
        try:
            found = decoded(record.value)
        except UnreadableRecord as error:
            keeping.add(None, _poison(record, str(error)))
            continue
        if isinstance(found, Refused):
            for place, entry in enumerate(found.entries):
                entry.source = f"{record.source}/{place}"
                keeping.add(found.key_id, entry)
        elif found.batch.size:
            _sort_in(record, found, since, live, late)
    stored = Stored()
    for group in (live, *_groups(late, LATE_GROUP)):
        await _ingest(store, group, stored, keeping)
    stored.refused = keeping.count()
    await keeping.keep(store)
    return stored


def _sort_in(
    record: Record, found: Readings, since: datetime, live: list[_Part], late: list[_Part]
) -> None:
    """Put a record's readings among the live or the late ones, as the writer has two lines."""
    batch = found.batch
    if batch.oldest() >= since:
        live.append(_Part(record, found.keys, batch))
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
    for part, parts in ((now, live), (then, late)):
        part.size = len(part.meters) + len(part.vehicles)
        if part.size:
            parts.append(_Part(record, found.keys, part))


def _groups(parts: Iterable[_Part], most: int) -> Iterable[list[_Part]]:
    """Parts in groups of at most so many readings, unless one has more."""
    group: list[_Part] = []
    readings = 0
    for part in parts:
        if group and readings + part.batch.size > most:
            yield group
            group, readings = [], 0
        group.append(part)
        readings += part.batch.size
    if group:
        yield group


async def _ingest(store: Store, parts: list[_Part], stored: Stored, keeping: Keeping) -> None:
    """Store parts in one transaction; where that fails, in halves, until one fails alone."""
    if not parts:
        return
    try:
        outcomes = await store.ingest([part.batch for part in parts])
    except DatabaseUnavailable:
        raise
    except Exception as error:
        if len(parts) > 1:
            middle = len(parts) // 2
            await _ingest(store, parts[:middle], stored, keeping)
            await _ingest(store, parts[middle:], stored, keeping)
            return
        [part] = parts
        if not isinstance(error, psycopg.Error):
            # a defect, of whoever wrote the record or ours: no reason to stop the partition
            _log.exception("the record %s cannot be stored", part.record.source)
            keeping.add(None, _poison(part.record, f"it cannot be stored: {error!r}"))
            return
        outcomes = [await ingest_split(store, part.batch, error)]
    for part, outcome in zip(parts, outcomes, strict=True):
        stored.accepted += part.batch.size - outcome.duplicates - len(outcome.refused)
        stored.duplicates += outcome.duplicates
        _refuse(part, outcome, keeping)


def _refuse(part: _Part, outcome: Outcome, keeping: Keeping) -> None:
    if not outcome.refused:
        return
    meters = dict(zip(part.batch.meters.indexes, part.batch.meters.rows, strict=True))
    vehicles = dict(zip(part.batch.vehicles.indexes, part.batch.vehicles.rows, strict=True))
    for one in outcome.refused:
        is_meter = one.index in meters
        raw = raw_meter(meters[one.index]) if is_meter else raw_vehicle(vehicles[one.index])
        entry = Quarantined(
            one.index,
            one.reason,
            one.detail,
            MEDIA_TYPE,
            raw,
            outcome.decoded.get(one.index),
            part.record.source,
        )
        keeping.add(part.keys[one.index], entry)


def _poison(record: Record, why: str) -> Quarantined:
    return Quarantined(None, "malformed", why, _RECORD, record.value, None, record.source)


async def _keep_each(store: Store, entries: list[Quarantined], error: Exception) -> None:
    """Keep entries that fail together one by one, without what may be wrong about them."""
    _log.warning("quarantine refused what was refused, which is kept without its fields: %s", error)
    for entry in entries:
        entry.decoded = None
        entry.detail = entry.detail.replace("\0", "")
        try:
            await store.quarantine([entry], None)
        except (RuleViolation, psycopg.Error):
            # it is in the topic still, for as long as that keeps it
            _log.exception("the record %s could not be kept in quarantine", entry.source)
