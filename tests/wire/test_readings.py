"""One reading: its forms, and what is refused of it, by name."""

from __future__ import annotations

import json
import struct
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import msgspec
import pytest

from service.wire import decode
from tests.wire.bodies import (
    JSON,
    MSGPACK,
    NDJSON,
    decode_readings,
    generic,
    meter,
    refusal,
    vehicle,
    without,
)

NOON = datetime(2026, 1, 31, 12, tzinfo=UTC)
MEDIA_TYPES = [JSON, NDJSON, MSGPACK]


@pytest.mark.parametrize("media_type", MEDIA_TYPES)
@pytest.mark.parametrize(
    ("sent", "row"),
    [
        (meter(), ["M-1", NOON, 0.42, None]),
        (meter(type="meter", voltage=231.2), ["M-1", NOON, 0.42, 231.2]),
        (meter(type=None, voltage=None), ["M-1", NOON, 0.42, None]),
        (generic(type="meter", value2=230), ["vehicle_17", NOON, 12.3, 230.0]),
        (generic(type="meter", value2=None), ["vehicle_17", NOON, 12.3, None]),
    ],
)
def test_each_form_of_a_meter_reading_becomes_its_row(
    sent: dict[str, Any], row: list[Any], media_type: str
) -> None:
    batch = decode_readings(sent, media_type=media_type)
    assert (batch.size, batch.refused) == (1, [])
    assert (batch.meters.indexes, batch.meters.rows) == ([0], [tuple(row)])
    assert (batch.vehicles.indexes, batch.vehicles.rows) == ([], [])


@pytest.mark.parametrize("media_type", MEDIA_TYPES)
@pytest.mark.parametrize(
    ("sent", "row"),
    [
        (vehicle(), ["V-1", NOON, 0.37, None, None]),
        (
            vehicle(type="vehicle", soc=81.5, batteryTemp=-3),
            ["V-1", NOON, 0.37, 81.5, -3.0],
        ),
        (vehicle(soc=None, batteryTemp=None), ["V-1", NOON, 0.37, None, None]),
        (generic(), ["vehicle_17", NOON, 12.3, None, None]),
        (generic(value2=31.4), ["vehicle_17", NOON, 12.3, None, 31.4]),
    ],
)
def test_each_form_of_a_vehicle_reading_becomes_its_row(
    sent: dict[str, Any], row: list[Any], media_type: str
) -> None:
    batch = decode_readings(sent, media_type=media_type)
    assert (batch.size, batch.refused) == (1, [])
    assert (batch.vehicles.indexes, batch.vehicles.rows) == ([0], [tuple(row)])
    assert (batch.meters.indexes, batch.meters.rows) == ([], [])


@pytest.mark.parametrize(
    ("sent", "time"),
    [
        ("2026-01-31T13:30:00+01:30", NOON),
        ("2026-01-31t12:00:00z", NOON),
        ("2026-01-31T12:00:00-00:00", NOON),
        ("2026-01-31T12:00:00.123456Z", NOON + timedelta(microseconds=123456)),
        ("2026-01-31T12:00:00.1234567Z", NOON + timedelta(microseconds=123457)),
        ("9999-12-31T23:59:59Z", datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)),
        (
            "0001-01-01T00:00:00+01:00",
            datetime(1, 1, 1, tzinfo=timezone(timedelta(hours=1))),
        ),
        (0, datetime(1970, 1, 1, tzinfo=UTC)),
        (1, datetime(1970, 1, 1, 0, 0, 0, 1000, tzinfo=UTC)),
        (253402300799999, datetime(9999, 12, 31, 23, 59, 59, 999000, tzinfo=UTC)),
    ],
)
def test_a_time_with_an_offset_or_in_milliseconds_becomes_an_aware_one(
    sent: Any, time: datetime
) -> None:
    [(_, decoded, *_)] = decode_readings(meter(timestamp=sent)).meters.rows
    assert decoded == time
    assert decoded.utcoffset() is not None


