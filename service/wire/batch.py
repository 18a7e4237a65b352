"""A body's readings as columns, each kind of device's apart, and what was refused on the way."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from service.wire.errors import MalformedBody, MalformedReading, TooManyReadings
from service.wire.readings import (
    WireReading,
    describe,
    meter_or_vehicle_row,
    quotes,
    repeated_json_field,
    set_fields,
)

JSON = "application/json"
NDJSON = "application/x-ndjson"
MSGPACK = "application/msgpack"
MEDIA_TYPES = frozenset({JSON, NDJSON, MSGPACK})

_METER_COLUMNS = 4
_VEHICLE_COLUMNS = 5

_json = msgspec.json.Decoder(WireReading)
_json_list = msgspec.json.Decoder(list[WireReading])
_json_raws = msgspec.json.Decoder(list[msgspec.Raw])
_msgpack = msgspec.msgpack.Decoder(WireReading)
_msgpack_raws = msgspec.msgpack.Decoder(list[msgspec.Raw])

_Undecodable = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)


class Refusal(msgspec.Struct, gc=False):
    """A reading that was not stored: its place in the body, why, and what to fix."""

    index: int
    reason: str
    detail: str


class Columns:
    """Readings of one kind of device: `values` has a list a column, `indexes` their places."""

    __slots__ = ("indexes", "values")

    def __init__(self, indexes: list[int], values: Sequence[list[Any]]) -> None:
        self.indexes = indexes
        self.values = values

    def __len__(self) -> int:
        return len(self.indexes)

    @classmethod
    def joined(cls, parts: Sequence[Columns]) -> Columns:
        """The rows of all parts, in order."""
        indexes = [index for part in parts for index in part.indexes]
        values = [
            [value for part in parts for value in part.values[column]]
            for column in range(len(parts[0].values))
        ]
        return cls(indexes, values)

    def part(self, start: int, stop: int) -> Columns:
        """The rows from `start` up to `stop`."""
        return Columns(self.indexes[start:stop], [column[start:stop] for column in self.values])


class Batch:
    """A decoded body: `meters` and `vehicles` to store, `refused` already, `size` in all."""

    __slots__ = ("meters", "refused", "size", "vehicles")

    def __init__(
        self, size: int, meters: Columns, vehicles: Columns, refused: list[Refusal]
    ) -> None:
        self.size = size
        self.meters = meters
        self.vehicles = vehicles
        self.refused = refused

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


def decode(body: bytes, media_type: str, max_readings: int) -> Batch:
    """Decode a body of one of MEDIA_TYPES; a bad reading is refused without its neighbours.

    Raises MalformedBody where the body as a whole cannot be read or holds no reading, and
    TooManyReadings.
    """
    if media_type == MSGPACK:
        return _decode_apart(_raws(body, media_type), max_readings, _decode_msgpack)
    try:
        if media_type == NDJSON:
            readings = _json.decode_lines(body)
        elif body[:1] == b"{":
            readings = [_json.decode(body)]
        else:
            readings = _json_list.decode(body)
    except _Undecodable:
        return _decode_apart(_raws(body, media_type), max_readings, _decode_json)
    _check_count(len(readings), max_readings)
    # a field that is there twice shows in the number of quotation marks, and so does an escape:
    # only then is it worth to look closer
    if body.count(b'"') != sum(map(quotes, readings)):
        return _decode_apart(_raws(body, media_type), max_readings, _decode_json)
    return _collect(readings)


def raw_readings(body: bytes, media_type: str) -> list[bytes]:
    """The bytes of each reading of a body that `decode` took, by index."""
    return _raws(body, media_type)


def _raws(body: bytes, media_type: str) -> list[bytes]:
    if not body.strip():
        raise MalformedBody("the body is empty: send a reading, or an array of readings")
    try:
        if media_type == NDJSON:
            return [line for line in body.split(b"\n") if line.strip()]
        if media_type == MSGPACK:
            is_map = body[0] & 0xF0 == 0x80 or body[0] in (0xDE, 0xDF)
            return [body] if is_map else [bytes(raw) for raw in _msgpack_raws.decode(body)]
        if body.lstrip()[:1] == b"{":
            msgspec.json.decode(body, type=msgspec.Raw)
            return [body]
        return [bytes(raw) for raw in _json_raws.decode(body)]
    except msgspec.ValidationError as error:
        raise MalformedBody("the body must be a reading, or an array of readings") from error
    except RecursionError as error:
        raise MalformedBody("the body is nested too deeply") from error
    except UnicodeDecodeError as error:
        raise MalformedBody("the body is not valid UTF-8") from error
    except msgspec.MsgspecError as error:
        raise MalformedBody(f"the body is not valid {media_type}: {error}") from error


def _check_count(readings: int, max_readings: int) -> None:
    if readings == 0:
        raise MalformedBody("the body holds no reading: send at least one")
    if readings > max_readings:
        raise TooManyReadings(
            f"the body holds {readings} readings, allowed are {max_readings}: send smaller batches"
        )


def _collect(readings: Sequence[WireReading | Refusal]) -> Batch:
    meter_rows: list[tuple[Any, ...]] = []
    vehicle_rows: list[tuple[Any, ...]] = []
    meter_indexes: list[int] = []
    vehicle_indexes: list[int] = []
    refused: list[Refusal] = []
    for index, reading in enumerate(readings):
        if isinstance(reading, Refusal):
            refused.append(reading)
            continue
        try:
            is_vehicle, row = meter_or_vehicle_row(reading)
        except MalformedReading as error:
            refused.append(Refusal(index, "malformed", str(error)))
            continue
        if is_vehicle:
            vehicle_rows.append(row)
            vehicle_indexes.append(index)
        else:
            meter_rows.append(row)
            meter_indexes.append(index)
    return Batch(
        len(readings),
        Columns(meter_indexes, _transposed(meter_rows, _METER_COLUMNS)),
        Columns(vehicle_indexes, _transposed(vehicle_rows, _VEHICLE_COLUMNS)),
        refused,
    )


def _transposed(rows: list[tuple[Any, ...]], width: int) -> list[list[Any]]:
    return [list(column) for column in zip(*rows, strict=True)] or [[] for _ in range(width)]


def _decode_apart(
    raws: list[bytes], max_readings: int, decode_one: Callable[[bytes], WireReading]
) -> Batch:
    """Decode each reading alone, so that a bad one is refused alone."""
    _check_count(len(raws), max_readings)
    readings: list[WireReading | Refusal] = []
    for index, raw in enumerate(raws):
        try:
            readings.append(decode_one(raw))
        except MalformedReading as error:
            readings.append(Refusal(index, "malformed", str(error)))
        except RecursionError:
            readings.append(Refusal(index, "malformed", "the reading is nested too deeply"))
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            readings.append(Refusal(index, "malformed", describe(error)))
    return _collect(readings)


def _decode_json(raw: bytes) -> WireReading:
    reading = _json.decode(raw)
    if repeated := repeated_json_field(raw):
        raise MalformedReading(f'"{repeated}" is given twice')
    return reading


def _decode_msgpack(raw: bytes) -> WireReading:
    reading = _msgpack.decode(raw)
    if raw[0] in (0xDE, 0xDF):
        entries = int.from_bytes(raw[1 : 3 if raw[0] == 0xDE else 5], "big")
    else:
        entries = raw[0] & 0x0F
    if entries != set_fields(reading):
        raise MalformedReading("a field is given twice")
    for name, value in msgspec.structs.asdict(reading).items():
        if isinstance(value, float) and not math.isfinite(value):
            raise MalformedReading(f'"{name}" must be a finite number')
    return reading
