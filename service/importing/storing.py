"""Storing of blocks on several connections: a device's readings on one, in their order."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any, LiteralString
from zlib import crc32

import msgspec
import psycopg

from service.database.errors import DatabaseBusy, DatabaseUnavailable
from service.importing.blocks import Block, Charge
from service.importing.history import History
from service.ingest.store import Outcome, Store, ingest_split
from service.settings import Settings
from service.wire import Batch, Refusal, Rows

# so long a database that is away may take to come back
_RETRY_SECONDS = (1, 2, 4, 8, 15, 15, 15)
# a block of new devices, or of readings that come late, takes longer than a group of live ones
_WRITE_SECONDS = 600.0

_LINKS: LiteralString = """
SELECT l.link_index, l.outcome, l.detail
FROM api.put_session_links(
    vehicle_ids => %s::text[],
    meter_ids => %s::text[],
    since => %s::timestamptz[],
    until => %s::timestamptz[]
) AS l
"""


class _Store(Store):
    """A store that also links, or only tries, and stores nothing then."""

    def __init__(self, conninfo: str, settings: Settings, *, dry: bool) -> None:
        super().__init__(conninfo, settings)
        self._dry = dry

    async def link(self, charges: Sequence[Charge]) -> list[Any]:
        """Link vehicles to meters; return which of them were not new, and why."""
        values = [
            [one.vehicle_id for one in charges],
            [one.meter_id for one in charges],
            [one.since for one in charges],
            [one.until for one in charges],
        ]
        return await self._call(_LINKS, values)

    async def _attempt(self, query: LiteralString, values: Sequence[object]) -> list[Any]:
        if not self._dry:
            return await super()._attempt(query, values)
        await self.connect()
        assert self._connection is not None  # noqa: S101  connect() raises where there is none
        async with self._connection.transaction(force_rollback=True):
            return await super()._attempt(query, values)


class Stored(msgspec.Struct):
    """What became of a block: duplicates, refused readings, new links, and refused links."""

    duplicates: int
    refused: list[Refusal]
    links: int
    unlinked: list[Refusal]


class Stores:
    """Connections side by side; blocks are stored in the order in which they are put."""

    def __init__(
        self,
        conninfo: str,
        settings: Settings,
        count: int,
        *,
        dry: bool = False,
        history: History | None = None,
    ) -> None:
        """`dry`: try everything, store nothing. `history` takes what is older than its bound."""
        self._history = history
        patient = msgspec.structs.replace(settings, write_timeout_seconds=_WRITE_SECONDS)
        self._stores = [_Store(conninfo, patient, dry=dry) for _ in range(count)]
        # whoever waits for a lock of asyncio gets it in the order of asking
        self._locks = [asyncio.Lock() for _ in range(count)]

    async def connect(self) -> None:
        """Raises DatabaseUnavailable."""
        for store in self._stores:
            await store.connect()

    async def close(self) -> None:
        """Close the connections."""
        for store in self._stores:
            await store.close()

    def put(self, block: Block) -> asyncio.Task[Stored]:
        """Store a block after those that were put before; what became of it is the task's result.

        The task raises DatabaseUnavailable, psycopg.Error.
        """
        batch = block.batch
        # tasks start in the order in which they are made
        writing: list[asyncio.Task[Outcome]] = []
        if self._history is not None:
            batch, older = self._history.split(batch)
            writing.append(asyncio.create_task(self._history.stage(older)))
        for number, part in enumerate(_parts(batch, len(self._stores))):
            writing.append(asyncio.create_task(self._write(number, part)))
        return asyncio.create_task(self._finish(block, writing))

    async def _finish(self, block: Block, writing: list[asyncio.Task[Outcome]]) -> Stored:
        outcomes = await asyncio.gather(*writing)
        refused = [one for outcome in outcomes for one in outcome.refused]
        stored = Stored(
            sum(outcome.duplicates for outcome in outcomes), refused + block.batch.refused, 0, []
        )
        without = {one.index for one in refused}
        charges = [one for one in block.charges if one.index not in without]
        if charges:
            async with self._locks[0]:
                found = await _persist(lambda: self._stores[0].link(charges))
            stored.unlinked = [
                Refusal(charges[int(place)].index, outcome, detail)
                for place, outcome, detail in found
                if outcome != "duplicate"
            ]
            stored.links = len(charges) - len(found)
        return stored

    async def _write(self, number: int, part: Batch) -> Outcome:
        async with self._locks[number]:
            if not part.size:
                return Outcome(0, [], {})
            return await _persist(lambda: _ingest(self._stores[number], part))


async def _ingest(store: Store, part: Batch) -> Outcome:
    try:
        return (await store.ingest([part]))[0]
    except psycopg.Error as error:
        return await ingest_split(store, part, error)


async def _persist(call: Any) -> Any:
    """Call until the database is there. Raises DatabaseUnavailable where that takes too long."""
    for seconds in _RETRY_SECONDS:
        try:
            return await call()
        except DatabaseBusy:
            await asyncio.sleep(0.1)
        except DatabaseUnavailable:
            await asyncio.sleep(seconds)
    return await call()


def _parts(batch: Batch, count: int) -> list[Batch]:
    """The readings of a batch, each device's in one of so many parts, without what was refused."""
    if count == 1:
        size = len(batch.meters) + len(batch.vehicles)
        return [Batch(size, batch.meters, batch.vehicles, [])]
    parts = [Batch(0, Rows([], []), Rows([], []), []) for _ in range(count)]
    known: dict[str, int] = {}
    for name, rows in (("meters", batch.meters), ("vehicles", batch.vehicles)):
        sides: list[Rows] = [getattr(part, name) for part in parts]
        for index, row in zip(rows.indexes, rows.rows, strict=True):
            device = row[0]
            number = known.get(device)
            if number is None:
                # the same one for each block, and for each process
                number = known[device] = crc32(device.encode()) % count
            sides[number].indexes.append(index)
            sides[number].rows.append(row)
    for part in parts:
        part.size = len(part.meters) + len(part.vehicles)
    return parts
