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
SESSION_PATTERN = r"^[^\x00-\x1f\x7f-\x9f]+(?!\n)$"
ID_RULE = (
    f'an id has 1 to {LONGEST_ID} characters, without control characters or "/", and is not "."'
    ' or ".."'
)

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_Id = Annotated[str, Meta(min_length=1, max_length=LONGEST_ID, title="DeviceId")] | UnsetType
SessionId = Annotated[str, Meta(min_length=1, max_length=LONGEST_ID, title="SessionId")]
# bounds that only infinity is beyond; NaN, which MessagePack has too, is within none
_Finite = Annotated[float, Meta(ge=-sys.float_info.max, le=sys.float_info.max)]
_Number = _Finite | UnsetType
_OptionalNumber = _Finite | UnsetType | None
_Time = Annotated[datetime, Meta(tz=True)] | Annotated[int, Meta(ge=0, le=LAST_MILLISECOND)]

# an id stands in URL paths and in messages; a session's id in messages
_UNFIT_FOR_TEXT = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]")

# what a level is of, where the reading does not say the energy itself
LIFETIME = "lifetime_register"
SESSION = "session_counter"

Row = tuple[Any, ...]
Normalised = tuple[bool, Row, int, int]


class WireReading(msgspec.Struct, forbid_unknown_fields=True, gc=False, rename="camel"):
    """The fields of all forms together: one struct, since decoding it is one pass in C.

    Those of a difference come first, since a field is looked for from the one before it on.
    """

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
    timestamp: _Time | UnsetType = UNSET
    kwh_total_ac: _Number = UNSET
    kwh_session_ac: _Number = UNSET
    kwh_total_dc: _Number = UNSET
    kwh_session_dc: _Number = UNSET
    session: SessionId | UnsetType | None = UNSET
    since: _Time | UnsetType | None = msgspec.field(name="from", default=UNSET)


def normalise(reading: WireReading) -> Normalised | None:
    """Return whether it is a vehicle's, its row, and how many fields and string values it has.

    A row: id, time, kind, kWh, since when or None, session or None; then of a meter V or None, of
    a vehicle % or None and °C or None. The kind is None where the kWh are a difference, else
    LIFETIME or SESSION. None where the reading has none of the forms: `service.wire.faults` knows
    why.
    """
    (
        kind,
        meter_id,
        vehicle_id,
        plain_id,
        ac,
        dc,
        voltage,
        soc,
        temp,
        value1,
        value2,
        time,
        total_ac,
        session_ac,
        total_dc,
        session_dc,
        session,
        since,
    ) = astuple(reading)
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
    if total_ac is session_ac is total_dc is session_dc is session is since is UNSET:
        counter = session = since = None
    else:
        beside = _beside(ac, dc, total_ac, session_ac, total_dc, session_dc, session, since)
        if beside is None:
            return None
        counter, ac, dc, session, since, its_fields, its_strings = beside
        fields += its_fields
        strings += its_strings

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
        return False, (meter_id, time, counter, ac, since, session, voltage), fields, strings

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
        return True, (vehicle_id, time, counter, dc, since, session, soc, temp), fields, strings

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
        row = (plain_id, time, None, value1, since, session, None, value2)
        return True, row, fields, strings
    if kind == "meter":
        return False, (plain_id, time, None, value1, since, session, value2), fields, strings
    return None


def _beside(
    ac: Any,
    dc: Any,
    total_ac: Any,
    session_ac: Any,
    total_dc: Any,
    session_dc: Any,
    session: Any,
    since: Any,
) -> tuple[str | None, Any, Any, str | None, datetime | None, int, int] | None:
    """What beside a difference alone there may be: kind, kWh AC, kWh DC, session, since when.

    Also how many fields `session` and `from` are, and string values. None where these do not go
    together.
    """
    fields = strings = 0
    if session is UNSET:
        session = None
    else:
        fields = 1
        if session is not None:
            strings = 1
            if not is_text(session):
                return None
    if since is UNSET:
        since = None
    else:
        fields += 1
        if since.__class__ is int:
            since = _EPOCH + timedelta(0, 0, 0, since)
        elif since is not None:
            strings += 1
    if total_ac is session_ac is total_dc is session_dc is UNSET:
        return None, ac, dc, session, since, fields, strings
    if since is not None or not (ac is dc is UNSET):
        return None
    if session_ac is session_dc is UNSET:
        return LIFETIME, total_ac, total_dc, session, None, fields, strings
    if session is not None and total_ac is total_dc is UNSET:
        return SESSION, session_ac, session_dc, session, None, fields, strings
    return None


def is_id(text: str) -> bool:
    """Whether a text of a right length can be an id in other respects."""
    # nearly every id is printable, which is quick to tell; an unprintable one may be right too
    if "/" in text or (not text.isprintable() and _UNFIT_FOR_TEXT.search(text)):
        return False
    return len(text) > 2 or text not in (".", "..")


def is_text(text: str) -> bool:
    """Whether a text can stand in messages and in the database."""
    return text.isprintable() or not _UNFIT_FOR_TEXT.search(text)
