"""Columns of readings as PostgreSQL's binary arrays.

psycopg looks up how to write each element by itself, which costs three times as much; readings come
by the thousand, and their columns' types are known. The format is what array_recv() reads, in
PostgreSQL's src/backend/utils/adt/arrayfuncs.c.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from functools import cache
from struct import Struct, error
from typing import Any, NamedTuple

from psycopg.abc import AdaptContext, Buffer
from psycopg.adapt import Dumper
from psycopg.pq import Format

from service.wire.readings import LONGEST_ID, Row

# dimensions, whether there are nulls, type of the elements, how many, index of the first
_HEADER = Struct("!iiIii").pack
_EMPTY_HEADER = Struct("!iiI").pack
_FLOAT = "d"
_MICROSECONDS = "q"
_EIGHT_BYTES = 8
# an id or a session has 128 characters at most, of four bytes each
_LENGTHS = [Struct("!i").pack(length) for length in range(4 * LONGEST_ID + 1)]
_NULL = Struct("!i").pack(-1)
_ONE = {code: Struct(f"!i{code}").pack for code in (_FLOAT, _MICROSECONDS)}
# so many elements are packed at once; fewer than these are sooner packed each by itself
_PIECE = 256
_FEW = 6

# PostgreSQL counts microseconds from here
_EPOCH = datetime(2000, 1, 1, tzinfo=UTC)


class Array(bytes):
    """A binary array, to be sent as it is."""


class _AsItIs(Dumper):
    """Sends an Array; of which type it is the statement says."""

    format = Format.BINARY

    def dump(self, obj: Any) -> Buffer | None:
        return obj


def adapt(connection: AdaptContext) -> None:
    """Let a connection take Arrays as parameters."""
    connection.adapters.register_dumper(Array, _AsItIs)


@cache
def _packer(code: str, count: int) -> Callable[..., bytes]:
    """Packs so many elements of eight bytes, each with its length in front."""
    return Struct("!" + f"i{code}" * count).pack


def _packed(code: str, values: Sequence[Any]) -> bytes:
    """Elements of eight bytes. Raises struct.error where one is None."""
    count = len(values)
    if count <= _FEW:
        pack = _ONE[code]
        return b"".join([pack(_EIGHT_BYTES, value) for value in values])
    if count > _PIECE:
        starts = range(0, count, _PIECE)
        return b"".join([_packed(code, values[start : start + _PIECE]) for start in starts])
    arguments: list[Any] = [_EIGHT_BYTES] * (2 * count)
    arguments[1::2] = values
    return _packer(code, count)(*arguments)


def _perhaps_packed(code: str, values: Sequence[Any]) -> bytes:
    """Elements of eight bytes, or none."""
    try:
        return _packed(code, values)
    except error:
        pack = _ONE[code]
        return b"".join([_NULL if v is None else pack(_EIGHT_BYTES, v) for v in values])


def _texts(values: Sequence[str]) -> bytes:
    return b"".join([_LENGTHS[len(text)] + text for text in map(str.encode, values)])


def _optional_texts(values: Sequence[str | None]) -> bytes:
    return b"".join([_NULL if value is None else _texts([value]) for value in values])


def _times(values: Sequence[datetime]) -> bytes:
    return _packed(
        _MICROSECONDS,
        [
            (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds
            for since in [value - _EPOCH for value in values]
        ],
    )


def _optional_times(values: Sequence[datetime | None]) -> bytes:
    return b"".join([_NULL if value is None else _times([value]) for value in values])


def _floats(values: Sequence[float]) -> bytes:
    return _packed(_FLOAT, values)


def _optional_floats(values: Sequence[float | None]) -> bytes:
    return _perhaps_packed(_FLOAT, values)


class _Column(NamedTuple):
    element_oid: int
    nullable: bool
    elements: Callable[[Sequence[Any]], bytes]
    # whether the function takes NULL for an array of nothing but NULLs
    may_be_left_out: bool = False


_ID = _Column(25, False, _texts)
_READ_AT = _Column(1184, False, _times)
_KIND = _Column(25, True, _optional_texts, may_be_left_out=True)
_ENERGY = _Column(701, False, _floats)
_SINCE = _Column(1184, True, _optional_times, may_be_left_out=True)
_SESSION = _KIND
_MEASUREMENT = _Column(701, True, _optional_floats)

_READING = (_ID, _READ_AT, _KIND, _ENERGY, _SINCE, _SESSION)


class Kind(NamedTuple):
    """The columns of a kind of device's rows, and what they are of no rows."""

    columns: Sequence[_Column]
    empty: Sequence[Array | None]


def _kind(*columns: _Column) -> Kind:
    empty = (
        None if may_be_left_out else Array(_EMPTY_HEADER(0, 0, oid))
        for oid, _, _, may_be_left_out in columns
    )
    return Kind(columns, tuple(empty))


# V
METER = _kind(*_READING, _MEASUREMENT)
# %, °C
VEHICLE = _kind(*_READING, _MEASUREMENT, _MEASUREMENT)


def times(values: Sequence[datetime | None]) -> Array:
    """Points in time as timestamptz[]; as text PostgreSQL would refuse offsets of 16 hours."""
    header = _HEADER(1, True, _READ_AT.element_oid, len(values), 1)
    return Array(header + _optional_times(values))


def columns(rows: Sequence[Row], kind: Kind) -> Sequence[Array | None]:
    """The columns of rows of a kind, METER or VEHICLE: text[], timestamptz[] and float8[].

    None where no row has a kind, a start or a session.
    """
    if not rows:
        return kind.empty
    return [
        None
        if may_be_left_out and not any(values)
        else Array(_HEADER(1, nullable, oid, len(rows), 1) + elements(values))
        for (oid, nullable, elements, may_be_left_out), values in zip(
            kind.columns, zip(*rows, strict=True), strict=True
        )
    ]
