"""Bodies of one reading and of many: order, neighbours, limits, and what is no body at all."""

from __future__ import annotations

import bz2
import gzip
import json
import lzma
import sys
import zlib
from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from backports import zstd

from service.wire import MalformedBody, TooManyReadings, decode, raw_readings
from tests.wire.bodies import (
    JSON,
    MSGPACK,
    NDJSON,
    body,
    decode_readings,
    generic,
    meter,
    vehicle,
)

MEDIA_TYPES = [JSON, NDJSON, MSGPACK]
GOOD = json.dumps(meter()).encode()


def malformed(sent: bytes, media_type: str = JSON) -> str:
    with pytest.raises(MalformedBody) as caught:
        decode(sent, media_type)
    return str(caught.value)


@pytest.mark.parametrize("media_type", MEDIA_TYPES)
def test_readings_of_both_kinds_become_rows_with_their_places(media_type: str) -> None:
    batch = decode_readings(vehicle(soc=1), meter(), generic(), meter(), media_type=media_type)
    assert batch.size == 4
    assert batch.meters.indexes == [1, 3]
    assert batch.vehicles.indexes == [0, 2]
    assert [(row[0], row[6]) for row in batch.vehicles.rows] == [("V-1", 1.0), ("vehicle_17", None)]


@pytest.mark.parametrize("media_type", MEDIA_TYPES)
def test_a_bad_reading_is_refused_at_its_index_and_its_neighbours_are_taken(
    media_type: str,
) -> None:
    batch = decode_readings(meter(), meter(voltage="1"), vehicle(), 5, media_type=media_type)
    assert (batch.size, batch.meters.indexes, batch.vehicles.indexes) == (4, [0], [2])
    assert [(refused.index, refused.reason, refused.detail) for refused in batch.refused] == [
        (1, "malformed", '"voltage" must be a number, not a string'),
        (3, "malformed", "a reading must be an object, not a number"),
    ]


@pytest.mark.parametrize(
    ("spoilt", "detail"),
    [
        (b'{"meterId":"M","kwhConsumedAc":NaN,"timestamp":1}', '"kwhConsumedAc" must be a finite'),
        (b'{"meterId":"\\ud800","kwhConsumedAc":1,"timestamp":1}', '"meterId" must not contain'),
        (b'{"meterId":"a\tb","kwhConsumedAc":1,"timestamp":1}', '"meterId" must not contain'),
        (b'{"meterId":"\xff","kwhConsumedAc":1,"timestamp":1}', "the reading is not valid UTF-8"),
    ],
)
@pytest.mark.parametrize("media_type", [JSON, NDJSON])
def test_a_reading_that_is_no_json_in_an_array_that_is_one_spares_its_neighbours(
    media_type: str, spoilt: bytes, detail: str
) -> None:
    parts = [GOOD, spoilt, GOOD]
    sent = b"[ %s ]" % b" ,\n".join(parts) if media_type == JSON else b"\n".join(parts)
    batch = decode(sent, media_type)
    assert batch.meters.indexes == [0, 2]
    [refused] = batch.refused
    assert refused.index == 1
    assert refused.detail.startswith(detail)
    assert raw_readings(sent, media_type) == parts


@pytest.mark.parametrize("media_type", MEDIA_TYPES)
def test_an_empty_body_is_malformed(media_type: str) -> None:
    assert malformed(b"", media_type) == (
        "the body is empty: send a reading, or an array of readings"
    )


@pytest.mark.parametrize(
    ("sent", "media_type"),
    [(b" \r\n", JSON), (b"\n \r\n\n", NDJSON)],
)
def test_a_blank_body_is_malformed(sent: bytes, media_type: str) -> None:
    assert malformed(sent, media_type).startswith("the body is empty")


@pytest.mark.parametrize(
    ("sent", "media_type"),
    [(b"[]", JSON), (b" [ ] ", JSON), (b"\x90", MSGPACK), (b"\xdc\x00\x00", MSGPACK)],
)
def test_an_empty_array_is_malformed(sent: bytes, media_type: str) -> None:
    assert malformed(sent, media_type) == "the body holds no reading: send at least one"


@pytest.mark.parametrize("scalar", [5, 1.5, "x", True, None])
@pytest.mark.parametrize("media_type", [JSON, MSGPACK])
def test_a_scalar_is_malformed(scalar: Any, media_type: str) -> None:
    assert malformed(body([scalar], media_type), media_type) == (
        "the body must be a reading, or an array of readings"
    )