@pytest.mark.parametrize(
    "sent",
    [
        "2026-01-31",
        "12:00:00Z",
        "2026-01-31T12:00Z",
        "2026-01-31T23:59:60Z",
        "2026-02-29T12:00:00Z",
        "2026-01-31T12:00:00+24:00",
        "9999-12-31T23:59:59.9999999Z",
        "1769860800000",
        "now",
        "",
        "\ud800",
        True,
        None,
        1769860800000.5,
        1e3,
        [],
        {},
    ],
)
def test_a_time_that_is_none_is_refused(sent: Any) -> None:
    raw = json.dumps(meter(timestamp=sent)).encode()
    assert refusal(raw).startswith('"timestamp" must be an RFC 3339 time')


def test_a_local_time_is_refused_for_its_lack_of_an_offset() -> None:
    detail = '"timestamp" must have an offset, such as Z or +01:00'
    assert refusal(meter(timestamp="2026-01-31T12:00:00")) == detail


@pytest.mark.parametrize(
    ("sent", "unit"),
    [
        (1769860800.25, "seconds: multiply by 1000"),
        (1769860800123456, "microseconds: divide by 1000"),
        (1769860800123456789, "nanoseconds: divide by 1000000"),
        (1.769860800123456e15, "microseconds: divide by 1000"),
    ],
)
@pytest.mark.parametrize("media_type", [JSON, MSGPACK])
def test_a_time_in_another_unit_is_told_which_it_looks_like(
    sent: float, unit: str, media_type: str
) -> None:
    assert f"; it looks like {unit}" in refusal(meter(timestamp=sent), media_type)


@pytest.mark.parametrize("sent", [float("inf"), float("nan"), 1e308, 10**400])
def test_a_time_that_is_no_number_of_any_unit_is_refused(sent: float) -> None:
    assert "looks like" not in refusal(json.dumps(meter(timestamp=sent)).encode())


@pytest.mark.parametrize("sent", [-1, 253402300800000, 2**63, 2**64, 10**30])
def test_milliseconds_beyond_year_9999_or_before_1970_are_refused(sent: int) -> None:
    detail = '"timestamp" must be 0 to 253402300799999 as epoch milliseconds'
    assert refusal(meter(timestamp=sent)) == detail


def test_a_time_of_messagepacks_own_type_is_taken() -> None:
    batch = decode_readings(meter(timestamp=NOON), media_type=MSGPACK)
    assert [row[1] for row in batch.meters.rows] == [NOON]


@pytest.mark.parametrize(
    "device_id",
    [
        'a"b',
        "a\\b",
        "\U0001f50c",
        "\u05d0\u202e",
        "\u00e9",
        " ",
        "...",
        "x" * 128,
        "\U0001f50c" * 128,
    ],
)
@pytest.mark.parametrize("media_type", MEDIA_TYPES)
def test_an_id_with_quotes_emoji_or_right_to_left_letters_is_taken(
    device_id: str, media_type: str
) -> None:
    batch = decode_readings(meter(meterId=device_id), media_type=media_type)
    assert [row[0] for row in batch.meters.rows] == [device_id]


@pytest.mark.parametrize(
    ("device_id", "rule"),
    [
        ("", "not be empty"),
        ("x" * 129, "have at most 128 characters, not 129"),
        ("x" * 10_000, "have at most 128 characters, not 10000"),
        ("a/b", 'not contain "/", since it stands in URLs'),
        (".", 'not be ".", since it stands in URLs'),
        ("..", 'not be "..", since it stands in URLs'),
        ("a\x00b", "not contain control characters"),
        ("a\n", "not contain control characters"),
        ("\x1f", "not contain control characters"),
        ("\x7f", "not contain control characters"),
        ("\x85", "not contain control characters"),
        ("\ud800", "not contain half of a surrogate pair"),
        (17, "be a string, not a number"),
        (True, "be a string, not a boolean"),
        (None, "be a string, not null"),
        ([], "be a string, not an array"),
    ],
)
@pytest.mark.parametrize(
    ("make", "field"), [(meter, "meterId"), (vehicle, "vehicleId"), (generic, "id")]
)
def test_an_id_that_cannot_be_one_is_refused_with_the_rule(
    make: Any, field: str, device_id: Any, rule: str
) -> None:
    reading = make(**{field: device_id})

    assert refusal(json.dumps(reading).encode()) == f'"{field}" must {rule}'


