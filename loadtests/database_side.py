"""Ways of writing a group of readings, side by side on one database: ours, staging, JSON, COPY.

Each way writes groups of 1, 50 and 500 readings on one connection to an embedded database, in
turns. Prints the median of rows per second, and its ratio to plain COPY without state.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from statistics import median
from typing import Any

import psycopg
from rich.console import Console
from rich.table import Table

from loadtests.support import copying, stack
from loadtests.support.options import command_line

Connection = psycopg.Connection[Any]
# columns of a group: ids, times, kWh, volts
Group = tuple[list[str], list[datetime], list[float], list[float]]

SIZES = (1, 50, 500)
_DEVICES = 2_000
_BEGAN = datetime.now(UTC) - timedelta(hours=2)

_ARRAYS = (
    "SELECT * FROM api.ingest_meter_readings("
    "%b::text[], %b::timestamptz[], NULL, %b::float8[], NULL, NULL, %b::float8[])"
)
# what the function does to a group of new readings, from another source; triggers do the rest
_WRITE = """
INSERT INTO telemetry.meter_reading (meter_id, ts, energy_mwh, voltage_mv)
SELECT s.meter_id, s.ts, (s.energy_kwh * 1000000)::bigint, (s.voltage_v * 1000)::integer
FROM {source}
ORDER BY s.ts, s.meter_id
{conflict}
"""
_LOOK = "ON CONFLICT ON CONSTRAINT meter_reading_pkey DO NOTHING"
_COLUMNS = "meter_id text, ts timestamptz, energy_kwh float8, voltage_v float8"
_SENT = (
    "unnest(%b::text[], %b::timestamptz[], %b::float8[], %b::float8[])"
    " AS s (meter_id, ts, energy_kwh, voltage_v)"
)
_FROM_STAGING = _WRITE.format(source="staging AS s", conflict="")
_FROM_ARRAYS = _WRITE.format(source=_SENT, conflict="")
_FROM_ARRAYS_LOOKING = _WRITE.format(source=_SENT, conflict=_LOOK)


def from_function(connection: Connection, group: Group) -> None:
    """Our function, checks and all."""
    connection.execute(_ARRAYS, group, prepare=True, binary=True)


def from_arrays(connection: Connection, group: Group) -> None:
    """The same arrays straight into the table, without our checks."""
    connection.execute(_FROM_ARRAYS, group, prepare=True, binary=True)


def from_arrays_looking(connection: Connection, group: Group) -> None:
    """Likewise, with a look for a duplicate of each."""
    connection.execute(_FROM_ARRAYS_LOOKING, group, prepare=True, binary=True)


def from_staging(connection: Connection, group: Group) -> None:
    """COPY into a temporary table that empties itself, then INSERT … SELECT."""
    with connection.transaction(), connection.cursor() as cursor:
        with cursor.copy("COPY staging FROM STDIN (FORMAT binary)") as copy:
            copy.set_types(["text", "timestamptz", "float8", "float8"])
            for row in zip(*group, strict=True):
                copy.write_row(row)
        cursor.execute(_FROM_STAGING, prepare=True)


def from_json(kind: str) -> Callable[[Connection, Group], None]:
    """One parameter of type json or jsonb, taken apart in SQL."""
    source = f"{kind}_to_recordset(%s::{kind}) AS s ({_COLUMNS})"
    statement = _WRITE.format(source=source, conflict="")

    def write(connection: Connection, group: Group) -> None:
        rows = [
            {"meter_id": meter_id, "ts": ts.isoformat(), "energy_kwh": kwh, "voltage_v": volts}
            for meter_id, ts, kwh, volts in zip(*group, strict=True)
        ]
        connection.execute(statement, [json.dumps(rows)], prepare=True)

    return write


WAYS: dict[str, Callable[[Connection, Group], None]] = {
    "our function, arrays": from_function,
    "arrays without our checks": from_arrays,
    "… and with ON CONFLICT": from_arrays_looking,
    "COPY into staging, INSERT": from_staging,
    "json_to_recordset": from_json("json"),
    "jsonb_to_recordset": from_json("jsonb"),
}


class Readings:
    """Makes groups of readings, none of which comes twice."""

    def __init__(self) -> None:
        self._made = 0

    def group(self, size: int) -> Group:
        """The next `size` readings, devices taking turns."""
        numbers = range(self._made, self._made + size)
        self._made += size
        return (
            [f"M-{number % _DEVICES}" for number in numbers],
            [_BEGAN + timedelta(milliseconds=number // _DEVICES) for number in numbers],
            [number % 97 / 100 for number in numbers],
            [231.2] * size,
        )


def main() -> None:
    """Measure all ways in turns, print rows per second and the ratios to COPY."""
    parser = command_line("just measure database_side", __doc__)
    parser.add_argument(
        "--seconds", type=float, default=1.0, help="per way, size of group and round"
    )
    parser.add_argument("--rounds", type=int, default=3, help="turns that the ways take")
    given = parser.parse_args()
    console = Console(width=max(120, Console().width))
    with stack.database() as cluster, psycopg.connect(cluster.url(), autocommit=True) as connection:
        copying.prepare(cluster.url())
        connection.execute(f"CREATE TEMP TABLE staging ({_COLUMNS}) ON COMMIT DELETE ROWS")
        readings = Readings()
        rates: dict[tuple[str, int], list[float]] = {
            (way, size): [] for way in WAYS for size in SIZES
        }
        copied: list[float] = []
        for turn in range(given.rounds):
            console.print(f"round {turn + 1}/{given.rounds}")
            first_ms = int(_BEGAN.timestamp() * 1000) + turn * 600_000
            copied.append(copying.copy(cluster.url(), first_ms, given.seconds).rate)
            for way, size in rates:
                rate = _rate(WAYS[way], connection, readings, size, given.seconds)
                rates[way, size].append(rate)
    _show({cell: median(taken) for cell, taken in rates.items()}, median(copied), console)


def _rate(
    write: Callable[[Connection, Group], None],
    connection: Connection,
    readings: Readings,
    size: int,
    seconds: float,
) -> float:
    spent, rows = 0.0, 0
    while spent < seconds:
        group = readings.group(size)
        began = time.perf_counter()
        write(connection, group)
        spent += time.perf_counter() - began
        rows += size
    return rows / spent


def _show(rates: dict[tuple[str, int], float], copied: float, console: Console) -> None:
    table = Table(title="Rows per second on one connection, and their ratio to plain COPY")
    table.add_column("rows per commit")
    for size in SIZES:
        table.add_column(f"{size:,}", justify="right")
    for way in WAYS:
        cells = [f"{rates[way, size]:,.0f} ({rates[way, size] / copied:.3f})" for size in SIZES]
        table.add_row(way, *cells)
    console.print(table)
    console.print(f"plain COPY, {copying.ROWS:,} rows per commit, no state: {copied:,.0f} rows/s")


if __name__ == "__main__":
    main()
