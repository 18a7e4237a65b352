"""Files hold what the relations do, to the last digit, in each format and on both editions."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple

import psycopg
import pyarrow as pa
import pyarrow.parquet as parquet
import pytest

from service.exports.subjects import WIRE_NAMES
from tests.exports.running import START, exported, fill, run
from tests.support.readings import Connection

Filled = Callable[[Callable[[Connection], None]], str]


class Case(NamedTuple):
    """What is asked for, and the rows that this should be."""

    arguments: tuple[str, ...]
    query: str
    names: dict[str, str] | None = None


CASES = [
    *(
        case
        for side in ("meter", "vehicle")
        for case in (
            Case(
                ("readings", f"--{side}s"),
                f"SELECT {', '.join(WIRE_NAMES[side])} FROM ops.{side}_readings"
                f" ORDER BY date_trunc('day', read_at, 'UTC'), {side}_id, read_at",
                WIRE_NAMES[side],
            ),
            Case(
                ("hours", f"--{side}s"),
                f"SELECT * FROM bi.{side}_energy_hourly"
                f" ORDER BY date_trunc('day', bucket, 'UTC'), {side}_id, bucket",
            ),
            Case(
                ("hours", f"--{side}", f"{side[0].upper()}-1", f"--{side}", f"{side[0].upper()}-2"),
                f"SELECT * FROM bi.{side}_energy_hourly"
                f" WHERE {side}_id IN ('{side[0].upper()}-1', '{side[0].upper()}-2')"
                f" ORDER BY date_trunc('day', bucket, 'UTC'), {side}_id, bucket",
            ),
        )
    ),
    Case(("sessions",), "SELECT * FROM bi.charging_session ORDER BY started_at, meter_id"),
    Case(
        ("sessions", "--meter", "M-1", "--vehicle", "V-1"),
        "SELECT * FROM bi.charging_session WHERE meter_id = 'M-1' AND vehicle_id = 'V-1'",
    ),
    Case(
        ("sessions", "--vehicles"),
        "SELECT * FROM bi.charging_session WHERE vehicle_id IS NOT NULL ORDER BY started_at",
    ),
]
each_case = pytest.mark.parametrize("case", CASES, ids=lambda case: " ".join(case.arguments))


def rows_of(url: str, case: Case) -> tuple[list[str], list[tuple[Any, ...]]]:
    """The names that columns should have, and the rows."""
    with psycopg.connect(url, autocommit=True) as db:
        db.execute("SET timezone = 'UTC'")
        cursor = db.execute(case.query)
        found = cursor.fetchall()
        assert found
        names = [column.name for column in cursor.description or ()]
    return [case.names[name] for name in names] if case.names else names, found


def spelled(value: Any) -> str:
    """As CSV has it."""
    if isinstance(value, datetime):
        text = value.astimezone(UTC).replace(tzinfo=None).isoformat()
        return f"{text.rstrip('0') if '.' in text else text}Z"
    return "" if value is None else str(value)


@each_case
def test_csv_has_each_row_to_the_last_digit(url_filled_by: Filled, case: Case) -> None:
    url = url_filled_by(fill)
    names, rows = rows_of(url, case)
    read = list(csv.reader(io.StringIO(exported(url, *case.arguments), newline="")))
    assert read == [names, *([spelled(value) for value in row] for row in rows)]


@each_case
def test_ndjson_has_each_row_to_the_last_digit(url_filled_by: Filled, case: Case) -> None:
    url = url_filled_by(fill)
    names, rows = rows_of(url, case)
    lines = exported(url, *case.arguments, "--format", "ndjson").split("\n")
    assert lines.pop() == ""
    read = [json.loads(line, parse_float=Decimal) for line in lines]
    expected = [
        {
            name: spelled(value) if isinstance(value, datetime) else value
            for name, value in zip(names, row, strict=True)
            if value is not None or not case.names
        }
        for row in rows
    ]
    assert read == expected


@each_case
def test_parquet_has_decimals_and_times_in_utc(
    url_filled_by: Filled, case: Case, tmp_path: Path
) -> None:
    url = url_filled_by(fill)
    names, rows = rows_of(url, case)
    file = tmp_path / "of.parquet"
    result = run(url, *case.arguments, "--output", str(file))
    assert (result.exit_code, result.stdout) == (0, "")
    read = parquet.read_table(file)
    assert read.schema.names == names
    assert [tuple(row.values()) for row in read.to_pylist()] == rows
    for field in read.schema:
        if "kwh" in field.name.lower():
            assert field.type == pa.decimal128(20, 6), field
        if field.name in ("timestamp", "from", "bucket") or field.name.endswith("_at"):
            assert field.type == pa.timestamp("us", tz="UTC"), field


def test_a_window_is_cut_at_its_moments_and_parts_make_the_whole(url_filled_by: Filled) -> None:
    url = url_filled_by(fill)
    middle = START + timedelta(hours=10, seconds=30)
    asked = ("readings", "--meters", "--format", "ndjson")
    before = exported(url, *asked, "--to", middle.isoformat()).split("\n")
    # without an offset it is of UTC
    after = exported(url, *asked, "--from", f"{middle:%Y-%m-%dT%H:%M:%S}").split("\n")
    assert len(before) > 100
    assert len(after) > 20
    assert sorted(before + after) == sorted([*exported(url, *asked).split("\n"), ""])
    times = [json.loads(line)["timestamp"] for line in before if line]
    assert max(times) < f"{middle:%Y-%m-%dT%H:%M:%S}"


def test_days_are_those_of_the_zone(url_filled_by: Filled) -> None:
    url = url_filled_by(fill)
    day = f"{START:%Y-%m-%d}"
    asked = ("readings", "--meters", "--from", day)
    kolkata = exported(url, *asked, "--zone", "Asia/Kolkata")
    with psycopg.connect(url) as db:
        (count,) = db.execute(
            "SELECT count(*) FROM ops.meter_readings"
            " WHERE read_at >= %s::timestamp AT TIME ZONE 'Asia/Kolkata'",
            [day],
        ).fetchone() or (None,)
    assert len(list(csv.reader(io.StringIO(kolkata, newline="")))) == count + 1


def test_where_nothing_is_there_are_names_alone(url: str, tmp_path: Path) -> None:
    assert exported(url, "sessions").count("\n") == 1
    assert exported(url, "readings", "--meters", "--format", "ndjson") == ""
    file = tmp_path / "none.parquet"
    assert run(url, "hours", "--vehicles", "--output", str(file)).exit_code == 0
    assert parquet.read_table(file).num_rows == 0
