"""Bytes of each reading in a body, found without decoding what they say."""

import json
import re

import msgspec

from service.wire import signatures
from service.wire.errors import MalformedBody, TooManyReadings

JSON = "application/json"
NDJSON = "application/x-ndjson"
MSGPACK = "application/msgpack"
MEDIA_TYPES = frozenset({JSON, NDJSON, MSGPACK})

_NAMES = {JSON: "JSON", NDJSON: "NDJSON", MSGPACK: "MessagePack"}
# more commas than this per reading mean that most elements are no readings
_COMMAS = 16

_SHOWN_CHARACTERS = 64

_json_raw = msgspec.json.Decoder(msgspec.Raw).decode
_json_raws = msgspec.json.Decoder(list[msgspec.Raw]).decode
_msgpack_raw = msgspec.msgpack.Decoder(msgspec.Raw).decode
_msgpack_raws = msgspec.msgpack.Decoder(list[msgspec.Raw]).decode

# numbers stay strings: Python refuses to read integers of thousands of digits
_scan = json.JSONDecoder(strict=False, parse_int=str, parse_float=str).raw_decode
_SPACE = re.compile(r"[ \t\r\n]*")

# the length of an array's count by the first byte of its header
_ARRAY_HEADERS = {0xDC: 2, 0xDD: 4}


def printable(text: str) -> str:
    """The text, short, and without what a message or a database cannot hold."""
    cut = text[:_SHOWN_CHARACTERS]
    return "".join(character if character.isprintable() else "\ufffd" for character in cut)


def split(body: bytes, media_type: str, max_readings: int) -> list[bytes]:
    """Return the bytes of each reading. Raises MalformedBody and TooManyReadings."""
    if not body or (media_type != MSGPACK and body.isspace()):
        raise MalformedBody("the body is empty: send a reading, or an array of readings")
    try:
        if media_type == MSGPACK:
            raws = _split_msgpack(body, max_readings)
        elif media_type == NDJSON:
            raws = lines(body)
        elif may_be_too_many(body, max_readings):
            raws = _split_loose_json(body, max_readings)
        else:
            raws = _split_json(body, max_readings)
    except RecursionError as error:
        raise MalformedBody("the body is nested too deeply") from error
    except (msgspec.DecodeError, UnicodeDecodeError, ValueError) as error:
        detail = _look(body, media_type) or syntax_fault(error)
        raise MalformedBody(f"the body is not valid {_NAMES[media_type]}: {detail}") from error
    if not raws:
        raise MalformedBody("the body holds no reading: send at least one")
    if len(raws) > max_readings:
        raise too_many(max_readings)
    return raws


def lines(body: bytes) -> list[bytes]:
    """The lines of an NDJSON body that are not blank.

    Raises MalformedBody where it is no text, whose lines would be refused by the thousand.
    """
    if found := signatures.instead_of_readings(body):
        raise MalformedBody(f"the body is not valid NDJSON: {found}")
    return [line for line in body.split(b"\n") if line and not line.isspace()]


def may_be_too_many(body: bytes, max_readings: int) -> bool:
    """Whether a JSON array could have so many elements that it is better taken step by step."""
    most = _COMMAS * max_readings
    return len(body) > most and body.count(b",") > most


def too_many(max_readings: int) -> TooManyReadings:
    """The error for a body of more than `max_readings`."""
    return TooManyReadings(
        f"the body holds more than {max_readings} readings: send them in smaller batches"
    )


def syntax_fault(error: Exception) -> str:
    """What a parser found, with the byte where it knows that."""
    if isinstance(error, UnicodeDecodeError):
        return "it is not valid UTF-8"
    detail = str(error)
    if detail == "Input data was truncated":
        return "it is cut short"
    return detail.partition(" is malformed: ")[2] or detail


def reading_syntax_fault(raw: bytes, media_type: str) -> str:
    """What the parser found wrong with the bytes of one reading."""
    name = _NAMES[MSGPACK if media_type == MSGPACK else JSON]
    try:
        (_msgpack_raw if media_type == MSGPACK else _json_raw)(raw)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        return f"the reading is not valid {name}: {_look(raw, media_type) or syntax_fault(error)}"
    except RecursionError:
        return "the reading is nested too deeply"
    return f"the reading cannot be read as {name}"


def _look(data: bytes, media_type: str) -> str | None:
    """What data is that is not of its media type, where its first bytes tell."""
    return (signatures.instead_of_msgpack if media_type == MSGPACK else signatures.instead_of_json)(
        data
    )


def _no_readings() -> MalformedBody:
    return MalformedBody("the body must be a reading, or an array of readings")


def _split_json(body: bytes, max_readings: int) -> list[bytes]:
    try:
        first = body.lstrip()[:1]
        if first == b"{":
            _json_raw(body)
            return [body]
        if first == b"[":
            return [bytes(raw) for raw in _json_raws(body)]
        _json_raw(body)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        # perhaps one reading has NaN, or text that is not UTF-8: its neighbours should not suffer
        try:
            return _split_loose_json(body, max_readings)
        except ValueError:
            raise error from None
    raise _no_readings()


def _split_loose_json(body: bytes, max_readings: int) -> list[bytes]:
    """Split a body whose brackets are right, whatever is between them. Raises ValueError."""
    text = body.decode("utf-8", "surrogateescape")
    place = _after_space(text, 0)
    if text[place : place + 1] == "{":
        _, end = _scan(text, place)
        if _after_space(text, end) != len(text):
            raise ValueError(f"trailing characters (byte {_bytes_before(text, end)})")
        return [body]
    if text[place : place + 1] != "[":
        raise ValueError(f"neither an object nor an array (byte {place})")
    raws: list[bytes] = []
    separator = ","
    if text[(start := _after_space(text, place + 1)) : start + 1] == "]":
        separator, place = "]", start
    while separator == ",":
        if len(raws) == max_readings:
            raise too_many(max_readings)
        start = _after_space(text, place + 1)
        _, end = _scan(text, start)
        raws.append(text[start:end].encode("utf-8", "surrogateescape"))
        place = _after_space(text, end)
        separator = text[place : place + 1]
    if separator != "]" or _after_space(text, place + 1) != len(text):
        raise ValueError(f"invalid character (byte {_bytes_before(text, place)})")
    return raws


def _after_space(text: str, place: int) -> int:
    match = _SPACE.match(text, place)
    return match.end() if match else place


def _bytes_before(text: str, place: int) -> int:
    return len(text[:place].encode("utf-8", "surrogateescape"))


def _split_msgpack(body: bytes, max_readings: int) -> list[bytes]:
    first = body[0]
    if first & 0xF0 == 0x80 or first in (0xDE, 0xDF):
        _msgpack_raw(body)
        return [body]
    if first & 0xF0 == 0x90:
        count = first & 0x0F
    elif first in _ARRAY_HEADERS:
        count = int.from_bytes(body[1 : 1 + _ARRAY_HEADERS[first]], "big")
    else:
        if found := signatures.instead_of_msgpack(body):
            raise MalformedBody(f"the body is not valid MessagePack: {found}")
        _msgpack_raw(body)
        raise _no_readings()
    if count > max_readings:  # before there is a list of what may be four billion
        raise too_many(max_readings)
    return [bytes(raw) for raw in _msgpack_raws(body)]
