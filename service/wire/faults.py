"""Faults of one reading, each a sentence that names the field.

Only refused readings come here, so it is slow and thorough: it reads the reading again without
any expectation, and owes nothing to the wording of msgspec, which changes by release.
"""

import json
import math
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

import msgspec

from service.wire import signatures
from service.wire.bodies import printable
from service.wire.forms import FORMS, OTHER_TYPE
from service.wire.readings import LAST_MILLISECOND, LONGEST_ID, WireReading, is_text

_FIELDS = {field.encode_name: field.name for field in msgspec.structs.fields(WireReading)}
_IDS = tuple(dict.fromkeys(form.id_field for form in FORMS.values()))
_OPTIONAL = frozenset({"type", "from", "session", "voltage", "soc", "batteryTemp", "value2"})

_TIME = (
    "an RFC 3339 time with an offset, such as 2026-01-31T12:00:00Z, or integer epoch milliseconds"
)
# whole seconds are taken for milliseconds of 1970: telemetry.reading_fault_detail tells of those
_UNITS = (
    ("seconds", 1, "multiply by 1000, and leave out the fraction"),
    ("microseconds", 10**6, "divide by 1000"),
    ("nanoseconds", 10**9, "divide by 1000000"),
)
_NOT_UTF_8 = "the reading is not valid UTF-8"
_json_time = msgspec.json.Decoder(datetime)

_Pairs = list[tuple[Any, Any]]


class _JsonObject(_Pairs):
    """A JSON object with all its fields, the repeated ones too."""


def json_fault(raw: bytes) -> str | None:
    """Say what is wrong with a JSON reading; None where nothing is, or it is not JSON."""
    try:
        value = _decode_json(raw.decode())
    except UnicodeDecodeError:
        found = signatures.instead_of_json(raw)
        return f"the reading is not valid JSON: {found}" if found else _NOT_UTF_8
    except RecursionError:
        return "the reading is nested too deeply"
    except ValueError:
        return None
    if not isinstance(value, _JsonObject):
        return f"a reading must be an object, not {_kind(value)}"
    return _fault(value)


def msgpack_fault(raw: bytes) -> str | None:
    """Say what is wrong with a MessagePack reading; None where nothing is, or it is not that."""
    first = raw[0]
    try:
        if first & 0xF0 == 0x80:
            entries, rest = first & 0x0F, raw[1:]
        elif first in (0xDE, 0xDF):
            size = 2 if first == 0xDE else 4
            entries, rest = int.from_bytes(raw[1 : 1 + size], "big"), raw[1 + size :]
        else:
            return f"a reading must be an object, not {_kind(msgspec.msgpack.decode(raw))}"
        # the same bytes under an array's header are its names and values, the repeated ones too
        items = msgspec.msgpack.decode(b"\xdd" + (2 * entries).to_bytes(4, "big") + rest)
    except UnicodeDecodeError:
        return _NOT_UTF_8
    except RecursionError:
        return "the reading is nested too deeply"
    except (msgspec.MsgspecError, TypeError, ValueError):
        return None
    return _fault(list(zip(items[::2], items[1::2], strict=True)))


def _decode_json(text: str) -> Any:
    # not strict, so that a fault that spoils a value, NaN for example, is told of its field
    return json.loads(text, strict=False, object_pairs_hook=_JsonObject, parse_int=_integer)


def _integer(digits: str) -> float:
    # beyond this a double is infinite, and Python refuses to read thousands of digits
    return int(digits) if len(digits) < 400 else math.inf


def _fault(pairs: _Pairs) -> str | None:
    values: dict[str, Any] = {}
    for name, value in pairs:
        if not isinstance(name, str):
            return f"the name of a field must be a string, not {_kind(name)}"
        if name not in _FIELDS:
            return f'"{printable(name)}" is not a field of a reading: {", ".join(_FIELDS)}'
        if name in values:
            return f'field "{name}" is given twice'
        values[name] = value
    for name, value in values.items():
        if value is None and name in _OPTIONAL:
            continue
        if rule := _CHECKS.get(name, _number_fault)(value):
            return f'"{name}" must {rule}'
    return _form_fault(values)


