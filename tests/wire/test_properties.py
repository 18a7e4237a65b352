"""What holds for any readings, and for any bytes."""

from __future__ import annotations

import json
import math
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from service.wire import MEDIA_TYPES, Batch, WireError, decode, raw_readings
from service.wire.forms import FORMS
from service.wire.readings import WireReading
from tests.support.examples import examples
from tests.wire.bodies import (
    COMPRESSORS,
    JSON,
    MSGPACK,
    NDJSON,
    Reading,
    body,
    decompress,
    meter,
    vehicle,
)

MEDIA_TYPE = st.sampled_from(sorted(MEDIA_TYPES))
IDS = st.text(
    st.characters(exclude_categories=["Cc", "Cs"], exclude_characters="/"), min_size=1, max_size=128
).filter(lambda text: text not in (".", ".."))
NUMBERS = st.floats(allow_nan=False, allow_infinity=False) | st.integers(-(2**53), 2**53)
TIMES = st.integers(0, 253_402_300_799_999) | st.datetimes(timezones=st.just(UTC)).map(
    lambda time: time.isoformat()
)


def readings(required: dict[str, Any], optional: dict[str, Any]) -> st.SearchStrategy[Reading]:
    return st.fixed_dictionaries(
        required | {"timestamp": TIMES},
        optional={name: st.none() | values for name, values in optional.items()},
    )


SESSIONS = st.text(st.characters(exclude_categories=["Cc", "Cs"]), min_size=1, max_size=128)
METER = {"voltage": NUMBERS, "type": st.just("meter")}
VEHICLE = {"soc": NUMBERS, "batteryTemp": NUMBERS, "type": st.just("vehicle")}
OF_DIFFERENCES = {"from": TIMES, "session": SESSIONS}
METERS = (
    readings({"meterId": IDS, "kwhConsumedAc": NUMBERS}, METER | OF_DIFFERENCES)
    | readings({"meterId": IDS, "kwhTotalAc": NUMBERS}, METER | {"session": SESSIONS})
    | readings({"meterId": IDS, "kwhSessionAc": NUMBERS, "session": SESSIONS}, METER)
)
VEHICLES = (
    readings({"vehicleId": IDS, "kwhDeliveredDc": NUMBERS}, VEHICLE | OF_DIFFERENCES)
    | readings({"vehicleId": IDS, "kwhTotalDc": NUMBERS}, VEHICLE | {"session": SESSIONS})
    | readings({"vehicleId": IDS, "kwhSessionDc": NUMBERS, "session": SESSIONS}, VEHICLE)
)
GENERICS = readings(
    {"type": st.sampled_from(["meter", "vehicle"]), "id": IDS, "value1": NUMBERS},
    {"value2": NUMBERS} | OF_DIFFERENCES,
)
ENERGIES = tuple(FORMS)
READINGS = METERS | VEHICLES | GENERICS

NAMES = st.sampled_from(
    [
        *(field.encode_name for field in msgspec.structs.fields(WireReading)),
        "other",
    ]
)
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats()
    | st.text(st.characters())
    | st.sampled_from(["meter", "vehicle", "2026-01-31T12:00:00Z", "2026-01-31T12:00:00"])
)
ANYTHING = st.recursive(
    SCALARS, lambda inner: st.lists(inner) | st.dictionaries(NAMES | st.text(), inner)
)
NEARLY_READINGS = st.dictionaries(NAMES, ANYTHING) | st.builds(
    lambda reading, changes: reading | changes, READINGS, st.dictionaries(NAMES, ANYTHING)
)


def decoded_time(sent: int | str | None) -> datetime | None:
    if isinstance(sent, int):
        seconds, milliseconds = divmod(sent, 1000)
        return datetime.fromtimestamp(seconds, UTC).replace(microsecond=milliseconds * 1000)
    return None if sent is None else datetime.fromisoformat(sent)


