"""Blocks of a file: so many records as are stored by one call, as rows, and as they stand there."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Protocol

import msgspec

from service.wire import Batch

# per block; larger groups take longer per reading
RECORDS = 12_000


class Charge(msgspec.Struct, gc=False):
    """Whom a meter fed, and when, by a session's summary; `index` is its place in the block."""

    index: int
    vehicle_id: str
    meter_id: str
    since: datetime
    until: datetime


class Block(msgspec.Struct, gc=False):
    """Records of a file in a row, of which `batch` has the readings by their place.

    `lines` are the numbers of the lines where they start, `raw` is what stands there, `records` how
    many the file has up to here, and `at` how many of its bytes were read.
    """

    batch: Batch
    lines: list[int]
    raw: Callable[[int], str]
    charges: list[Charge]
    records: int
    at: int


class Reader(Protocol):
    """Reads a file by blocks."""

    suffix: str

    def blocks(self, skipped: int) -> Iterator[Block]:
        """Blocks after so many records. Raises NotImportable."""
        ...

    def refused_head(self) -> str | None:
        """The first line of a file of refused records; None where it needs none."""
        ...

    def refused(self, raw: str, line: int, reason: str, detail: str) -> str:
        """A line that tells of a refused record."""
        ...
