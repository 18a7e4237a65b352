"""A dump, restored as docs/dba.md has it, answers like the database that it was taken from."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg import conninfo

from service.embedded.programs import find_programs
from service.migrate import differences
from tests.editions.test_efficiency import DAY, fill
from tests.support import rollups
from tests.support.readings import NOW, MeterReading, ingest_meters, link, performance
from tests.support.server import Server

RELATIONS = [
    *(f"meter_energy_{grain}" for grain in ("hourly", "daily", "monthly")),
    *(f"vehicle_energy_{grain}" for grain in ("hourly", "daily", "monthly")),
    "charging_efficiency_hourly",
    "charging_efficiency_daily",
]


@pytest.fixture
def restored_url(database_server: Server) -> Iterator[str]:
    """A new database without anything."""
    with database_server.empty() as url:
        yield url


def call(program: str, url: str, *arguments: str | Path) -> None:
    """Run a program of PostgreSQL on a database."""
    parameters = conninfo.conninfo_to_dict(url)
    variables = {
        f"PG{'DATABASE' if name == 'dbname' else name.upper()}": str(value)
        for name, value in parameters.items()
    }
    answer = subprocess.run(
        [find_programs().path(program), *arguments],
        env={**os.environ, **variables},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert answer.returncode == 0, answer.stderr


def answers(url: str) -> list[list[Any]]:
    with psycopg.connect(url) as connection:
        return [
            connection.execute(f"SELECT * FROM bi.{relation} ORDER BY 1, 2, 3").fetchall()
            for relation in RELATIONS
        ]


def test_a_restored_dump_is_current_and_gives_equal_answers(
    connection: psycopg.Connection[Any], database_url: str, restored_url: str, tmp_path: Path
) -> None:
    link(connection, "V-1", "M-1", None, DAY + timedelta(hours=13, minutes=20))
    link(connection, "V-2", "M-1", DAY + timedelta(hours=13, minutes=20))
    fill(connection, DAY + timedelta(hours=11), 300)
    # none of today, whose coverage changes from moment to moment
    days = [NOW - age * timedelta(days=1) for age in range(1, 80)]
    ingest_meters(connection, [MeterReading(ts=ts) for ts in days])
    connection.execute(
        "SELECT * FROM ops.set_retention('meter_reading', '30 days', confirm => true)"
    )
    connection.execute("CALL ops.maintain()")
    before = answers(database_url)
    dump = tmp_path / "wattledger.dump"
    call("pg_dump", database_url, "--format=custom", f"--file={dump}")

    with psycopg.connect(restored_url, autocommit=True) as restored:
        restored.execute("CREATE EXTENSION timescaledb")
        restored.execute("SELECT timescaledb_pre_restore()")
    call("pg_restore", restored_url, "--dbname=", "--exit-on-error", dump)
    with psycopg.connect(restored_url, autocommit=True) as restored:
        restored.execute("SELECT timescaledb_post_restore()")
        restored.execute("ANALYZE")

    assert differences(restored_url) == []
    assert answers(restored_url) == before
    # and it goes on like the other one
    with psycopg.connect(restored_url, autocommit=True) as restored:
        window = (DAY, DAY + timedelta(days=1))
        assert performance(restored, "V-2", *window) == performance(connection, "V-2", *window)
        assert ingest_meters(restored, [MeterReading("M-new", NOW)]) == []
        row = restored.execute(
            "SELECT samples FROM bi.meter_energy_daily WHERE meter_id = 'M-new'"
        ).fetchone()
        assert row == (1,)
        restored.execute("CALL ops.refresh(now() - interval '28 days', now())")
        assert {what for what, _ in rollups.differences(restored)} <= {
            # what is older than the raw readings
            *(f"unexpected in bi.meter_energy_{grain}" for grain in ("hourly", "daily", "monthly")),
            "missing in bi.meter_energy_monthly",
        }
