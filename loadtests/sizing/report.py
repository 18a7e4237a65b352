"""Page of a measurement: the figures, the model, and how far it was off at a third fleet."""

from __future__ import annotations

import argparse
import os
from typing import NamedTuple

from loadtests.sizing.model import Point, through
from loadtests.sizing.room import Room

# by name: what it is, and in what a million readings are told
_QUANTITIES = {
    "service": ("processor seconds, service", 1.0),
    "database": ("processor seconds, database", 1.0),
    "wal": ("WAL, MB", 1e6),
    "raw": ("raw readings on disk, MB", 1e6),
}


class Measured(NamedTuple):
    """All that was measured; `idle` per second in which nobody posts."""

    room: Room
    idle: dict[str, float]
    one: Point
    other: Point
    third: Point
    sessions: int


def page(measured: Measured, options: argparse.Namespace) -> str:
    """The page, in Markdown."""
    return "\n".join(
        [
            "# What a fleet takes",
            "",
            f"`just measure sizing --seconds {options.seconds:g} --vehicles {options.vehicles}"
            f" --days {options.days}` wrote this page; {os.cpu_count()} cores, Apache edition.",
            "",
            "## Readings that are posted",
            "",
            *_points(measured),
            "",
            "## Room",
            "",
            *_room(measured.room),
            "",
        ]
    )


def _points(measured: Measured) -> list[str]:
    one, other, third = measured.one, measured.other, measured.third
    head = [f"{p.devices:,} devices, batch {p.batch}" for p in (one, other)]
    lines = [
        f"| of a million readings | {head[0]} | {head[1]} | so each takes | and each request |"
        f" {third.devices:,} devices, batch {third.batch}: predicted | measured | off by |",
        "| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    for name, (words, unit) in _QUANTITIES.items():
        line = through(one, other, name)
        predicted, found = line.of(third.batch) / unit, third.per_million(name) / unit
        ours, theirs = one.per_million(name) / unit, other.per_million(name) / unit
        lines.append(
            f"| {words} | {ours:,.0f} | {theirs:,.0f}"
            f" | {line.each / unit:,.1f} | {line.request / unit:,.1f} | {predicted:,.0f}"
            f" | {found:,.0f} | {predicted / found - 1:+.0%} |"
        )
    rates = ", ".join(f"{p.readings / p.seconds:,.0f}" for p in (one, other, third))
    idle = measured.idle
    return [
        *lines,
        "",
        f"Readings per second: {rates}. Links, settling and charging are not in it."
        f" While nobody posts the service takes {idle['service']:.3f} cores and the database"
        f" {idle['database']:.3f}, which is subtracted; {measured.sessions} connections to the"
        " database.",
    ]


def _room(room: Room) -> list[str]:
    raw = room.kinds["raw readings"]
    per = room.devices * room.days
    lines = [
        f"A simulated fleet of {room.devices} devices, {room.days} days:"
        f" {raw.rows:,} readings, {raw.rows / per:,.0f} per device and day.",
        "",
        "| | rows per device and day | bytes per row | bytes per device and day |",
        "| --- | ---: | ---: | ---: |",
    ]
    for name, kind in room.kinds.items():
        lines.append(
            f"| {name} | {kind.rows / per:,.1f} | {kind.size / max(1, kind.rows):,.0f}"
            f" | {kind.size / per:,.0f} |"
        )
    states = room.states
    lines += [
        "",
        f"Besides, {states.rows / room.devices:,.1f} rows of states per device, however long it is"
        f" there: {states.size / room.devices:,.0f} bytes.",
    ]
    million = raw.rows / 1e6
    took = ", ".join(f"{name} {value / million:,.0f}" for name, value in room.seconds.items())
    compressed = room.compression
    lines += [
        "",
        f"Of the {raw.size / raw.rows:,.0f} bytes of a reading {room.index_bytes:,.0f} are its"
        " primary key's index.",
        f"Processor seconds of the database per million readings, in groups of thousands: {took}.",
        "In the columnstore the same readings take "
        + (
            f"{raw.size / raw.rows / compressed:,.1f} bytes each, {1 / compressed:.2f} of that."
            if compressed
            else "… was not measured: Node.js is missing."
        ),
    ]
    return lines