@pytest.mark.parametrize(
    ("sent", "detail"),
    [
        (b"hello", "invalid character (byte 0)"),
        (b"\xff", "invalid character (byte 0)"),
        (b"\xef\xbb\xbf" + GOOD, "it begins with a byte order mark: send UTF-8 without one"),
        (GOOD.decode().encode("utf-16"), "it is UTF-16 or UTF-32: send UTF-8"),
        (GOOD.decode().encode("utf-32-be"), "it is UTF-16 or UTF-32: send UTF-8"),
        (GOOD + GOOD, "trailing characters (byte "),
        (b"[" + GOOD + b",]", f"trailing comma in array (byte {len(GOOD) + 2})"),
        (GOOD[:-1], "it is cut short"),
        (b"[" + GOOD, "it is cut short"),
        (b"[", "it is cut short"),
        (b"[NaN", "invalid character (byte 1)"),
    ],
)
def test_a_body_that_is_no_json_is_malformed_and_says_where(sent: bytes, detail: str) -> None:
    assert malformed(sent).startswith(f"the body is not valid JSON: {detail}")


@pytest.mark.parametrize("media_type", MEDIA_TYPES)
@pytest.mark.parametrize(
    ("compress", "detail"),
    [
        (gzip.compress, "it is compressed with gzip: send the header Content-Encoding: gzip"),
        (zstd.compress, "it is compressed with zstd: send the header Content-Encoding: zstd"),
        (zlib.compress, "it is compressed with zlib, which is not taken: send gzip or zstd, and"),
        (bz2.compress, "it is compressed with bzip2, which is not taken: send gzip or zstd, and"),
        (lzma.compress, "it is compressed with xz, which is not taken: send gzip or zstd, and"),
        (lambda data: data.decode().encode("utf-16"), "it is UTF-16 or UTF-32: send UTF-8"),
        (lambda data: b"\xfe\xff" + data.decode().encode("utf-16-be"), "it is UTF-16 or UTF-32"),
        (lambda data: data.decode().encode("utf-32"), "it is UTF-16 or UTF-32: send UTF-8"),
    ],
)
def test_a_body_of_another_kind_is_named_with_what_to_send(
    media_type: str, compress: Callable[[bytes], bytes], detail: str
) -> None:
    for readings in ([meter()], [meter(), vehicle()] * 200):
        text = body(readings, media_type if media_type != MSGPACK else JSON)
        assert f": {detail}" in malformed(compress(text), media_type)


def test_json_and_messagepack_in_place_of_one_another_are_told_apart() -> None:
    for readings in ([meter()], [meter()] * 3, [meter()] * 20):
        assert "send the content type application/msgpack" in malformed(body(readings, MSGPACK))
        assert "send the content type application/json" in malformed(body(readings), MSGPACK)
    assert "application/json" in malformed(b" \n" + GOOD, MSGPACK)


def test_text_that_starts_as_a_compressed_body_might_is_told_as_text() -> None:
    batch = decode(b"x^y\n" + GOOD, NDJSON)
    assert (batch.meters.indexes, [refused.index for refused in batch.refused]) == ([1], [0])


@pytest.mark.parametrize(
    ("sent", "detail"),
    [
        (b"\xc1", "invalid opcode '\\xc1' (byte 0)"),
        (msgspec.msgpack.encode(meter())[:-1], "it is cut short"),
        (msgspec.msgpack.encode(meter()) + b"\x00", "trailing characters (byte "),
        (b"\xdc", "it is cut short"),
        (b"\xdd\x00\x00\x00\x02\x80", "it is cut short"),
        (b"\xdf\xff\xff\xff\xff", "it is cut short"),
    ],
)
def test_a_body_that_is_no_messagepack_is_malformed(sent: bytes, detail: str) -> None:
    assert malformed(sent, MSGPACK).startswith(f"the body is not valid MessagePack: {detail}")


@pytest.mark.parametrize(
    ("sent", "media_type"),
    [
        (b"[" * 100_000, JSON),
        (b'{"a":' * 100_000, JSON),
        (b"[NaN," + b"[" * 100_000, JSON),
        (b"[{" + b'"a":{' * 100_000, JSON),
        (b"\x91" * 100_000, MSGPACK),
        (b"\x81\xa1a" * 100_000, MSGPACK),
    ],
)
def test_a_body_nested_without_end_is_malformed(sent: bytes, media_type: str) -> None:
    assert malformed(sent, media_type) == "the body is nested too deeply"


