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
AC = "kwhConsumedAc, kwhTotalAc, kwhSessionAc"
DC = "kwhDeliveredDc, kwhTotalDc, kwhSessionDc"


@pytest.mark.parametrize("media_type", MEDIA_TYPES)
@pytest.mark.parametrize(
    ("sent", "row"),
    [
        (meter(), ["M-1", NOON, None, 0.42, None, None, None]),
        (meter(type="meter", voltage=231.2), ["M-1", NOON, None, 0.42, None, None, 231.2]),
        (meter(type=None, voltage=None), ["M-1", NOON, None, 0.42, None, None, None]),
        (generic(type="meter", value2=230), ["vehicle_17", NOON, None, 12.3, None, None, 230.0]),
        (generic(type="meter", value2=None), ["vehicle_17", NOON, None, 12.3, None, None, None]),
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
        (vehicle(), ["V-1", NOON, None, 0.37, None, None, None, None]),
        (
            vehicle(type="vehicle", soc=81.5, batteryTemp=-3),
            ["V-1", NOON, None, 0.37, None, None, 81.5, -3.0],
        ),
        (vehicle(soc=None, batteryTemp=None), ["V-1", NOON, None, 0.37, None, None, None, None]),
        (generic(), ["vehicle_17", NOON, None, 12.3, None, None, None, None]),
        (generic(value2=31.4), ["vehicle_17", NOON, None, 12.3, None, None, None, 31.4]),
    ],
)
def test_each_form_of_a_vehicle_reading_becomes_its_row(
    sent: dict[str, Any], row: list[Any], media_type: str
) -> None:
    batch = decode_readings(sent, media_type=media_type)
    assert (batch.size, batch.refused) == (1, [])
    assert (batch.vehicles.indexes, batch.vehicles.rows) == ([0], [tuple(row)])
    assert (batch.meters.indexes, batch.meters.rows) == ([], [])


LIFETIME, OF_SESSION = "lifetime_register", "session_counter"


@pytest.mark.parametrize("media_type", MEDIA_TYPES)
@pytest.mark.parametrize(
    ("sent", "row"),
    [
        (meter(kwhTotalAc=7), ["M-1", NOON, LIFETIME, 7.0, None, None, None]),
        (meter(kwhTotalAc=0, session=None), ["M-1", NOON, LIFETIME, 0.0, None, None, None]),
        (
            meter(kwhTotalAc=7.5, session="S", voltage=230, type="meter"),
            ["M-1", NOON, LIFETIME, 7.5, None, "S", 230.0],
        ),
        # null is as if left out
        (meter(kwhTotalAc=7, **{"from": None}), ["M-1", NOON, LIFETIME, 7.0, None, None, None]),
        (meter(kwhSessionAc=3, session="S"), ["M-1", NOON, OF_SESSION, 3.0, None, "S", None]),
        (
            meter(kwhSessionAc=3, session="S", voltage=230, type=None),
            ["M-1", NOON, OF_SESSION, 3.0, None, "S", 230.0],
        ),
        (meter(session="S"), ["M-1", NOON, None, 0.42, None, "S", None]),
        (
            meter(**{"from": "2026-01-31T10:00:00+01:00"}),
            ["M-1", NOON, None, 0.42, NOON - timedelta(hours=3), None, None],
        ),
        (
            meter(session="S", **{"from": 1769850000000}),
            ["M-1", NOON, None, 0.42, NOON - timedelta(hours=3), "S", None],
        ),
        (
            generic(type="meter", session="S", **{"from": 1769850000000}),
            ["vehicle_17", NOON, None, 12.3, NOON - timedelta(hours=3), "S", None],
        ),
    ],
)
def test_what_a_meter_counts_becomes_its_row_with_kind_start_and_session(
    sent: dict[str, Any], row: list[Any], media_type: str
) -> None:
    if "kwhTotalAc" in sent or "kwhSessionAc" in sent:
        sent = without(sent, "kwhConsumedAc")
    batch = decode_readings(sent, media_type=media_type)
    assert (batch.refused, batch.vehicles.rows) == ([], [])
    assert batch.meters.rows == [tuple(row)]


@pytest.mark.parametrize("media_type", MEDIA_TYPES)
@pytest.mark.parametrize(
    ("sent", "row"),
    [
        (vehicle(kwhTotalDc=7), ["V-1", NOON, LIFETIME, 7.0, None, None, None, None]),
        (
            vehicle(kwhTotalDc=7, session="S", soc=50, batteryTemp=20),
            ["V-1", NOON, LIFETIME, 7.0, None, "S", 50.0, 20.0],
        ),
        (
            vehicle(kwhSessionDc=3, session="S", type="vehicle"),
            ["V-1", NOON, OF_SESSION, 3.0, None, "S", None, None],
        ),
        (
            vehicle(session="S", **{"from": 1769850000000}),
            ["V-1", NOON, None, 0.37, NOON - timedelta(hours=3), "S", None, None],
        ),
        (
            generic(session="S", **{"from": "2026-01-31T09:00:00Z"}),
            ["vehicle_17", NOON, None, 12.3, NOON - timedelta(hours=3), "S", None, None],
        ),
    ],
)
def test_what_a_vehicle_counts_becomes_its_row_with_kind_start_and_session(
    sent: dict[str, Any], row: list[Any], media_type: str
) -> None:
    if "kwhTotalDc" in sent or "kwhSessionDc" in sent:
        sent = without(sent, "kwhDeliveredDc")
    batch = decode_readings(sent, media_type=media_type)
    assert (batch.refused, batch.meters.rows) == ([], [])
    assert batch.vehicles.rows == [tuple(row)]


