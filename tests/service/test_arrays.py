"""The binary arrays of a group are what PostgreSQL reads from psycopg's own."""

from __future__ import annotations

import sys
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import psycopg
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from service.ingest.arrays import METER, VEHICLE, Array, Kind, adapt, columns

# a statement's own types for the columns of either kind
_READING = ("text[]", "timestamptz[]", "text[]", "float8[]", "timestamptz[]", "text[]")
_TYPES = {METER: (*_READING, "float8[]"), VEHICLE: (*_READING, "float8[]", "float8[]")}

ZONES = st.integers(-14 * 60, 14 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))
EPOCH = datetime(1970, 1, 2, tzinfo=UTC)
TIMES = st.builds(
    lambda microseconds, zone: (EPOCH + timedelta(microseconds=microseconds)).astimezone(zone),
    st.integers(0, 8_000 * 365 * 86_400_000_000),
    st.just(UTC) | ZONES,
)
NUMBERS = st.floats(allow_nan=False, allow_infinity=False) | st.just(sys.float_info.max)
IDS = st.text(
    st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1, max_size=128
)
KINDS = st.sampled_from(["lifetime_register", "session_counter"])
READINGS = st.tuples(
    *(IDS, TIMES, st.none() | KINDS, NUMBERS, st.none() | TIMES, st.none() | IDS),
    *(st.none() | NUMBERS, st.none() | NUMBERS),
)
# as nearly all are
PLAIN = st.tuples(IDS, TIMES, st.none(), NUMBERS, st.none(), st.none(), NUMBERS, st.none())


@pytest.mark.parametrize("kind", [METER, VEHICLE], ids=["meters", "vehicles"])
@settings(max_examples=100, deadline=None)
@given(
    readings=st.lists(READINGS, max_size=20) | st.lists(PLAIN, max_size=20),
    times=st.sampled_from([1, 1, 1, 60]),
)
def test_the_database_reads_what_was_sent(
    shared_database_url: str, kind: Kind, readings: list[tuple[Any, ...]], times: int
) -> None:
    rows = [reading[: len(kind.columns)] for reading in readings] * times
    statement = "SELECT " + ", ".join(f"%b::{name}" for name in _TYPES[kind])
    with psycopg.connect(shared_database_url) as connection:
        adapt(connection)
        connection.execute("SET timezone = 'UTC'")
        read = connection.execute(statement, columns(rows, kind), binary=True).fetchone()
    assert read is not None
    for place, (sent, found) in enumerate(
        zip(zip(*rows, strict=True), read, strict=True) if rows else ()
    ):
        # one that says nothing of any reading is not sent
        left_out = place in (2, 4, 5) and set(sent) == {None}
        assert found == (None if left_out else list(sent))
    if not rows:
        assert [found for place, found in enumerate(read) if place in (2, 4, 5)] == [None] * 3
        assert [found for place, found in enumerate(read) if place not in (2, 4, 5)] == [[]] * (
            len(read) - 3
        )


def test_arrays_are_sent_as_they_are(connection: psycopg.Connection[Any]) -> None:
    adapt(connection)
    own = connection.execute("SELECT %b::text[]", [["a", "b"]], binary=True).fetchone()
    now = datetime.now(UTC)
    rows = [(name, now, None, 1.0, None, None, None) for name in ("a", "b")]
    ours = columns(rows, METER)
    assert isinstance(ours[0], Array)
    assert connection.execute("SELECT %b::text[]", [ours[0]], binary=True).fetchone() == own