def expected_row(reading: Reading) -> tuple[bool, tuple[Any, ...]]:
    """Whether it is a vehicle's, and its row."""
    get = reading.get
    kinds = {"kwhTotal": "lifetime_register", "kwhSession": "session_counter"}
    [(kind, energy)] = [
        (kinds.get(name[:-2]), value)
        for name, value in reading.items()
        if name.startswith("kwh") or name == "value1"
    ]
    device_id = get("meterId") or get("vehicleId") or get("id")
    time, since = decoded_time(get("timestamp")), decoded_time(get("from"))
    row = (device_id, time, kind, energy, since, get("session"))
    if "meterId" in reading:
        return False, (*row, get("voltage"))
    if "vehicleId" in reading:
        return True, (*row, get("soc"), get("batteryTemp"))
    if reading["type"] == "meter":
        return False, (*row, get("value2"))
    return True, (*row, None, get("value2"))


def expected_rows(sent: list[Reading]) -> tuple[list[Any], list[Any]]:
    """The rows of meters and of vehicles, each with its index in front."""
    found: tuple[list[Any], list[Any]] = ([], [])
    for index, reading in enumerate(sent):
        is_vehicle, row = expected_row(reading)
        found[is_vehicle].append((index, *row))
    return found


def rows(batch: Batch) -> tuple[list[Any], list[Any]]:
    return (
        [(i, *row) for i, row in zip(batch.meters.indexes, batch.meters.rows, strict=True)],
        [(i, *row) for i, row in zip(batch.vehicles.indexes, batch.vehicles.rows, strict=True)],
    )


@examples(100)
@given(
    sent=st.lists(READINGS, min_size=1, max_size=20),
    media_type=MEDIA_TYPE,
    encoding=st.sampled_from(sorted(COMPRESSORS)),
    step=st.integers(1, 1000),
)
def test_any_readings_in_any_type_and_encoding_become_the_same_columns(
    sent: list[Reading], media_type: str, encoding: str, step: int
) -> None:
    compressed = COMPRESSORS[encoding](body(sent, media_type))
    batch = decode(decompress(compressed, encoding, step=step), media_type)
    assert (batch.size, batch.refused) == (len(sent), [])
    assert rows(batch) == expected_rows(sent)
    for _, _, _, energy, _, _, *measured in (*batch.meters.rows, *batch.vehicles.rows):
        assert type(energy) is float
        assert all(value is None or type(value) is float for value in measured)


def check_any(sent: bytes, media_type: str) -> None:
    """Either a batch that accounts for every reading, or one of our errors."""
    try:
        batch = decode(sent, media_type, max_readings=100)
    except WireError:
        return
    places = [*batch.meters.indexes, *batch.vehicles.indexes, *(r.index for r in batch.refused)]
    assert sorted(places) == list(range(batch.size))
    assert len(raw_readings(sent, media_type)) == batch.size
    for refused in batch.refused:
        assert refused.detail.encode()
        assert "\0" not in refused.detail
        assert len(refused.detail) < 300
    for _, _, _, energy, _, _, *measured in (*batch.meters.rows, *batch.vehicles.rows):
        assert math.isfinite(energy)
        assert all(value is None or math.isfinite(value) for value in measured)


@examples(100)
@given(sent=st.binary(), media_type=MEDIA_TYPE)
@example(sent=b"\x81\x81\x80\x80\x80", media_type=MSGPACK)
@example(sent=b"\x81\x91\x80\x80", media_type=MSGPACK)
@example(sent=b"\x81\xd6\xff\xff\xff\xff\xff\x80", media_type=MSGPACK)
def test_any_bytes_become_a_batch_or_one_of_our_errors(sent: bytes, media_type: str) -> None:
    check_any(sent, media_type)


@examples(100)
@given(sent=st.binary(), encoding=st.sampled_from(sorted(COMPRESSORS)), step=st.integers(1, 10))
def test_any_bytes_are_decompressed_or_one_of_our_errors(
    sent: bytes, encoding: str, step: int
) -> None:
    with suppress(WireError):
        assert len(decompress(sent, encoding, max_bytes=100, step=step)) <= 100


