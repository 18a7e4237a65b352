"""One case of the fuzzer: a body with its media type and encoding, and what must hold of it."""

from __future__ import annotations

import math
import re
import time
from typing import NamedTuple

from service.ingest.arrays import METER, VEHICLE, columns
from service.wire import MEDIA_TYPES, Batch, Decoder, WireError, decode, raw_readings
from service.wire.readings import ID_PATTERN, LIFETIME, LONGEST_ID, SESSION, SESSION_PATTERN, Row

_MEDIA_TYPES = sorted(MEDIA_TYPES)
_ENCODINGS = ("identity", "gzip", "zstd")
_MOST_BYTES = 256 * 1024
_MOST_READINGS = 1_000
_MOST_SECONDS = 5.0
_LONGEST_DETAIL = 300
# as many are looked at again, each alone
_LOOKED_AT = 20


class Case(NamedTuple):
    """What a device sends."""

    media_type: str
    encoding: str
    step: int
    sent: bytes


def read(data: bytes) -> Case:
    """A case as it is kept in a file: a digit each for type, encoding and step, then the body."""
    head = (data[:3] + b"000")[:3]
    return Case(
        _MEDIA_TYPES[head[0] % len(_MEDIA_TYPES)],
        _ENCODINGS[head[1] % len(_ENCODINGS)],
        1 + (head[2] - ord("0")) % 256 * 97,
        data[3:],
    )


def write(case: Case) -> bytes:
    """The bytes that `read` reads as the case."""
    head = (_MEDIA_TYPES.index(case.media_type), _ENCODINGS.index(case.encoding))
    step = (case.step - 1) // 97 % 256
    return b"%d%d%c" % (*head, (step + ord("0")) % 256) + case.sent


def check(data: bytes) -> None:
    """Decode a case. Raises AssertionError, or what the decoder should not raise."""
    case = read(data)
    began = time.process_time()
    try:
        body = _decompressed(case)
        batch = decode(body, case.media_type, _MOST_READINGS)
    except WireError as error:
        _check_sentence(str(error))
        return
    finally:
        spent = time.process_time() - began
        assert spent < _MOST_SECONDS, f"{len(case.sent)} bytes took {spent:.1f} s"
    _check_batch(batch, raw_readings(body, case.media_type), case.media_type)


def _decompressed(case: Case) -> bytes:
    decoder = Decoder(case.encoding, _MOST_BYTES)
    for start in range(0, len(case.sent), case.step):
        decoder.feed(case.sent[start : start + case.step])
    body = decoder.finish()
    assert len(body) <= _MOST_BYTES
    return body


def _check_batch(batch: Batch, raws: list[bytes], media_type: str) -> None:
    rows = dict(zip(batch.meters.indexes, batch.meters.rows, strict=True))
    vehicles = dict(zip(batch.vehicles.indexes, batch.vehicles.rows, strict=True))
    places = sorted([*rows, *vehicles, *(refused.index for refused in batch.refused)])
    assert places == list(range(batch.size)), "a reading is lost, or there twice"
    assert len(raws) == batch.size, "not as many raw readings as readings"
    for refused in batch.refused:
        assert refused.reason == "malformed"
        _check_sentence(refused.detail)
    rows |= vehicles
    for row in rows.values():
        _check_row(row)
    # what PostgreSQL is sent
    columns(batch.meters.rows, METER)
    columns(batch.vehicles.rows, VEHICLE)
    for index in list(rows)[:_LOOKED_AT]:
        alone = decode(raws[index], media_type)
        assert [*alone.meters.rows, *alone.vehicles.rows] == [rows[index]], "other when alone"


def _check_row(row: Row) -> None:
    device_id, read_at, kind, energy, since, session, *measurements = row
    assert 1 <= len(device_id) <= LONGEST_ID
    # by the rule that the OpenAPI document shows, which the decoder does not use
    assert re.search(ID_PATTERN, device_id), ascii(device_id)
    assert read_at.utcoffset() is not None
    assert all(one is None or math.isfinite(one) for one in (energy, *measurements))
    assert energy is not None
    assert kind in (None, LIFETIME, SESSION)
    assert since is None or (kind is None and since.utcoffset() is not None)
    assert session is None or re.search(SESSION_PATTERN, session), ascii(session)
    assert session is not None or kind != SESSION


def _check_sentence(text: str) -> None:
    """What is told is short, and neither an answer nor a database fails for what it holds."""
    assert text
    assert len(text) < _LONGEST_DETAIL, text
    assert "\0" not in text
    text.encode()
