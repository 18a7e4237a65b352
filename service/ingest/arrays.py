"""Columns of readings as PostgreSQL's binary arrays.

psycopg looks up how to write each element by itself, which costs three times as much; readings come
by the thousand, and their columns' types are known. The format is what array_recv() reads, in
PostgreSQL's src/backend/utils/adt/arrayfuncs.c.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from struct import Struct
from typing import Any, NamedTuple

from psycopg.abc import AdaptContext, Buffer
from psycopg.adapt import Dumper
from psycopg.pq import Format

from service.wire.readings import Row

# dimensions, whether there are nulls, type of the elements, how many, index of the first
_HEADER = Struct("!iiIii").pack
_EMPTY_HEADER = Struct("!iiI").pack
_LENGTH = Struct("!i").pack
_FLOAT = Struct("!id").pack
_TIME = Struct("!iq").pack
_NULL = _LENGTH(-1)

# PostgreSQL counts microseconds from here
_EPOCH = datetime(2000, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


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


def _texts(values: Sequence[str]) -> list[bytes]:
    encoded = [value.encode() for value in values]
    return [_LENGTH(len(one)) + one for one in encoded]


def _times(values: Sequence[datetime]) -> list[bytes]:
    return [_TIME(8, (value - _EPOCH) // _MICROSECOND) for value in values]


def _optional_times(values: Sequence[datetime | None]) -> list[bytes]:
    return [_NULL if value is None else _times([value])[0] for value in values]


def _floats(values: Sequence[float]) -> list[bytes]:
    return [_FLOAT(8, value) for value in values]


def _optional_floats(values: Sequence[float | None]) -> list[bytes]:
    return [_NULL if value is None else _FLOAT(8, value) for value in values]


class _Column(NamedTuple):
    element_oid: int
    nullable: bool
    elements: Callable[[Sequence[Any]], list[bytes]]


_ID = _Column(25, False, _texts)
_READ_AT = _Column(1184, False, _times)
_ENERGY = _Column(701, False, _floats)
_MEASUREMENT = _Column(701, True, _optional_floats)

# id, time, kWh AC, V
METER = (_ID, _READ_AT, _ENERGY, _MEASUREMENT)
# id, time, kWh DC, %, °C
VEHICLE = (_ID, _READ_AT, _ENERGY, _MEASUREMENT, _MEASUREMENT)


def times(values: Sequence[datetime | None]) -> Array:
    """Points in time as timestamptz[]; as text PostgreSQL would refuse offsets of 16 hours."""
    header = _HEADER(1, True, _READ_AT.element_oid, len(values), 1)
    return Array(header + b"".join(_optional_times(values)))


def columns(rows: Sequence[Row], kind: Sequence[_Column]) -> list[Array]:
    """The columns of rows of a kind, METER or VEHICLE: text[], timestamptz[] and float8[]."""
    if not rows:
        return [Array(_EMPTY_HEADER(0, 0, column.element_oid)) for column in kind]
    return [
        Array(
            _HEADER(1, column.nullable, column.element_oid, len(rows), 1)
            + b"".join(column.elements(values))
        )
        for column, values in zip(kind, zip(*rows, strict=True), strict=True)
    ]
