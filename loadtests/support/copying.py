"""Plain `COPY` into a hypertable of the same shape and key: the yardstick for batches."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

import psycopg

ROWS = 100_000
_DEVICES = 2_000

# what telemetry.meter_reading is, without its triggers
_TABLE = """
CREATE SCHEMA IF NOT EXISTS yardstick;
CREATE TABLE IF NOT EXISTS yardstick.meter_reading (
    meter_id text NOT NULL,
    ts timestamptz NOT NULL,
    received_at timestamptz NOT NULL DEFAULT now(),
    energy_mwh bigint NOT NULL,
    entry integer NOT NULL DEFAULT 0,
    kind telemetry.reading_kind NOT NULL DEFAULT 'difference',
    register_mwh bigint,
    interval_start timestamptz,
    session_no integer,
    voltage_mv integer,
    PRIMARY KEY (meter_id, ts, entry)
);
SELECT public.create_hypertable(
    'yardstick.meter_reading',
    public.by_range('ts', INTERVAL '1 day'),
    create_default_indexes => FALSE,
    if_not_exists => TRUE
);
"""


def prepare(database_url: str) -> None:
    """Make the table."""
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute(_TABLE)


def texts(first_ms: int, rows: int = ROWS) -> Iterator[bytes]:
    """Rows in COPY's text format, `rows` at a time, no two alike; devices take turns."""
    moment = datetime.fromtimestamp(first_ms / 1000, UTC)
    number = 0
    while True:
        lines = []
        for _ in range(rows):
            number += 1
            device = number % _DEVICES
            if device == 0:
                moment += timedelta(milliseconds=1)
            lines.append(f"M-{device}\t{moment.isoformat()}\t{device * 37}\t231200\n")
        yield "".join(lines).encode()


class Copied(NamedTuple):
    """Rows per second while copying, and rows in all."""

    rate: float
    rows: int


def copy(database_url: str, first_ms: int, seconds: float, connections: int = 1) -> Copied:
    """Copy for some seconds over so many connections together, one commit every ROWS."""
    apart_ms = 5 * 60 * 1000  # reading times of each connection
    with ThreadPoolExecutor(connections) as pool:
        parts = [
            pool.submit(_copy, database_url, first_ms + number * apart_ms, seconds)
            for number in range(connections)
        ]
        done = [part.result() for part in parts]
    return Copied(sum(one.rate for one in done), sum(one.rows for one in done))


def _copy(database_url: str, first_ms: int, seconds: float) -> Copied:
    source = texts(first_ms)
    copied, spent = 0, 0.0
    with psycopg.connect(database_url, autocommit=True) as connection:
        while spent < seconds:
            text = next(source)  # made outside of what is timed
            began = time.perf_counter()
            with connection.cursor().copy(
                "COPY yardstick.meter_reading (meter_id, ts, energy_mwh, voltage_mv) FROM STDIN"
            ) as writer:
                writer.write(text)
            spent += time.perf_counter() - began
            copied += ROWS
    return Copied(copied / spent, copied)
