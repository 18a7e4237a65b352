"""A database of before the baseline is refused with one sentence, and copied as the guide says."""

from __future__ import annotations

import re
import shlex
import subprocess
from datetime import timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest

from service.embedded.programs import find_programs
from service.migrate import MigrationError, differences, migrate
from tests.editions.test_efficiency import DAY, fill
from tests.support import rollups
from tests.support.documents import DOCS
from tests.support.migrating import quietly, snapshot
from tests.support.readings import (
    MeterReading,
    ingest_meters,
    link,
    meter_history,
    meter_states,
    vehicle_history,
    vehicle_states,
)
from tests.support.server import Server

RECORDS = """
SELECT c.migration_id, c.sha256, y.migration_hash
FROM migration.content AS c FULL JOIN migration._yoyo_migration AS y USING (migration_id) ORDER BY 1
"""
# as the last set of migrations before the baseline had them
RENAMED = {
    "0004.device-state.apache": "0004.device-state",
    "0004.device-state.community": "0004.device-state",
    "0009.upkeep": "0009.one-row-a-device",
}


@pytest.fixture
def unreleased_url(database_url: str) -> str:
    """A database whose records are those of before the baseline."""
    with psycopg.connect(database_url, autocommit=True) as connection:
        for now, then in RENAMED.items():
            for table in ("content", "_yoyo_migration"):
                connection.execute(
                    f"UPDATE migration.{table} SET migration_id = %s WHERE migration_id = %s",
                    [then, now],
                )
        connection.execute("UPDATE migration.content SET sha256 = md5(sha256)")
    return database_url


def records(url: str) -> list[tuple[Any, ...]]:
    with psycopg.connect(url) as connection:
        return connection.execute(RECORDS).fetchall()


def test_a_database_of_before_the_baseline_is_refused_saying_what_to_do(
    unreleased_url: str,
) -> None:
    with pytest.raises(MigrationError) as raised:
        migrate(unreleased_url, quietly)
    told = str(raised.value)
    assert differences(unreleased_url) == [told]
    assert len(re.findall(r"[.!\n](?:\s|$)", told)) == 0, "more than one sentence"
    assert told.startswith("this database was made by an unreleased version")
    for words in ("into files", "`wattledger db destroy`", "send the readings again"):
        assert words in told
    assert "newer" not in told
    (heading,) = re.findall(r"under '(.*)'", told)
    assert f"\n## {heading}\n" in (DOCS / "dba.md").read_text(encoding="utf-8")


def test_a_refused_database_stays_as_it_is(unreleased_url: str) -> None:
    before = snapshot(unreleased_url), records(unreleased_url)
    with pytest.raises(MigrationError):
        migrate(unreleased_url, quietly)
    assert (snapshot(unreleased_url), records(unreleased_url)) == before


def test_one_that_stopped_half_way_is_told_the_same(unreleased_url: str) -> None:
    with psycopg.connect(unreleased_url, autocommit=True) as connection:
        connection.execute("DELETE FROM migration.content WHERE migration_id > '0003'")
        connection.execute("DELETE FROM migration._yoyo_migration WHERE migration_id > '0003'")
    with pytest.raises(MigrationError) as raised:
        migrate(unreleased_url, quietly)
    (told,) = str(raised.value).splitlines()
    assert "0001.schemas-and-roles, 0002.rules were edited" in told
    assert "'From an unreleased version'" in told


def documented(direction: str) -> list[str]:
    """The commands of the guide that copy in one direction."""
    text = (DOCS / "dba.md").read_text(encoding="utf-8")
    section = text.partition("## From an unreleased version\n")[2].partition("\n## ")[0]
    return re.findall(rf'^\$ (psql .* {direction} \w+\.copy")$', section, re.MULTILINE)


def run(commands: list[str], url: str, where: Path) -> None:
    """Run commands of psql as a shell would."""
    for command in commands:
        program, *arguments = shlex.split(command.replace("$DATABASE_URL", url))
        answer = subprocess.run(
            [find_programs().path(program), *arguments],
            cwd=where,
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
        assert answer.returncode == 0, answer.stderr


def test_what_is_copied_as_the_guide_says_gives_equal_answers(
    connection: psycopg.Connection[Any],
    unreleased_url: str,
    database_server: Server,
    tmp_path: Path,
) -> None:
    link(connection, "V-1", "M-1", None, DAY + timedelta(hours=13))
    link(connection, "V-2", "M-1", DAY + timedelta(hours=13))
    fill(connection, DAY + timedelta(hours=11), 300)
    ingest_meters(connection, [MeterReading("M-none", DAY, voltage_v=None)])
    connection.execute(
        "INSERT INTO telemetry.meter_reading (meter_id, ts, entry, energy_mwh)"
        " VALUES ('M-1', %s, 1, -5)",
        [DAY + timedelta(hours=12)],
    )
    connection.execute("SELECT ops.set_fleet('north', ARRAY['N-*', 'vehicle:V-17'])")

    def kept(db: psycopg.Connection[Any]) -> list[list[tuple[Any, ...]]]:
        return [
            meter_history(db),
            vehicle_history(db),
            meter_states(db),
            vehicle_states(db),
            *(
                db.execute(f"SELECT * FROM {relation} ORDER BY 1, 2").fetchall()
                for relation in (
                    "telemetry.charging_link",
                    "telemetry.fleet_device",
                    "telemetry.api_key",
                    "bi.meter_energy_hourly",
                    "bi.vehicle_energy_daily",
                )
            ),
        ]

    before = kept(connection)
    assert all(before)
    out, back = documented("TO"), documented("FROM")
    assert len(out) == len(back) == 5
    run(out, unreleased_url, tmp_path)
    with database_server.empty() as made:
        migrate(made, quietly)
        run(back, made, tmp_path)
        with psycopg.connect(made, autocommit=True) as new:
            assert kept(new) == before
            assert rollups.differences(new) == []
