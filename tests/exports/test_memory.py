"""Memory does not grow with what is exported."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from tests.support.process import COMMAND
from tests.support.readings import Connection
from tests.support.server import Server

ROWS = 400_000
# of two days, and their times such that none is in the future
FILL = """
    INSERT INTO telemetry.meter_reading (meter_id, ts, energy_mwh, voltage_mv)
    SELECT 'M-' || n %% 100, date_trunc('day', now(), 'UTC') - INTERVAL '48 hours'
        + n / 100 * INTERVAL '43 seconds', n, 230000 + n %% 1000
    FROM generate_series(0, %s) AS s (n)
"""


def fill(db: Connection) -> None:
    # what the ledger makes of it is another matter
    db.execute("SET session_replication_role = replica")
    db.execute(FILL, [ROWS - 1])


@pytest.fixture(scope="module")
def many(database_server: Server) -> Iterator[str]:
    """A database with some hundred thousand readings, two thirds of them of two whole days."""
    with database_server.clone_filled(fill) as url:
        yield url


def megabytes(url: str, file: Path, *options: str) -> float:
    """The most memory that an export takes."""
    arguments = [COMMAND, "export", "readings", "--output", file, *options]
    process = subprocess.Popen(arguments, env={**os.environ, "DATABASE_URL": url})
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0
    return usage.ru_maxrss / 1024


@pytest.mark.slow
@pytest.mark.parametrize("name", ["a.csv.gz", "a.ndjson.zst", "a.parquet"])
def test_some_hundred_thousand_rows_take_as_much_memory_as_half_of_them(
    many: str, tmp_path: Path, name: str
) -> None:
    with psycopg.connect(many, autocommit=True) as db:
        (count,) = db.execute("SELECT count(*) FROM ops.meter_readings").fetchone() or (0,)
    assert count == ROWS
    # the least with which all parts of it are at work
    half = megabytes(many, tmp_path / name, "--meters", "--to", "yesterday")
    all_of_it = megabytes(many, tmp_path / name, "--meters")
    print(f"{name}: {half:.0f} MB of half, {all_of_it:.0f} MB of {ROWS:,}")
    # as text the other half is 12 MB, as objects 100; Arrow's pool takes what it likes of its own
    assert all_of_it - half < (30 if name.endswith("parquet") else 6)
