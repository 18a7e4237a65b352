"""Batches: a body's readings as rows, each kind of device apart, and what was refused of it."""

from __future__ import annotations

import sys
from collections.abc import Callable
from datetime import datetime
from operator import itemgetter
from typing import Annotated, Literal

import msgspec

from service.wire.bodies import (
    JSON,
    MSGPACK,
    NDJSON,
    lines,
    may_be_too_many,
    reading_syntax_fault,
    split,
    too_many,
)
from service.wire.faults import json_fault, msgpack_fault
from service.wire.readings import Normalised, Row, WireReading, normalise

_MAX_READINGS = 20_000
_ID = itemgetter(0)
_TIME = itemgetter(1)

_json_body: Callable[[bytes], WireReading | list[WireReading]] = msgspec.json.Decoder(
    WireReading | list[WireReading]
).decode
_json_reading = msgspec.json.Decoder(WireReading).decode
_msgpack_reading = msgspec.msgpack.Decoder(WireReading).decode

_Undecodable = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)


Reason = Literal["future", "too_old", "out_of_range", "conflict", "malformed"]


class Refusal(msgspec.Struct, gc=False):
    """A reading that was not stored: its place in the body, why, and what to fix."""

    index: Annotated[int, msgspec.Meta(ge=0, description="Place in the body.")]
    reason: Reason
    detail: Annotated[str, msgspec.Meta(description="What to fix.")]


class Rows(msgspec.Struct, gc=False):
    """Readings of one kind of device, as `normalise` makes rows of them, and their places."""

    indexes: list[int]
    rows: list[Row]

    def __len__(self) -> int:
        return len(self.indexes)

    def part(self, start: int, stop: int) -> Rows:
        """The rows from `start` up to `stop`."""
        return Rows(self.indexes[start:stop], self.rows[start:stop])


class Batch(msgspec.Struct, gc=False):
    """A decoded body: `meters` and `vehicles` to store, `refused` already, `size` in all."""

    size: int
    meters: Rows
    vehicles: Rows
    refused: list[Refusal]

    def meter_ids(self) -> set[str]:
        """The meters whose readings these are."""
        return set(map(_ID, self.meters.rows))

    def vehicle_ids(self) -> set[str]:
        """The vehicles whose readings these are."""
        return set(map(_ID, self.vehicles.rows))

    def oldest(self) -> datetime:
        """The earliest time of its readings, of which there must be one at least."""
        return min(map(_TIME, self.meters.rows + self.vehicles.rows))

    def halves(self) -> tuple[Batch, Batch]:
        """The readings that were not refused, in two parts."""
        middle_m, middle_v = (len(self.meters) + 1) // 2, len(self.vehicles) // 2
        first = (self.meters.part(0, middle_m), self.vehicles.part(0, middle_v))
        second = (
            self.meters.part(middle_m, len(self.meters)),
            self.vehicles.part(middle_v, len(self.vehicles)),
        )
        return (
            Batch(len(first[0]) + len(first[1]), *first, []),
            Batch(len(second[0]) + len(second[1]), *second, []),
        )


def decode(body: bytes, media_type: str, max_readings: int = _MAX_READINGS) -> Batch:
    """Decode a body of one of MEDIA_TYPES; a bad reading is refused without its neighbours.

    Raises MalformedBody where the body as a whole cannot be read or holds no reading, and
    TooManyReadings.
    """
    batch = None
    if media_type == MSGPACK:
        if body and body[0] & 0xF0 == 0x80 and (normalised := _take_msgpack(body)):
            batch = _one(normalised)
    elif media_type == NDJSON or not may_be_too_many(body, max_readings):
        batch = _decode_json_body(body, media_type, max_readings)
    return batch or _decode_apart(body, media_type, max_readings)


def raw_readings(body: bytes, media_type: str) -> list[bytes]:
    """The bytes of each reading of a body that `decode` took, by index."""
    return split(body, media_type, sys.maxsize)