@pytest.mark.parametrize(
    ("value", "rule"),
    [
        ("1", "be a number, not a string"),
        (True, "be a number, not a boolean"),
        ([1], "be a number, not an array"),
        ({"a": 1}, "be a number, not an object"),
        (float("nan"), "be a finite number"),
        (float("inf"), "be a finite number"),
        (float("-inf"), "be a finite number"),
    ],
)
@pytest.mark.parametrize("media_type", MEDIA_TYPES)
@pytest.mark.parametrize(
    ("make", "field"),
    [
        (meter, "kwhConsumedAc"),
        (meter, "voltage"),
        (vehicle, "kwhDeliveredDc"),
        (vehicle, "soc"),
        (vehicle, "batteryTemp"),
        (generic, "value1"),
        (generic, "value2"),
    ],
)
def test_a_measurement_that_is_no_number_is_refused_with_the_rule(
    make: Any, field: str, media_type: str, value: Any, rule: str
) -> None:
    assert refusal(make(**{field: value}), media_type) == f'"{field}" must {rule}'


@pytest.mark.parametrize(
    "literal", [b"NaN", b"-Infinity", b"1e400", b"-1e400", b"1" * 400, b"1" * 5000]
)
def test_a_number_beyond_any_double_is_refused(literal: bytes) -> None:
    raw = b'{"meterId":"M","kwhConsumedAc":%s,"timestamp":1}' % literal
    assert refusal(raw) == '"kwhConsumedAc" must be a finite number'


def test_a_short_nan_of_messagepack_is_refused() -> None:
    raw = msgspec.msgpack.encode(meter(voltage=0)).replace(
        b"voltage\x00", b"voltage\xca" + struct.pack(">f", float("nan"))
    )
    assert refusal(raw, MSGPACK) == '"voltage" must be a finite number'


@pytest.mark.parametrize("energy", [-1, -0.5, 0, 2**63, 2**64, 1e308])
def test_an_energy_out_of_bounds_is_left_to_the_database(energy: float) -> None:
    [row] = decode_readings(meter(kwhConsumedAc=energy)).meters.rows
    assert row[2] == float(energy)


@pytest.mark.parametrize(
    ("sent", "detail"),
    [
        ({}, 'one of "meterId", "vehicleId" or "id" is required'),
        (without(meter(), "meterId"), 'one of "meterId", "vehicleId" or "id" is required'),
        (without(meter(), "kwhConsumedAc"), '"kwhConsumedAc" is required with "meterId"'),
        (meter(kwhConsumedAc=None), '"kwhConsumedAc" must be a number, not null'),
        (without(meter(), "timestamp"), '"timestamp" is required with "meterId"'),
        (without(vehicle(), "kwhDeliveredDc"), '"kwhDeliveredDc" is required with "vehicleId"'),
        (without(generic(), "type"), '"type" is required with "id"'),
        (generic(type=None), '"type" is required with "id"'),
        (without(generic(), "value1"), '"value1" is required with "id"'),
        (generic(value1=None), '"value1" must be a number, not null'),
    ],
)
def test_a_reading_without_a_required_field_is_refused_and_never_zero(
    sent: dict[str, Any], detail: str
) -> None:
    assert refusal(sent) == detail


@pytest.mark.parametrize(
    ("sent", "detail"),
    [
        (meter(soc=50), '"soc" does not go with "meterId"'),
        (meter(soc=None), '"soc" does not go with "meterId"'),
        (meter(id="M-1"), '"id" does not go with "meterId"'),
        (meter(vehicleId="V-1"), '"vehicleId" does not go with "meterId"'),
        (meter(value1=1), '"value1" does not go with "meterId"'),
        (meter(kwhDeliveredDc=1), '"kwhDeliveredDc" does not go with "meterId"'),
        (vehicle(voltage=1), '"voltage" does not go with "vehicleId"'),
        (vehicle(id="V-1"), '"id" does not go with "vehicleId"'),
        (generic(soc=1), '"soc" does not go with "id"'),
        (generic(kwhDeliveredDc=1), '"kwhDeliveredDc" does not go with "id"'),
        (meter(type="vehicle"), '"meterId" does not go with the type "vehicle"'),
        (vehicle(type="meter"), '"vehicleId" does not go with the type "meter"'),
    ],
)
def test_fields_of_different_forms_are_refused_by_name(sent: dict[str, Any], detail: str) -> None:
    assert refusal(sent) == detail
    assert refusal(sent, MSGPACK) == detail


