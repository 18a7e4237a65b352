"""Keeping of what records hold that was refused: each goes into quarantine, whatever it is."""

from __future__ import annotations

import logging

from msgspec.structs import replace

from service.buffer.pace import Pace
from service.database.errors import DatabaseUnavailable, RuleViolation
from service.ingest.quarantine import Quarantined
from service.ingest.store import Store

_log = logging.getLogger(__name__)

# too much awaits its time in quarantine already
_TOO_MUCH_AWAITS = "WL040"
_UNKNOWN = "application/octet-stream"
_MOST_INDEX = 2**31 - 1


class Keeping:
    """Refused readings and records by key, on their way into quarantine."""

    def __init__(self, pace: Pace) -> None:
        """`pace`: how many go at a time."""
        self._pace = pace
        self._by_key: dict[str | None, list[Quarantined]] = {}

    def add(self, key_id: str | None, entry: Quarantined) -> None:
        """Have one kept that came with a key."""
        self._by_key.setdefault(key_id, []).append(entry)

    async def keep(self, store: Store) -> list[Quarantined]:
        """Keep all, each once, however often its record comes; return them as they are kept.

        Raises DatabaseUnavailable where any is not kept: what nobody keeps is not done.
        """
        kept: list[Quarantined] = []
        for key_id, entries in self._by_key.items():
            place = 0
            while place < len(entries):
                some = entries[place : place + self._pace.most]
                with self._pace.of(len(some)):
                    kept += await _keep(store, some, key_id)
                place += len(some)
        return kept


async def _keep(store: Store, entries: list[Quarantined], key_id: str | None) -> list[Quarantined]:
    try:
        await store.quarantine(entries, key_id)
    except DatabaseUnavailable:
        raise
    except RuleViolation as error:
        if error.code != _TOO_MUCH_AWAITS:
            return await _keep_each(store, entries, key_id, error)
        # nobody is there to send them again: they are kept, but not stored by themselves
        _log.warning("readings ahead of their time are kept for good: %s", error)
        bare = [replace(one, decoded=None) if one.reason == "future" else one for one in entries]
        return await _keep_each(store, bare, key_id, error)
    except Exception as error:
        return await _keep_each(store, entries, key_id, error)
    else:
        return entries


async def _keep_each(
    store: Store, entries: list[Quarantined], key_id: str | None, error: Exception
) -> list[Quarantined]:
    """Keep entries that fail together one by one, with as little as is needed of each."""
    kept: list[Quarantined] = []
    for entry in entries:
        forms = (
            (entry, key_id),
            (replace(entry, decoded=None, detail=entry.detail.replace("\0", "")), None),
            (_bare(entry), None),
        )
        for form, its_key in forms:
            try:
                await store.quarantine([form], its_key)
                break
            except DatabaseUnavailable:
                raise
            except Exception as fault:
                error = fault
        else:
            # nothing of the sender's is in the last form but bytes: it is not the record's fault
            raise DatabaseUnavailable(
                f"quarantine does not take the record {entry.source}"
            ) from error
        kept.append(form)
        if form is not entry:
            _log.warning("of %s its bytes alone are in quarantine: %s", entry.source, error)
    return kept


def _bare(entry: Quarantined) -> Quarantined:
    """An entry of nothing but bytes, which any database of ours takes."""
    index = entry.index
    return Quarantined(
        index if index is not None and 0 <= index <= _MOST_INDEX else None,
        "malformed",
        "it could not be kept with what was wrong about it",
        _UNKNOWN,
        entry.raw,
        None,
        entry.source,
    )
