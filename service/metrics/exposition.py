"""Exposition of all that is counted, in Prometheus' text format 0.0.4."""

from __future__ import annotations

import os
import platform
from collections import defaultdict
from collections.abc import Iterable, Sequence
from functools import cache, lru_cache
from importlib.metadata import version
from itertools import accumulate
from pathlib import Path
from time import monotonic

import msgspec

from service.metrics.board import Board
from service.metrics.families import PREFIX, Family, Labels, Layout, gauge
from service.metrics.slab import Contents

MEDIA_TYPE = "text/plain; version=0.0.4"
CHARSET = "; charset=utf-8"
# what was found out longer ago says nothing of now
FOUND_SECONDS = 15.0

WORKERS_EXPECTED = gauge("workers_expected", "Workers that the supervisor keeps running.")
WORKER_STARTS = "worker_starts_total"
# found out of a buffer, for the metrics and the health
BUFFER_LAG = "buffer_lag_records"
BUFFER_DELAY = "buffer_delay_seconds"
BUFFER_WORKERS = "buffer_workers"

_BUILD = gauge("build_info", "1; version of Wattledger and of Python.")
_WORKERS = gauge("workers", "Workers that live.")
_MEMORY = gauge(
    "worker_resident_memory_bytes", "Memory of the workers and their supervisor, in bytes."
)
_DATABASE_UP = gauge("database_up", "1 where the database answers, else 0.")

_ESCAPED = str.maketrans({"\\": r"\\", "\n": r"\n", '"': r"\""})


class Found(msgspec.Struct):
    """A gauge that one worker has found out for all: of the database, or of the buffer."""

    name: str
    about: str
    value: float
    label: str | None = None
    label_value: str | None = None


class Document(msgspec.Struct):
    """What one worker publishes for all: when it was found out, by the clock of all processes."""

    at: float
    database_up: bool
    found: list[Found] = []
    # of the standby, which may be there while the database is not
    standby: list[Found] = []
    # of the buffer before it, likewise
    buffer: list[Found] = []


_decode = msgspec.json.Decoder(Document).decode


def publish(
    board: Board,
    database_up: bool,
    found: Sequence[Found] = (),
    standby: Sequence[Found] = (),
    buffer: Sequence[Found] = (),
) -> None:
    """Publish what was found out just now, of the database and what is beside it.

    Raises OSError.
    """
    document = Document(monotonic(), database_up, list(found), list(standby), list(buffer))
    board.publish(msgspec.json.encode(document))


def published(board: Board) -> Document | None:
    """What was published last; None where that says nothing of now."""
    encoded = board.published()
    document = _decode(encoded) if encoded else None
    if document is None or monotonic() - document.at >= FOUND_SECONDS:
        return None
    return document


def text(board: Board) -> bytes:
    """All metrics of the service, whichever worker or supervisor asks. Raises OSError."""
    slabs = board.contents()
    lines: list[str] = []
    for family, series in _added(slabs):
        lines += _shown(family, series)
    lines += _of_processes(slabs)
    lines += _of_database(published(board))
    return ("\n".join(lines) + "\n").encode()


def _added(slabs: Sequence[Contents]) -> Iterable[tuple[Family, dict[Labels, list[int]]]]:
    """The families with the slots of each series, added up; the gauges of those who live alone."""
    families: dict[str, Family] = {}
    series: dict[str, dict[Labels, list[int]]] = defaultdict(dict)
    # most often there are two: the workers' and the supervisor's
    for layout in dict.fromkeys(slab.layout for slab in slabs):
        alike = [slab for slab in slabs if slab.layout == layout]
        counted = [sum(slots) for slots in zip(*(slab.slots for slab in alike), strict=True)]
        live = [slab.slots for slab in alike if slab.is_live]
        now = [sum(slots) for slots in zip(*live, strict=True)] or [0] * len(counted)
        decoded = _decoded(layout)
        for family in decoded.families:
            slots = now if family.kind == "gauge" else counted
            families.setdefault(family.name, family)
            merged = series[family.name]
            for labels, place in _places(layout, family.name).items():
                values = slots[place : place + family.width]
                before = merged.get(labels)
                if before is not None and len(before) == len(values):
                    values = [a + b for a, b in zip(before, values, strict=True)]
                merged[labels] = values
    return [(family, series[name]) for name, family in families.items()]


