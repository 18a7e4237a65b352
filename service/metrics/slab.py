"""Slab of integers of one worker: memory that counts at fixed places, and outlives its worker.

To count is to add to an item of a memoryview: nothing is locked or called. Each slot is eight
bytes, aligned, which other processes read whole.
"""

from __future__ import annotations

import mmap
import os
import struct
from collections.abc import Sequence
from typing import NamedTuple

from service.metrics.families import Family, Labels, Layout

_MAGIC = b"WLSLAB01"
# what it is, the length of the layout, and whose process counts here
_HEAD = struct.Struct("<8sqq")
_WORD = 8


class Contents(NamedTuple):
    """What a slab held when it was looked at."""

    layout: bytes
    slots: list[int]
    pid: int
    is_live: bool


class Slab:
    """Slots, and where each series of its families begins."""

    def __init__(self, layout: Layout, memory: mmap.mmap) -> None:
        """`memory` is of a slab that was formatted with the layout."""
        self.layout = layout
        self._memory = memory
        self._view = memoryview(memory)
        self.slots = self._view[_offset(memory) :].cast("q")

    @classmethod
    def private(cls, families: Sequence[Family]) -> Slab:
        """A slab that no other process sees."""
        layout = Layout(families)
        memory = mmap.mmap(-1, size_of(layout))
        memory[:] = formatted(layout)
        return cls(layout, memory)

    def places(self, family: Family) -> dict[Labels, int]:
        """The first slot of each series of a family."""
        return self.layout.places(family.name)

    def take_over(self) -> None:
        """Count on in this process, from what was counted here; gauges start at 0."""
        for family in self.layout.families:
            if family.kind == "gauge":
                for place in self.places(family).values():
                    self.slots[place] = 0
        _HEAD.pack_into(self._memory, 0, *_HEAD.unpack_from(self._memory)[:2], os.getpid())

    def contents(self, *, is_live: bool = True) -> Contents:
        """What it holds now."""
        return contents_of(self._memory, is_live=is_live)


def size_of(layout: Layout) -> int:
    """How many bytes a slab has."""
    return _padded(len(layout.encoded())) + layout.size * _WORD


def formatted(layout: Layout) -> bytes:
    """The bytes of a slab that has counted nothing."""
    encoded = layout.encoded()
    head = _HEAD.pack(_MAGIC, len(encoded), 0) + encoded
    return head.ljust(size_of(layout), b"\0")


def contents_of(memory: mmap.mmap, *, is_live: bool) -> Contents:
    """What a slab holds now."""
    _, length, pid = _HEAD.unpack_from(memory)
    layout = memory[_HEAD.size : _HEAD.size + length]
    with memoryview(memory) as view, view[_offset(memory) :] as part, part.cast("q") as slots:
        return Contents(layout, slots.tolist(), pid, is_live)


def _offset(memory: mmap.mmap) -> int:
    magic, length, _ = _HEAD.unpack_from(memory)
    if magic != _MAGIC:
        raise ValueError("this is no slab of metrics")
    return _padded(length)


def _padded(length: int) -> int:
    return (_HEAD.size + length + _WORD - 1) // _WORD * _WORD