@examples(100)
@given(
    sent=st.lists(READINGS, min_size=1, max_size=3),
    media_type=MEDIA_TYPE,
    place=st.integers(0),
    bytes_in_place=st.binary(max_size=4),
)
def test_readings_with_bytes_changed_become_a_batch_or_one_of_our_errors(
    sent: list[Reading], media_type: str, place: int, bytes_in_place: bytes
) -> None:
    good = body(sent, media_type)
    place %= len(good)
    check_any(good[:place] + bytes_in_place + good[place + 1 :], media_type)


@examples(100)
@given(sent=st.lists(NEARLY_READINGS | ANYTHING, max_size=5))
def test_anything_in_json_becomes_a_batch_or_one_of_our_errors(sent: list[Any]) -> None:
    check_any(json.dumps(sent).encode(), JSON)
    check_any("\n".join(json.dumps(reading) for reading in sent).encode(), NDJSON)
    check_any(json.dumps(sent[:1] or None).encode(), JSON)


@examples(100)
@given(
    good=st.lists(READINGS, min_size=1, max_size=8),
    bad=st.sampled_from([{}, [], 5, None, "x"])
    | st.builds(
        lambda reading, spoil: reading | spoil,
        st.sampled_from([meter(), vehicle()]),
        st.dictionaries(
            st.sampled_from(["meterId", "soc", "voltage", "value1", "timestamp", "other"]),
            st.sampled_from([True, "", "a/b", [], {}, -1.5, math.nan]),
            min_size=2,
        ),
    ),
    place=st.integers(0, 8),
    media_type=MEDIA_TYPE,
)
def test_a_corrupt_reading_is_refused_at_its_index_and_the_others_as_if_alone(
    good: list[Reading], bad: Any, place: int, media_type: str
) -> None:
    place = min(place, len(good))
    batch = decode(body([*good[:place], bad, *good[place:]], media_type), media_type)
    assert [refused.index for refused in batch.refused] == [place]
    assert not batch.refused[0].detail.startswith("the reading ")
    meters, vehicles = rows(batch)
    alone = rows(decode(body(good, media_type), media_type))
    without_place = [
        [(index - (index > place), *row) for index, *row in found] for found in (meters, vehicles)
    ]
    assert tuple(without_place) == alone


@examples(100)
@given(
    reading=READINGS,
    added=st.sets(st.sampled_from([*ENERGIES, "session", "from"]), max_size=3),
    taken=st.sampled_from([None, *ENERGIES, "session", "from"]),
    media_type=MEDIA_TYPE,
)
def test_a_reading_is_taken_just_where_its_fields_are_those_of_one_form(
    reading: Reading, added: set[str], taken: str | None, media_type: str
) -> None:
    beside = dict.fromkeys(ENERGIES, 1.5) | {"session": "S-1", "from": 1}
    reading = reading | {name: beside[name] for name in added - set(reading)}
    reading.pop(taken, None)
    there = {name for name, value in reading.items() if value is not None}
    nulls = set(reading) - there
    fits = [
        form
        for form in FORMS.values()
        if {form.id_field, form.energy, *form.required} <= there
        and all(form.takes(name) or name == form.id_field for name in there)
        # null where another form of the device has the field
        and nulls <= {"type", "session", "from", "voltage", "soc", "batteryTemp", "value2"}
    ]
    batch = decode(body([reading], media_type), media_type)
    assert len(fits) == 1 - len(batch.refused), (reading, batch.refused)
    if fits:
        assert rows(batch) == expected_rows([reading])


@pytest.mark.parametrize("media_type", [JSON, MSGPACK])
@examples(100)
@given(reading=NEARLY_READINGS)
def test_what_is_refused_is_refused_with_the_field_and_not_a_parsers_words(
    media_type: str, reading: Reading
) -> None:
    encode = msgspec.msgpack.encode if media_type == MSGPACK else json.dumps
    try:
        sent = encode(reading)
    except (UnicodeEncodeError, OverflowError):  # MessagePack holds no such text, nor integer
        return
    batch = decode(sent if isinstance(sent, bytes) else sent.encode(), media_type)
    for refused in batch.refused:
        assert not refused.detail.startswith("the reading "), refused
