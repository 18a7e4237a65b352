"""Running of an import: a file is read, stored block by block, and its totals are told."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec

from service.importing.blocks import Block, Reader
from service.importing.errors import NotImportable
from service.importing.mark import Mark, Place, Totals
from service.importing.refusals import Refusals
from service.importing.source import Source
from service.importing.storing import Stored, Stores

# blocks that are being stored while the next one is read
_AHEAD = 2


class Told(msgspec.Struct):
    """What is told of an import now and then: how far it got."""

    bytes_read: int
    totals: Totals


class Import:
    """An import of one file; `place` keeps how far it got, None where nothing does."""

    def __init__(
        self,
        source: Source,
        reader: Reader,
        refused_path: Path,
        place: Place | None,
        told: Callable[[Told], None],
    ) -> None:
        """Raises NotImportable."""
        self._source = source
        self._reader = reader
        self._place = place
        self._told = told
        self.mark = Mark(0, 0, "", "") if place is None else place.read()
        self.totals = self.mark.totals
        # what was stored before it was stopped
        self.begun_with = self.mark.records
        self._fault: Exception | None = None
        self.refusals = Refusals(refused_path, reader, self.mark.refused_bytes)

    async def run(self, stores: Stores) -> Totals:
        """Store all of the file; return what became of its records, since it was first begun.

        Stopped, it goes on from its mark at the next time. Raises NotImportable,
        DatabaseUnavailable, psycopg.Error, OSError.
        """
        waiting: deque[tuple[Block, asyncio.Task[Stored]]] = deque()
        blocks = self._reader.blocks(self.mark.records)
        try:
            while (block := await self._next(blocks)) is not None:
                if not self.mark.records and not waiting:
                    _check(block)
                waiting.append((block, stores.put(block)))
                if len(waiting) > _AHEAD:
                    await self._finish(*waiting.popleft())
            while waiting:
                await self._finish(*waiting.popleft())
            if self._fault is not None:
                raise self._fault
        finally:
            for _, task in waiting:
                task.cancel()
            await asyncio.gather(*(task for _, task in waiting), return_exceptions=True)
            self.refusals.close()
        return self.totals

    async def _next(self, blocks: Iterator[Block]) -> Block | None:
        """The next block; None at the end, and where the rest cannot be read."""
        try:
            return await asyncio.to_thread(next, blocks, None)
        except Exception as error:
            # of no concern to what is on its way
            self._fault = error
            return None

    def end(self) -> None:
        """Forget how far it got: all is done. Raises OSError."""
        if self._place is not None:
            self._place.remove()

    async def _finish(self, block: Block, task: asyncio.Task[Stored]) -> None:
        """Wait until a block is stored, and note that."""
        stored = await task
        totals = self.totals
        totals.read += block.batch.size
        totals.duplicates += stored.duplicates
        totals.stored += block.batch.size - stored.duplicates - len(stored.refused)
        totals.links += stored.links
        for one in sorted([*stored.refused, *stored.unlinked], key=lambda refusal: refusal.index):
            totals.refuse(one.reason)
            self.refusals.add(block.raw(one.index), block.lines[one.index], one.reason, one.detail)
        self.refusals.flush()
        self.mark.records = block.records
        self.mark.refused_bytes = self.refusals.size
        if self._place is not None:
            self._place.write(self.mark)
        self._told(Told(block.at, totals))


def _check(block: Block) -> None:
    """Refuse a file of which the first block has not one record that can be read."""
    refused = block.batch.refused
    if len(refused) == block.batch.size:
        first = refused[0]
        raise NotImportable(
            f"none of the first {len(refused):,} records can be read, so nothing is stored."
            f" Line {block.lines[first.index]}: {first.detail}"
        )