def _form_fault(values: dict[str, Any]) -> str | None:
    id_field = next((name for name in _IDS if name in values), None)
    if id_field is None:
        return 'one of "meterId", "vehicleId" or "id" is required'
    forms = {energy: form for energy, form in FORMS.items() if form.id_field == id_field}
    for name in values:
        if name != id_field and not any(form.takes(name) for form in forms.values()):
            return f'"{name}" does not go with "{id_field}"'
    kind = values.get("type")
    if kind is not None and kind == OTHER_TYPE.get(id_field):
        return f'"{id_field}" does not go with the type "{kind}"'
    sent = [energy for energy in forms if energy in values]
    if len(sent) != 1 and len(forms) > 1:
        rather = f", not {' and '.join(sent)}" if sent else ""
        return f"send one of {', '.join(forms)}{rather}"
    [energy] = sent or forms
    form = forms[energy]
    if "session" in form.required and values.get("session") is None:
        return f"{energy} needs session, the transaction's id: it counts from zero in each"
    if values.get("from") is not None and "from" not in form.optional:
        return "from belongs to a difference: a register's energy starts at the previous reading"
    for name in (*form.required, energy):
        if values.get(name) is None:
            return f'"{name}" is required with "{id_field}"'
    return None


def _text_fault(value: Any) -> str | None:
    """What is wrong with what should be a text of a right length that can stand in messages."""
    if not isinstance(value, str):
        return f"be a string, not {_kind(value)}"
    if not value:
        return "not be empty"
    if len(value) > LONGEST_ID:
        return f"have at most {LONGEST_ID} characters, not {len(value)}"
    if is_text(value):
        return None
    if any("\ud800" <= character <= "\udfff" for character in value):
        return "not contain half of a surrogate pair"
    return "not contain control characters"


def _id_fault(value: Any) -> str | None:
    if isinstance(value, str) and 0 < len(value) <= LONGEST_ID:
        if "/" in value:
            return 'not contain "/", since it stands in URLs'
        if value in (".", ".."):
            return f'not be "{value}", since it stands in URLs'
    return _text_fault(value)


def _number_fault(value: Any) -> str | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return f"be a number, not {_kind(value)}"
    try:
        finite = math.isfinite(value)
    except OverflowError:  # an integer larger than any double
        finite = False
    return None if finite else "be a finite number"


def _type_fault(value: Any) -> str | None:
    if value in ("meter", "vehicle"):
        return None
    shown = f'"{printable(value)}"' if isinstance(value, str) else _kind(value)
    return f'be "meter" or "vehicle", not {shown}'


def _timestamp_fault(value: Any) -> str | None:
    if isinstance(value, str):
        try:
            value = _json_time.decode(msgspec.json.encode(value))
        except (msgspec.MsgspecError, UnicodeError):
            return f"be {_TIME}"
        return "have an offset, such as Z or +01:00" if value.tzinfo is None else None
    if isinstance(value, datetime):
        return None
    if isinstance(value, bool) or not isinstance(value, int | float):
        return f"be {_TIME}, not {_kind(value)}"
    if isinstance(value, float) and math.isfinite(value):
        return f"be {_TIME}, not a number with a fraction{_unit_hint(value)}"
    if not 0 <= value <= LAST_MILLISECOND:
        return f"be 0 to {LAST_MILLISECOND} as epoch milliseconds{_unit_hint(value)}"
    return None


def _unit_hint(value: float) -> str:
    """In which other unit a number looks like a time of the years 2000 to 2100; empty for none."""
    for unit, in_a_second, cure in _UNITS:
        if 946_684_800 <= value // in_a_second <= 4_102_444_800:
            return f"; it looks like {unit}: {cure}"
    return ""


_CHECKS: dict[str, Callable[[Any], str | None]] = {
    "type": _type_fault,
    "timestamp": _timestamp_fault,
    "from": _timestamp_fault,
    "session": _text_fault,
    **dict.fromkeys(_IDS, _id_fault),
}

_KINDS: Sequence[tuple[type | tuple[type, ...], str]] = (
    (bool, "a boolean"),
    ((int, float), "a number"),
    (str, "a string"),
    (bytes, "binary data"),
    ((_JsonObject, dict), "an object"),
    ((list, tuple), "an array"),
)


def _kind(value: Any) -> str:
    if value is None:
        return "null"
    return next((name for kind, name in _KINDS if isinstance(value, kind)), "an extension type")