def _quotes(fields: int, strings: int) -> int:
    """How many quotation marks there are around the names and string values of an object.

    One with more of them repeats a field or has escaped some; none can have fewer.
    """
    return 2 * (fields + strings)


def _decode_json_body(body: bytes, media_type: str, max_readings: int) -> Batch | None:
    """Decode all readings at once; None where any must be looked at more closely."""
    try:
        if media_type == NDJSON:
            # line by line: decode_lines() would take two objects on a line, or one on two
            raws = lines(body)
            if len(raws) > max_readings:
                raise too_many(max_readings)
            decoded = [_json_reading(raw) for raw in raws]
        else:
            decoded = _json_body(body)
    except _Undecodable:
        return None
    if isinstance(decoded, WireReading):
        one = normalise(decoded)
        if one is None or body.count(b'"') != 2 * (one[2] + one[3]):  # see _quotes
            return None
        return _one(one)
    if len(decoded) > max_readings:
        raise too_many(max_readings)
    fields = strings = 0
    meters: list[Row] = []
    vehicles: list[Row] = []
    meter_indexes: list[int] = []
    vehicle_indexes: list[int] = []
    for index, reading in enumerate(decoded):
        normalised = normalise(reading)
        if normalised is None:
            return None
        is_vehicle, row, its_fields, its_strings = normalised
        fields += its_fields
        strings += its_strings
        if is_vehicle:
            vehicles.append(row)
            vehicle_indexes.append(index)
        else:
            meters.append(row)
            meter_indexes.append(index)
    if not decoded or body.count(b'"') != _quotes(fields, strings):
        return None
    return Batch(len(decoded), Rows(meter_indexes, meters), Rows(vehicle_indexes, vehicles), [])


def _decode_apart(body: bytes, media_type: str, max_readings: int) -> Batch:
    """Decode each reading alone, so that a bad one is refused alone."""
    take, fault = _BY_MEDIA_TYPE[media_type]
    raws = split(body, media_type, max_readings)
    meters: list[Row] = []
    vehicles: list[Row] = []
    meter_indexes: list[int] = []
    vehicle_indexes: list[int] = []
    refused: list[Refusal] = []
    for index, raw in enumerate(raws):
        normalised = take(raw)
        if normalised is None:
            detail = fault(raw) or reading_syntax_fault(raw, media_type)
            refused.append(Refusal(index, "malformed", detail))
        elif normalised[0]:
            vehicles.append(normalised[1])
            vehicle_indexes.append(index)
        else:
            meters.append(normalised[1])
            meter_indexes.append(index)
    return Batch(len(raws), Rows(meter_indexes, meters), Rows(vehicle_indexes, vehicles), refused)


def _take_json(raw: bytes) -> Normalised | None:
    try:
        normalised = normalise(_json_reading(raw))
    except _Undecodable:
        return None
    if normalised is None:
        return None
    if raw.count(b'"') != _quotes(normalised[2], normalised[3]) and json_fault(raw):
        return None
    return normalised


def _take_msgpack(raw: bytes) -> Normalised | None:
    try:
        normalised = normalise(_msgpack_reading(raw))
    except _Undecodable:
        return None
    if normalised is None:
        return None
    # the shortest header has the number of fields in the first byte; longer ones are rare
    if raw[0] != 0x80 | normalised[2] and (raw[0] & 0xF0 == 0x80 or msgpack_fault(raw)):
        return None
    return normalised


_BY_MEDIA_TYPE: dict[
    str, tuple[Callable[[bytes], Normalised | None], Callable[[bytes], str | None]]
] = {
    JSON: (_take_json, json_fault),
    NDJSON: (_take_json, json_fault),
    MSGPACK: (_take_msgpack, msgpack_fault),
}


def _one(normalised: Normalised) -> Batch:
    """A batch of one reading: what nearly every body is."""
    rows = Rows([0], [normalised[1]])
    if normalised[0]:
        return Batch(1, Rows([], []), rows, [])
    return Batch(1, rows, Rows([], []), [])