def register(**fields: Any) -> dict[str, Any]:
    return without(meter(**{"kwhTotalAc": 7} | fields), "kwhConsumedAc")


def vehicle_counter(energy: str, **fields: Any) -> dict[str, Any]:
    return without(vehicle(**{energy: 7}, **fields), "kwhDeliveredDc")


@pytest.mark.parametrize(
    ("sent", "detail"),
    [
        (meter(kwhTotalAc=7), f"send one of {AC}, not kwhConsumedAc and kwhTotalAc"),
        (
            register(kwhSessionAc=7, session="S"),
            f"send one of {AC}, not kwhTotalAc and kwhSessionAc",
        ),
        (
            meter(kwhTotalAc=7, kwhSessionAc=7),
            f"send one of {AC}, not kwhConsumedAc and kwhTotalAc and kwhSessionAc",
        ),
        (vehicle(kwhSessionDc=7), f"send one of {DC}, not kwhDeliveredDc and kwhSessionDc"),
        (without(register(), "kwhTotalAc"), f"send one of {AC}"),
        (without(vehicle(), "kwhDeliveredDc"), f"send one of {DC}"),
        (
            without(meter(kwhSessionAc=7), "kwhConsumedAc"),
            "kwhSessionAc needs session, the transaction's id: it counts from zero in each",
        ),
        (
            vehicle_counter("kwhSessionDc", session=None),
            "kwhSessionDc needs session, the transaction's id: it counts from zero in each",
        ),
        (
            register(**{"from": 1769850000000}),
            "from belongs to a difference: a register's energy starts at the previous reading",
        ),
        (
            vehicle_counter("kwhSessionDc", session="S", **{"from": 1769850000000}),
            "from belongs to a difference: a register's energy starts at the previous reading",
        ),
        (without(register(), "timestamp"), '"timestamp" is required with "meterId"'),
        (register(kwhTotalDc=7), '"kwhTotalDc" does not go with "meterId"'),
        (meter(kwhSessionDc=7), '"kwhSessionDc" does not go with "meterId"'),
        (vehicle(kwhTotalAc=7), '"kwhTotalAc" does not go with "vehicleId"'),
        (generic(kwhTotalDc=7), '"kwhTotalDc" does not go with "id"'),
        (
            without(generic(kwhTotalDc=7), "value1"),
            '"kwhTotalDc" does not go with "id"',
        ),
        (register(type="vehicle"), '"meterId" does not go with the type "vehicle"'),
        (register(kwhTotalAc=None), '"kwhTotalAc" must be a number, not null'),
        (register(kwhTotalAc="7"), '"kwhTotalAc" must be a number, not a string'),
        (register(session=17), '"session" must be a string, not a number'),
        (register(session=""), '"session" must not be empty'),
        (register(session="s" * 129), '"session" must have at most 128 characters, not 129'),
        (register(session="a\x00"), '"session" must not contain control characters'),
        (meter(session=["S"]), '"session" must be a string, not an array'),
        (
            meter(**{"from": "2026-01-31T12:00:00"}),
            '"from" must have an offset, such as Z or +01:00',
        ),
        (meter(**{"from": -1}), '"from" must be 0 to 253402300799999 as epoch milliseconds'),
    ],
)
@pytest.mark.parametrize("media_type", MEDIA_TYPES)
def test_what_does_not_go_together_is_refused_with_what_to_send(
    sent: dict[str, Any], detail: str, media_type: str
) -> None:
    assert refusal(sent, media_type) == detail


@pytest.mark.parametrize("session", ["a/b", "..", 'say "S"', "\u05d0\u202e", "s" * 128, "1042"])
@pytest.mark.parametrize("media_type", MEDIA_TYPES)
def test_a_session_may_be_any_text_that_can_be_shown(session: str, media_type: str) -> None:
    batch = decode_readings(register(session=session), media_type=media_type)
    assert [row[5] for row in batch.meters.rows] == [session]


@pytest.mark.parametrize("field", ["kwhTotalAc", "session", "from"])
def test_a_new_field_given_twice_is_refused_by_name(field: str) -> None:
    reading = meter(**{"from": 1}) if field == "from" else register(session="S")
    raw = json.dumps(reading).encode()[:-1] + b',"%s":%s}' % (
        field.encode(),
        json.dumps(reading[field]).encode(),
    )
    assert refusal(raw) == f'field "{field}" is given twice'


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
    assert row[3] == float(energy)


@pytest.mark.parametrize(
    ("sent", "detail"),
    [
        ({}, 'one of "meterId", "vehicleId" or "id" is required'),
        (without(meter(), "meterId"), 'one of "meterId", "vehicleId" or "id" is required'),
        (without(meter(), "kwhConsumedAc"), f"send one of {AC}"),
        (without(meter(voltage=1), "kwhConsumedAc"), f"send one of {AC}"),
        (meter(kwhConsumedAc=None), '"kwhConsumedAc" must be a number, not null'),
        (without(meter(), "timestamp"), '"timestamp" is required with "meterId"'),
        (without(vehicle(), "kwhDeliveredDc"), f"send one of {DC}"),
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