@lru_cache(maxsize=8)
def _decoded(layout: bytes) -> Layout:
    return Layout.decoded(layout)


@lru_cache(maxsize=256)
def _places(layout: bytes, name: str) -> dict[Labels, int]:
    return _decoded(layout).places(name)


def _shown(family: Family, series: dict[Labels, list[int]]) -> list[str]:
    hidden = family.hidden()
    if hidden:
        width = len(family.axes[0].names)
        hidden -= {labels[:width] for labels, slots in series.items() if any(slots)}
        series = {key: slots for key, slots in series.items() if key[:width] not in hidden}
    lines = _head(family)
    names = family.label_names
    for labels, slots in series.items():
        told = _labels(names, labels)
        if family.kind == "histogram":
            lines += _histogram(family, told, slots)
        else:
            lines.append(f"{family.name}{_braced(told)} {slots[0]}")
    return lines


def _histogram(family: Family, told: str, slots: Sequence[int]) -> list[str]:
    counts = list(accumulate(slots[:-1]))
    comma = "," if told else ""
    lines = [
        f'{family.name}_bucket{{{told}{comma}le="{bound}"}} {count}'
        for bound, count in zip([*_bounds(family.bounds), "+Inf"], counts, strict=True)
    ]
    braced = _braced(told)
    lines.append(f"{family.name}_sum{braced} {_number(slots[-1] / family.parts)}")
    lines.append(f"{family.name}_count{braced} {counts[-1]}")
    return lines


def _of_processes(slabs: Sequence[Contents]) -> list[str]:
    live = [slab for slab in slabs if slab.is_live]
    workers = sum(1 for slab in live if PREFIX + WORKER_STARTS in _decoded(slab.layout).starts)
    lines = [*_head(_WORKERS), f"{_WORKERS.name} {workers}"]
    memory = [found for slab in live if (found := _resident_bytes(slab.pid)) is not None]
    if memory:
        lines += [*_head(_MEMORY), f"{_MEMORY.name} {sum(memory)}"]
    told = _labels(("version", "python"), (_version(), platform.python_version()))
    return [*lines, *_head(_BUILD), f"{_BUILD.name}{_braced(told)} 1"]


def _of_database(document: Document | None) -> list[str]:
    """What is known of the database now, and of what is beside it; where it is away, that."""
    is_up = document is not None and document.database_up
    lines = [*_head(_DATABASE_UP), f"{_DATABASE_UP.name} {int(is_up)}"]
    by_name: dict[str, list[Found]] = defaultdict(list)
    if document is not None:
        beside = document.standby + document.buffer
        for found in document.found + beside if is_up else beside:
            by_name[found.name].append(found)
    for name, alike in by_name.items():
        family = gauge(name, alike[0].about)
        lines += _head(family)
        for found in alike:
            told = ""
            if found.label is not None:
                told = _labels((found.label,), (found.label_value or "",))
            lines.append(f"{family.name}{_braced(told)} {_number(found.value)}")
    return lines


def _head(family: Family) -> list[str]:
    about = family.about.replace("\\", r"\\").replace("\n", r"\n")
    return [f"# HELP {family.name} {about}", f"# TYPE {family.name} {family.kind}"]


def _labels(names: Sequence[str], values: Sequence[str]) -> str:
    pairs = zip(names, values, strict=True)
    return ",".join(f'{name}="{value.translate(_ESCAPED)}"' for name, value in pairs)


def _braced(told: str) -> str:
    return f"{{{told}}}" if told else ""


@cache
def _bounds(bounds: tuple[float, ...]) -> list[str]:
    return [_number(bound) for bound in bounds]


def _number(value: float) -> str:
    return str(int(value)) if value == int(value) else repr(float(value))


@cache
def _version() -> str:
    return version("wattledger")


def _resident_bytes(pid: int) -> int | None:
    """Memory of a process; None where it cannot be had."""
    try:
        pages = Path(f"/proc/{pid}/statm").read_text().split()[1]
    except (OSError, IndexError):
        return None
    return int(pages) * os.sysconf("SC_PAGE_SIZE")