def test_a_line_nested_without_end_is_refused_alone() -> None:
    batch = decode(b"\n".join([GOOD, b"[" * 100_000, GOOD]), NDJSON)
    assert batch.meters.indexes == [0, 2]
    assert batch.refused[0].detail == "the reading is nested too deeply"


def test_blank_lines_and_carriage_returns_between_lines_are_ignored() -> None:
    batch = decode(b"\r\n \n" + GOOD + b"\r\n\n" + GOOD + b"\n\n", NDJSON)
    assert (batch.size, batch.meters.indexes, batch.refused) == (2, [0, 1], [])


@pytest.mark.parametrize(
    "sent",
    [GOOD + GOOD, GOOD + b"," + GOOD, GOOD + b"\r" + GOOD, b"[" + GOOD + b"]", b"hello", b"5"],
)
def test_a_line_that_is_not_one_object_is_refused_as_one(sent: bytes) -> None:
    batch = decode(b"\n".join([GOOD, sent, GOOD]), NDJSON)
    assert (batch.size, batch.meters.indexes) == (3, [0, 2])
    assert [refused.index for refused in batch.refused] == [1]
    assert raw_readings(b"\n".join([GOOD, sent, GOOD]), NDJSON)[1] == sent


def test_an_object_on_several_lines_is_refused_a_line_at_a_time() -> None:
    batch = decode(json.dumps(meter(), indent=1).encode(), NDJSON)
    assert [refused.index for refused in batch.refused] == [0, 1, 2, 3, 4]


@pytest.mark.parametrize("media_type", MEDIA_TYPES)
@pytest.mark.parametrize("reading", [meter(), meter(voltage="1"), 5])
def test_the_most_readings_are_taken_and_one_more_is_too_many(
    media_type: str, reading: Any
) -> None:
    assert decode(body([reading] * 10, media_type), media_type, max_readings=10).size == 10
    with pytest.raises(TooManyReadings, match="more than 10 readings"):
        decode(body([reading] * 11, media_type), media_type, max_readings=10)


@pytest.mark.parametrize("element", ["0", "{}", "[]", "NaN", "{},NaN"])
def test_a_long_array_of_what_is_no_reading_is_too_many(element: str) -> None:
    with pytest.raises(TooManyReadings):
        decode(f"[{','.join([element] * 1000)}]".encode(), JSON, max_readings=10)


def test_a_long_array_of_messagepack_is_too_many_by_its_header_alone() -> None:
    with pytest.raises(TooManyReadings):
        decode(b"\xdd\xff\xff\xff\xff", MSGPACK)


@pytest.mark.parametrize("sent", [{"a" * 3: list(range(400))}, [[1] * 400], [{"a": ","}] * 7])
def test_a_small_body_of_many_commas_is_refused_for_what_it_says(sent: Any) -> None:
    batch = decode(json.dumps(sent).encode(), JSON, max_readings=10)
    assert len(batch.refused) == batch.size


@pytest.mark.parametrize("media_type", MEDIA_TYPES)
def test_raw_readings_are_the_bytes_by_index(media_type: str) -> None:
    readings = [meter(), {"x": 1}, vehicle()]
    raws = raw_readings(body(readings, media_type), media_type)
    assert raws == [body([reading], media_type) for reading in readings]
    alone = body(readings[1:2], media_type)
    assert raw_readings(alone, media_type) == [alone]


def test_halves_hold_every_reading_once() -> None:
    batch = decode_readings(vehicle(), meter(), generic(), meter(), meter())
    halves = batch.halves()
    assert sum(half.size for half in halves) == 5
    for kind in ("meters", "vehicles"):
        parts = [getattr(half, kind) for half in halves]
        whole = getattr(batch, kind)
        assert [index for part in parts for index in part.indexes] == whole.indexes
        assert [row for part in parts for row in part.rows] == whole.rows


def test_rows_of_many_bodies_are_apart_from_one_another() -> None:
    first, second = decode_readings(meter()), decode_readings(meter())
    first.vehicles.rows.append(("V",))
    assert second.vehicles.rows == []


def test_decoding_leaves_the_recursion_limit_alone() -> None:
    limit = sys.getrecursionlimit()
    malformed(b"[" * 100_000)
    assert sys.getrecursionlimit() == limit
