"""The binary arrays of a group are what PostgreSQL reads from psycopg's own."""

from __future__ import annotations

import sys
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import psycopg
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from service.ingest.arrays import METER, VEHICLE, Array, adapt, columns

# a statement's own types for the columns of either kind
_TYPES = {len(METER): ["text[]", "timestamptz[]", "float8[]", "float8[]"]}
_TYPES[len(VEHICLE)] = [*_TYPES[len(METER)], "float8[]"]

ZONES = st.integers(-14 * 60, 14 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))
EPOCH = datetime(1970, 1, 2, tzinfo=UTC)
TIMES = st.builds(
    lambda microseconds, zone: (EPOCH + timedelta(microseconds=microseconds)).astimezone(zone),
    st.integers(0, 8_000 * 365 * 86_400_000_000),
    st.just(UTC) | ZONES,
)
NUMBERS = st.floats(allow_nan=False, allow_infinity=False) | st.just(sys.float_info.max)
IDS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1)
READINGS = st.tuples(IDS, TIMES, NUMBERS, st.none() | NUMBERS, st.none() | NUMBERS)


@pytest.mark.parametrize("kind", [METER, VEHICLE], ids=["meters", "vehicles"])
@settings(max_examples=100, deadline=None)
@given(readings=st.lists(READINGS, max_size=20))
def test_the_database_reads_what_was_sent(
    shared_database_url: str, kind: Any, readings: list[tuple[Any, ...]]
) -> None:
    rows = [reading[: len(kind)] for reading in readings]
    types = _TYPES[len(kind)]
    statement = "SELECT " + ", ".join(f"%b::{name}" for name in types)
    with psycopg.connect(shared_database_url) as connection:
        adapt(connection)
        connection.execute("SET timezone = 'UTC'")
        read = connection.execute(statement, columns(rows, kind), binary=True).fetchone()
    assert read is not None
    assert list(zip(*read, strict=True)) == rows


def test_arrays_are_sent_as_they_are(connection: psycopg.Connection[Any]) -> None:
    adapt(connection)
    own = connection.execute("SELECT %b::text[]", [["a", "b"]], binary=True).fetchone()
    ours = columns([("a", datetime.now(UTC), 1.0, None), ("b", datetime.now(UTC), 1.0, 2.0)], METER)
    assert isinstance(ours[0], Array)
    assert connection.execute("SELECT %b::text[]", [ours[0]], binary=True).fetchone() == own
