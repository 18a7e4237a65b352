"""One reading on the wire, in any of its forms, turned into a row for its device's kind."""

import json
import re
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType

from service.wire.errors import MalformedReading

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_LAST_MILLISECOND = 253_402_300_799_999  # of the year 9999

# an id stands in URL paths: no slash, no control character, and not "." or ".."
_Id = Annotated[
    str, Meta(min_length=1, max_length=128, pattern=r"^(?!\.{1,2}$)[^\x00-\x1f\x7f-\x9f/]+$")
]
_OptionalId = _Id | UnsetType
_Number = float | UnsetType
_OptionalNumber = float | None | UnsetType
_Timestamp = (
    Annotated[datetime, Meta(tz=True)]
    | Annotated[int, Meta(ge=0, le=_LAST_MILLISECOND)]
    | UnsetType
)


class WireReading(msgspec.Struct, forbid_unknown_fields=True, gc=False, rename="camel"):
    """The fields of all forms together: one struct, since decoding it is one pass in C."""

    type: Literal["meter", "vehicle"] | UnsetType = UNSET
    meter_id: _OptionalId = UNSET
    vehicle_id: _OptionalId = UNSET
    id: _OptionalId = UNSET
    kwh_consumed_ac: _Number = UNSET
    kwh_delivered_dc: _Number = UNSET
    voltage: _OptionalNumber = UNSET
    soc: _OptionalNumber = UNSET
    battery_temp: _OptionalNumber = UNSET
    value1: _Number = UNSET
    value2: _OptionalNumber = UNSET
    timestamp: _Timestamp = UNSET


_FIELDS = {field.name: field.encode_name for field in msgspec.structs.fields(WireReading)}
_ID_RULE = 'must be 1 to 128 characters, without control characters or "/", not "." or ".."'
_RULES = {
    "type": 'must be "meter" or "vehicle"',
    "meterId": _ID_RULE,
    "vehicleId": _ID_RULE,
    "id": _ID_RULE,
    "timestamp": "must be an RFC 3339 time with an offset, such as 2026-01-31T12:00:00Z,"
    " or integer epoch milliseconds",
}
_NUMBER_RULE = "must be a finite number"
_PLACE = re.compile(r"\$(?:\[\d*\])?\.(\w+)")
_UNKNOWN = re.compile(r"unknown field `(.*)`", re.DOTALL)

# form: the fields that must be there beside the id, and those that may
_METER = ("kwh_consumed_ac", "timestamp"), ("type", "meter_id", "voltage")
_VEHICLE = ("kwh_delivered_dc", "timestamp"), ("type", "vehicle_id", "soc", "battery_temp")
_GENERIC = ("type", "value1", "timestamp"), ("id", "value2")

Row = tuple[Any, ...]


def meter_or_vehicle_row(reading: WireReading) -> tuple[bool, Row]:
    """Return whether it is a vehicle's, and its columns in the order of the ingest function.

    A meter's: id, time, kWh AC, V or None. A vehicle's: id, time, kWh DC, % or None, °C or None.
    Raises MalformedReading.
    """
    time = reading.timestamp
    if isinstance(time, int):
        time = _EPOCH + timedelta(milliseconds=time)
    if reading.meter_id is not UNSET:
        voltage = reading.voltage
        energy = reading.kwh_consumed_ac
        if (
            energy is UNSET
            or time is UNSET
            or reading.type == "vehicle"
            or set_fields(reading) != 3 + (reading.type is not UNSET) + (voltage is not UNSET)
        ):
            raise _misfit(reading, "meter_id", "vehicle", *_METER)
        return False, (reading.meter_id, time, energy, None if voltage is UNSET else voltage)
    if reading.vehicle_id is not UNSET:
        soc, temp = reading.soc, reading.battery_temp
        energy = reading.kwh_delivered_dc
        if (
            energy is UNSET
            or time is UNSET
            or reading.type == "meter"
            or set_fields(reading)
            != 3 + (reading.type is not UNSET) + (soc is not UNSET) + (temp is not UNSET)
        ):
            raise _misfit(reading, "vehicle_id", "meter", *_VEHICLE)
        return True, (
            reading.vehicle_id,
            time,
            energy,
            None if soc is UNSET else soc,
            None if temp is UNSET else temp,
        )
    second = None if reading.value2 is UNSET else reading.value2
    if (
        reading.id is UNSET
        or reading.type is UNSET
        or reading.value1 is UNSET
        or time is UNSET
        or set_fields(reading) != 4 + (reading.value2 is not UNSET)
    ):
        raise _misfit(reading, "id", None, *_GENERIC)
    if reading.type == "meter":
        return False, (reading.id, time, reading.value1, second)
    return True, (reading.id, time, reading.value1, None, second)


def set_fields(reading: WireReading) -> int:
    """How many fields were sent."""
    return len(_FIELDS) - msgspec.structs.astuple(reading).count(UNSET)


def quotes(reading: WireReading) -> int:
    """How many quotation marks a JSON object of it has that repeats no field and escapes none."""
    strings = 1 + (reading.type is not UNSET) + isinstance(reading.timestamp, datetime)
    return 2 * (set_fields(reading) + strings)


def repeated_json_field(raw: bytes) -> str | None:
    """The first field that a JSON object has twice, or null."""
    repeated: list[str] = []

    def look(pairs: list[tuple[str, Any]]) -> None:
        names = [name for name, _ in pairs]
        repeated.extend(name for name in names if names.count(name) > 1)

    json.loads(raw, object_pairs_hook=look)
    return repeated[0] if repeated else None


def describe(error: msgspec.MsgspecError | UnicodeDecodeError) -> str:
    """Say in our own words what a reading's decoding failed on; msgspec's change by release."""
    text = str(error)
    if isinstance(error, UnicodeDecodeError):
        return "the text is not valid UTF-8"
    if unknown := _UNKNOWN.search(text):
        return f'"{unknown[1][:64]}" is not a field of a reading: {", ".join(_FIELDS.values())}'
    if place := _PLACE.search(text):
        return f'"{place[1]}" {_RULES.get(place[1], _NUMBER_RULE)}'
    if isinstance(error, msgspec.ValidationError):
        return "a reading must be an object"
    return text


def _misfit(
    reading: WireReading,
    id_field: str,
    wrong_type: str | None,
    required: tuple[str, ...],
    optional: tuple[str, ...],
) -> MalformedReading:
    """Name what is missing or does not belong."""
    if all(getattr(reading, name) is UNSET for name in ("meter_id", "vehicle_id", "id")):
        return MalformedReading('one of "meterId", "vehicleId" or "id" is required')
    if wrong_type and reading.type == wrong_type:
        return MalformedReading(f'"{_FIELDS[id_field]}" does not go with the type "{wrong_type}"')
    for name in required:
        if getattr(reading, name) is UNSET:
            return MalformedReading(f'"{_FIELDS[name]}" is required with "{_FIELDS[id_field]}"')
    stray = next(
        name
        for name in _FIELDS
        if getattr(reading, name) is not UNSET and name not in (*required, *optional)
    )
    return MalformedReading(f'"{_FIELDS[stray]}" does not go with "{_FIELDS[id_field]}"')
