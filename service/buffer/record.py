"""Records of the buffer: what many requests sent for devices of one partition."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from service.ingest.quarantine import Quarantined
from service.wire import Batch, Rows
from service.wire.readings import LONGEST_ID, Row

_Text = Annotated[str, Meta(min_length=1, max_length=LONGEST_ID)]
_Time = Annotated[datetime, Meta(tz=True)]
_Meter = tuple[_Text, _Time, str | None, float, _Time | None, _Text | None, float | None]
_Vehicle = tuple[
    _Text, _Time, str | None, float, _Time | None, _Text | None, float | None, float | None
]
# where times stand in a row
_TIMES = (1, 4)


class Share(msgspec.Struct, array_like=True, gc=False):
    """Readings that came with one key, or without: rows as `service.wire` makes them."""

    key_id: str | None
    meters: list[Row]
    vehicles: list[Row]

    def __len__(self) -> int:
        return len(self.meters) + len(self.vehicles)


class _TypedShare(msgspec.Struct, array_like=True, gc=False):
    """A Share whose rows are looked at one by one."""

    key_id: str | None
    meters: list[_Meter]
    vehicles: list[_Vehicle]


class _Readings(msgspec.Struct, array_like=True, tag="readings/1", gc=False):
    """Readings of which none was refused yet."""

    shares: list[_TypedShare]


class _Refused(msgspec.Struct, array_like=True, tag="refused/1", gc=False):
    """What was refused while the database was away, on its way into quarantine."""

    key_id: str | None
    entries: list[tuple[int | None, str, str, str, bytes]]


class UnreadableRecord(Exception):
    """A record is not of the form that is written here; the message says why."""


class Readings(msgspec.Struct, gc=False):
    """A record's readings: as a batch whose indexes are places in the record, and their keys."""

    batch: Batch
    keys: list[str | None]


class Refused(msgspec.Struct, gc=False):
    """A record's refused readings or bodies, and the key that they came with."""

    key_id: str | None
    entries: list[Quarantined]


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(_Readings | _Refused).decode
# what holds nothing: to see whether the brokers take it
EMPTY = _encode(["readings/1", []])


def encoded(shares: list[Share]) -> bytes:
    """A record of readings."""
    try:
        return _encode(["readings/1", shares])
    except OverflowError:
        # a time that has no UTC within Python's years, which the database takes as text
        return _encode(
            [
                "readings/1",
                [
                    Share(one.key_id, [*map(_told, one.meters)], [*map(_told, one.vehicles)])
                    for one in shares
                ],
            ]
        )


def _told(row: Row) -> Row:
    return tuple(
        value.isoformat() if place in _TIMES and value is not None else value
        for place, value in enumerate(row)
    )


def encoded_refused(refused: list[Quarantined], key_id: str | None) -> bytes:
    """A record of what was refused before the database saw it."""
    entries = [(one.index, one.reason, one.detail, one.media_type, one.raw) for one in refused]
    return _encode(["refused/1", key_id, entries])


def decoded(value: bytes) -> Readings | Refused:
    """What a record holds. Raises UnreadableRecord."""
    try:
        found = _decode(value)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError, OverflowError) as error:
        raise UnreadableRecord(f"it is no record of this version: {error}") from error
    if isinstance(found, _Refused):
        return Refused(found.key_id, [Quarantined(*entry) for entry in found.entries])
    meters: list[Any] = []
    vehicles: list[Any] = []
    meter_keys: list[str | None] = []
    vehicle_keys: list[str | None] = []
    for share in found.shares:
        meters += share.meters
        meter_keys += [share.key_id] * len(share.meters)
        vehicles += share.vehicles
        vehicle_keys += [share.key_id] * len(share.vehicles)
    count = len(meters)
    size = count + len(vehicles)
    batch = Batch(size, Rows([*range(count)], meters), Rows([*range(count, size)], vehicles), [])
    return Readings(batch, meter_keys + vehicle_keys)
