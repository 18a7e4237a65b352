"""Changes of a case that keep to what bodies are made of, and so get deep into the decoder."""

from __future__ import annotations

import gzip
import json
import random
from collections.abc import Callable
from typing import Any

import msgspec
from backports import zstd

from service.wire import Decoder, WireError
from tests.fuzz.case import Case, read, write

_JSON, _MSGPACK, _NDJSON = "application/json", "application/msgpack", "application/x-ndjson"
_COMPRESS: dict[str, Callable[[bytes], bytes]] = {
    "identity": bytes,
    "gzip": lambda body: gzip.compress(body, 1),
    "zstd": zstd.compress,
}
_MOST_BYTES = 1 << 16
_NAMES = (
    *("type", "meterId", "vehicleId", "id", "kwhConsumedAc", "kwhDeliveredDc"),
    *("kwhTotalAc", "kwhSessionAc", "kwhTotalDc", "kwhSessionDc", "session", "from"),
    *("voltage", "soc", "batteryTemp", "value1", "value2", "timestamp", "other", ""),
)
_VALUES: tuple[Any, ...] = (
    *("meter", "vehicle", "M-1", "", ".", "..", "a/b", "\0", "\x85", "\u202e", "\U0001f50b"),
    *("é", "e\u0301", "%2F", "\\", "'; --", "x" * 129, "2026-01-31T12:00:00Z"),
    *("2026-01-31T12:00:00", "2026-01-31T12:00:00+01:00", "9999-12-31T23:59:59-23:59"),
    *(0, -1, 1, 1769860800000, 253402300799999, 2**53, 2**63, 2**64 - 1),
    *(0.42, -0.0, 1e308, 5e-324, None, True, False, [], {}, [[]], {"a": {}}),
)
_TEXTS = (
    *(b"NaN", b"-Infinity", b"1e999", b"-", b"1e", b"01", b"0.", b'"\\ud800"', b'"\\u0000"'),
    *(b'"\\ud83d\\ude00"', b"\xef\xbb\xbf", b"\xff\xfe", b"\xc0\xaf", b"\xed\xa0\x80", b"\x00"),
    *(b"[", b"]", b"{", b"}", b",", b":", b'"', b"\\", b"\n", b"\r\n", b" ", b"\t", b"//"),
    *(b"[" * 3000, b'{"a":' * 3000, b"9" * 400, b'"meterId":"M"', b'"\\u006deterId":1,'),
    *(b"\x80", b"\x81", b"\x90", b"\xc1", b"\xca\x7f\x80\x00\x00", b"\xd6\xff\x00\x00\x00\x00"),
    *(b"\xdc\xff\xff", b"\xdd\xff\xff\xff\xff", b"\xde\x00\x01", b"\xdf\xff\xff\xff\xff"),
)


def mutated(data: bytes, seed: int, by_bytes: Callable[[bytes], bytes]) -> bytes:
    """A case near another; `by_bytes` changes bytes without knowing what they mean."""
    choose = random.Random(seed)
    case = read(data)
    if choose.random() < 0.1:
        return write(case._replace(sent=by_bytes(case.sent)[:_MOST_BYTES]))
    body = _plain(case)
    media_type = case.media_type
    if choose.random() < 0.2:
        media_type, body = _transcoded(body, media_type, choose)
    for _ in range(choose.choice((1, 1, 1, 2, 4))):
        kind = choose.random()
        if kind < 0.35:
            body = _with_other_fields(body, media_type, choose)
        elif kind < 0.65:
            body = _with_text(body, choose)
        elif kind < 0.8:
            body = _with_span_elsewhere(body, choose)
        else:
            body = by_bytes(body)
    encoding = choose.choice((case.encoding, "identity", "identity", "gzip", "zstd"))
    sent = _sent(body[:_MOST_BYTES], encoding, choose)
    step = choose.choice((case.step, 1, 98, 24736))
    return write(Case(media_type, encoding, step, sent))


def _plain(case: Case) -> bytes:
    decoder = Decoder(case.encoding, _MOST_BYTES)
    try:
        decoder.feed(case.sent)
        return decoder.finish()
    except WireError:
        return case.sent


def _sent(body: bytes, encoding: str, choose: random.Random) -> bytes:
    """The body compressed, at times in several members, cut short, or spoilt."""
    compress = _COMPRESS[encoding]
    if encoding == "identity":
        return body
    if (kind := choose.random()) < 0.1:
        return compress(bytes(choose.choice((1 << 18, 1 << 22))))
    if kind < 0.3:
        place = choose.randint(0, len(body))
        return compress(body[:place]) + compress(b"") + compress(body[place:])
    sent = compress(body)
    if kind < 0.45:
        return sent[: choose.randint(0, len(sent))]
    return sent


def _decoded(body: bytes, media_type: str) -> Any:
    if media_type == _MSGPACK:
        return msgspec.msgpack.decode(body)
    if media_type == _NDJSON:
        return [json.loads(line) for line in body.split(b"\n") if line]
    return json.loads(body)


def _encoded(document: Any, media_type: str) -> bytes:
    if media_type == _MSGPACK:
        return msgspec.msgpack.encode(document)
    if media_type == _NDJSON:
        lines = document if isinstance(document, list) else [document]
        return b"\n".join(json.dumps(line).encode() for line in lines)
    return json.dumps(document, ensure_ascii=False).encode()


_Undecodable = (msgspec.MsgspecError, ValueError, TypeError, RecursionError, OverflowError)


def _transcoded(body: bytes, media_type: str, choose: random.Random) -> tuple[str, bytes]:
    """The same readings in another media type; the same bytes where they are not readable."""
    other = choose.choice((_JSON, _MSGPACK, _NDJSON))
    try:
        return other, _encoded(_decoded(body, media_type), other)
    except _Undecodable:
        return other, body


def _with_other_fields(body: bytes, media_type: str, choose: random.Random) -> bytes:
    """The body with a field of a reading changed, or a reading more or less."""
    try:
        document = _decoded(body, media_type)
        readings = document if isinstance(document, list) else [document]
        if not readings or choose.random() < 0.2:
            readings = [*readings, choose.choice((*readings, *_VALUES))]
            document = readings
        elif choose.random() < 0.1:
            document = [one for one in readings if choose.random() < 0.7]
        reading = choose.choice(readings)
        if isinstance(reading, dict):
            name = choose.choice((*reading, *_NAMES))
            if choose.random() < 0.2:
                reading.pop(name, None)
            else:
                reading[name] = choose.choice(_VALUES)
        return _encoded(document, media_type)
    except _Undecodable:
        return _with_text(body, choose)


def _with_text(body: bytes, choose: random.Random) -> bytes:
    """The body with something put in, perhaps in place of something."""
    start = choose.randint(0, len(body))
    end = min(len(body), start + choose.choice((0, 0, 1, 2, 8, 64)))
    return body[:start] + choose.choice(_TEXTS) + body[end:]


def _with_span_elsewhere(body: bytes, choose: random.Random) -> bytes:
    """The body with a part of it repeated elsewhere, or left out."""
    start, end = sorted(choose.choices(range(len(body) + 1), k=2))
    if choose.random() < 0.4:
        return body[:start] + body[end:]
    place = choose.randint(0, len(body))
    return body[:place] + body[start:end] * choose.choice((1, 1, 3, 50)) + body[place:]
