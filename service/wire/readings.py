"""Readings on the wire, in any of their forms, turned into rows for their device's kind."""

import re
import sys
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType
from msgspec.structs import astuple

LONGEST_ID = 128
LAST_MILLISECOND = 253_402_300_799_999  # of the year 9999

# is_id and the right length, as schemas have it
ID_PATTERN = r"^(?!\.{1,2}$)[^\x00-\x1f\x7f-\x9f/]+(?!\n)$"
ID_RULE = (
    f'an id has 1 to {LONGEST_ID} characters, without control characters or "/", and is not "."'
    ' or ".."'
)

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_Id = Annotated[str, Meta(min_length=1, max_length=LONGEST_ID, title="DeviceId")] | UnsetType
# bounds that only infinity is beyond; NaN, which MessagePack has too, is within none
_Finite = Annotated[float, Meta(ge=-sys.float_info.max, le=sys.float_info.max)]
_Number = _Finite | UnsetType
_OptionalNumber = _Finite | UnsetType | None
_Timestamp = (
    Annotated[datetime, Meta(tz=True)] | Annotated[int, Meta(ge=0, le=LAST_MILLISECOND)] | UnsetType
)

# an id stands in URL paths and in messages
_UNFIT_FOR_ID = re.compile(r"[\x00-\x1f\x7f-\x9f/\ud800-\udfff]")

Row = tuple[Any, ...]
Normalised = tuple[bool, Row, int, int]


class WireReading(msgspec.Struct, forbid_unknown_fields=True, gc=False, rename="camel"):
    """The fields of all forms together: one struct, since decoding it is one pass in C."""

    type: Literal["meter", "vehicle"] | UnsetType | None = UNSET
    meter_id: _Id = UNSET
    vehicle_id: _Id = UNSET
    id: _Id = UNSET
    kwh_consumed_ac: _Number = UNSET
    kwh_delivered_dc: _Number = UNSET
    voltage: _OptionalNumber = UNSET
    soc: _OptionalNumber = UNSET
    battery_temp: _OptionalNumber = UNSET
    value1: _Number = UNSET
    value2: _OptionalNumber = UNSET
    timestamp: _Timestamp = UNSET


def normalise(reading: WireReading) -> Normalised | None:
    """Return whether it is a vehicle's, its row, and how many fields and string values it has.

    A meter's row: id, time, kWh AC, V or None; a vehicle's: id, time, kWh DC, % or None, °C or
    None. None where it has none of the forms: `service.wire.faults` knows why.
    """
    kind, meter_id, vehicle_id, plain_id, ac, dc, voltage, soc, temp, value1, value2, time = (
        astuple(reading)
    )
    if time.__class__ is int:
        time = _EPOCH + timedelta(0, 0, 0, time)
        strings = 1
    elif time is UNSET:
        return None
    else:
        strings = 2
    fields = 3
    if kind is not UNSET:
        fields = 4
        if kind is not None:
            strings += 1

    if meter_id is not UNSET:
        if (
            kind == "vehicle"
            or ac is UNSET
            or not (vehicle_id is plain_id is dc is soc is temp is value1 is value2 is UNSET)
            or not is_id(meter_id)
        ):
            return None
        if voltage is UNSET:
            voltage = None
        else:
            fields += 1
        return False, (meter_id, time, ac, voltage), fields, strings

    if vehicle_id is not UNSET:
        if (
            kind == "meter"
            or dc is UNSET
            or not (plain_id is ac is voltage is value1 is value2 is UNSET)
            or not is_id(vehicle_id)
        ):
            return None
        if soc is UNSET:
            soc = None
        else:
            fields += 1
        if temp is UNSET:
            temp = None
        else:
            fields += 1
        return True, (vehicle_id, time, dc, soc, temp), fields, strings

    if (
        plain_id is UNSET
        or value1 is UNSET
        or not (ac is dc is voltage is soc is temp is UNSET)
        or not is_id(plain_id)
    ):
        return None
    if value2 is UNSET:
        value2 = None
    else:
        fields += 1
    if kind == "vehicle":
        return True, (plain_id, time, value1, None, value2), fields, strings
    if kind == "meter":
        return False, (plain_id, time, value1, value2), fields, strings
    return None


def is_id(text: str) -> bool:
    """Whether a text of a right length can be an id in other respects."""
    # nearly every id is printable, which is quick to tell; an unprintable one may be right too
    if text.isprintable() and "/" not in text:
        return text not in (".", "..")
    return not _UNFIT_FOR_ID.search(text)
