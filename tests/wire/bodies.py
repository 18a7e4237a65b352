"""Readings as devices send them, and bodies of them, with defaults."""

from __future__ import annotations

import gzip
import json
from collections.abc import Sequence
from typing import Any

import msgspec
from backports import zstd

from service.wire import Batch, Decoder, decode

JSON = "application/json"
NDJSON = "application/x-ndjson"
MSGPACK = "application/msgpack"

COMPRESSORS = {"identity": bytes, "gzip": gzip.compress, "zstd": zstd.compress}

Reading = dict[str, Any]


def meter(**fields: Any) -> Reading:
    return {
        "meterId": "M-1",
        "kwhConsumedAc": 0.42,
        "timestamp": "2026-01-31T12:00:00Z",
    } | fields


def vehicle(**fields: Any) -> Reading:
    return {
        "vehicleId": "V-1",
        "kwhDeliveredDc": 0.37,
        "timestamp": 1769860800000,
    } | fields


def generic(**fields: Any) -> Reading:
    return {
        "type": "vehicle",
        "id": "vehicle_17",
        "value1": 12.3,
        "timestamp": 1769860800000,
    } | fields


def without(reading: Reading, field: str) -> Reading:
    return {name: value for name, value in reading.items() if name != field}


def body(readings: Sequence[Any], media_type: str = JSON) -> bytes:
    """A body of the media type; of one reading, it is an object and no array."""
    if media_type == NDJSON:
        return b"\n".join(json.dumps(reading).encode() for reading in readings)
    document = readings[0] if len(readings) == 1 else readings
    if media_type == MSGPACK:
        return msgspec.msgpack.encode(document)
    return json.dumps(document, ensure_ascii=False).encode()


def decode_readings(*readings: Any, media_type: str = JSON) -> Batch:
    return decode(body(readings, media_type), media_type)


def refusal(sent: Any, media_type: str = JSON) -> str:
    """Why a reading is refused: the detail. `sent` may be its bytes."""
    raw = sent if isinstance(sent, bytes) else body([sent], media_type)
    batch = decode(raw, media_type)
    assert len(batch.refused) == 1, batch
    assert batch.refused[0].reason == "malformed"
    return batch.refused[0].detail


def decompress(sent: bytes, encoding: str, max_bytes: int = 1 << 20, step: int = 1 << 20) -> bytes:
    decoder = Decoder(encoding, max_bytes)
    for start in range(0, len(sent), step):
        decoder.feed(sent[start : start + step])
    return decoder.finish()