@pytest.mark.parametrize(
    ("kind", "shown"), [("Meter", '"Meter"'), ("", '""'), (1, "a number"), (False, "a boolean")]
)
def test_an_unknown_type_is_refused(kind: Any, shown: str) -> None:
    assert refusal(generic(type=kind)) == f'"type" must be "meter" or "vehicle", not {shown}'


@pytest.mark.parametrize("media_type", MEDIA_TYPES)
@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("batterytemp", "batterytemp"),
        ("meter_id", "meter_id"),
        ("a`b", "a`b"),
        ("", ""),
        ("a\x00\nb", "a\ufffd\ufffdb"),
        ("\u202e", "\ufffd"),
        ("x" * 10_000, "x" * 64),
    ],
)
def test_an_unknown_field_is_refused_by_a_name_that_is_safe_to_show(
    media_type: str, name: str, shown: str
) -> None:
    detail = refusal(vehicle(**{name: 1}), media_type)
    assert detail.startswith(f'"{shown}" is not a field of a reading: type, meterId, ')


def test_a_name_that_is_no_string_is_refused() -> None:
    detail = "the name of a field must be a string, not a number"
    assert refusal(msgspec.msgpack.encode({1: 2}), MSGPACK) == detail


@pytest.mark.parametrize(
    "raw",
    [
        b'{"vehicleId":"V","kwhDeliveredDc":1,"soc":1,"soc":1,"timestamp":1}',
        b'{"vehicleId":"V","kwhDeliveredDc":1,"soc":1,"soc":2,"timestamp":1}',
        b'{"vehicleId":"V","kwhDeliveredDc":1,"soc":1,"\\u0073oc":2,"timestamp":1}',
        b'{"vehicleId":"a\\"b","kwhDeliveredDc":1,"soc":null,"soc":2,"timestamp":1}',
    ],
)
def test_a_field_given_twice_is_refused_by_name(raw: bytes) -> None:
    assert refusal(raw) == 'field "soc" is given twice'


@pytest.mark.parametrize("header", [b"\x84", b"\xde\x00\x04", b"\xdf\x00\x00\x00\x04"])
def test_a_messagepack_field_given_twice_is_refused_by_name(header: bytes) -> None:
    entries = msgspec.msgpack.encode(meter())[1:]
    raw = header + entries + msgspec.msgpack.encode({"kwhConsumedAc": 9})[1:]
    assert refusal(raw, MSGPACK) == 'field "kwhConsumedAc" is given twice'


@pytest.mark.parametrize("header", [b"\x83", b"\xde\x00\x03", b"\xdf\x00\x00\x00\x03"])
def test_a_messagepack_map_with_any_header_is_taken(header: bytes) -> None:
    raw = header + msgspec.msgpack.encode(meter())[1:]
    assert decode(raw, MSGPACK).refused == []


def test_a_field_given_twice_is_found_beside_a_reading_without_an_id() -> None:
    # the first has two quotation marks too few, the second two too many
    first = b'{"kwhConsumedAc":1,"timestamp":1}'
    second = b'{"meterId":"M","kwhConsumedAc":1,"kwhConsumedAc":2,"timestamp":1}'
    batch = decode(b"[%s,%s]" % (first, second), JSON)
    assert [refused.index for refused in batch.refused] == [0, 1]


@pytest.mark.parametrize(
    "raw", [b'{"meterId":"\xff"}', b'{"\xff":1}', b'{"meterId":"\xed\xa0\x80"}']
)
def test_text_that_is_not_utf_8_is_refused(raw: bytes) -> None:
    assert refusal(raw) == "the reading is not valid UTF-8"


def test_messagepack_text_that_is_not_utf_8_is_refused() -> None:
    assert refusal(b"\x81\xa7meterId\xa1\xff", MSGPACK) == "the reading is not valid UTF-8"
    assert refusal(b"\x81\xa1\xff\x01", MSGPACK) == "the reading is not valid UTF-8"
