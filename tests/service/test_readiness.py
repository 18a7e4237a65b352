"""Readiness beside other versions: a rolling upgrade loses no instance, an old schema is named."""

from __future__ import annotations

import re
import shutil
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import psycopg
import pytest

from service.migrate import files, migrate
from service.migrate.fitness import CONTRACT
from tests.support.migrating import quietly
from tests.support.readings import Connection


@pytest.fixture
def other_files(tmp_path: Path) -> Path:
    """The SQL of another version, for a test to change; the service keeps to its own."""
    for name, source in (("migrations", files.MIGRATIONS), ("sql", files.DEFINITIONS)):
        shutil.copytree(source, tmp_path / name)
    return tmp_path


def offer(other: Path, contract: int, oldest: int) -> None:
    """Have the other version's definitions offer this contract, and keep those since `oldest`."""
    file = other / "sql" / "api" / "installed_version.sql"
    text, count = re.subn(
        r"^        \d+,\n        \d+,$",
        f"        {contract},\n        {oldest},",
        file.read_text(),
        flags=re.MULTILINE,
    )
    assert count == 1
    file.write_text(text)


def migrate_with(other: Path, url: str) -> None:
    """Migrate as the other version does."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(files, "MIGRATIONS", other / "migrations")
        patch.setattr(files, "DEFINITIONS", other / "sql")
        migrate(url, quietly)


def with_a_fixed_function(other: Path) -> None:
    file = other / "sql" / "api" / "fleet.sql"
    file.write_text(file.read_text() + "\n-- fixed\n")


def with_a_table_more(other: Path) -> None:
    (other / "migrations" / "0900.more.sql").write_text("CREATE TABLE telemetry.more (x integer);")


def with_a_function_more(other: Path) -> None:
    offer(other, CONTRACT + 1, CONTRACT)


@pytest.mark.parametrize("change", [with_a_fixed_function, with_a_table_more, with_a_function_more])
def test_a_running_service_stays_ready_when_a_newer_version_has_migrated(
    client: Any, post: Any, database_url: str, other_files: Path, change: Any
) -> None:
    change(other_files)
    migrate_with(other_files, database_url)
    assert client.get("/health/ready").json() == {"status": "ok"}
    reading = {"meterId": "M", "kwhConsumedAc": 1, "timestamp": round(time.time() * 1000)}
    assert post(reading).status_code == 201


@pytest.mark.parametrize(
    ("contract", "oldest", "cure"),
    [
        (CONTRACT + 1, CONTRACT + 1, "replace it by the version"),
        (CONTRACT - 1, CONTRACT - 1, "run wattledger migrate"),
    ],
)
def test_functions_that_it_cannot_call_make_it_unready_saying_what_to_do(
    client: Any, database_url: str, other_files: Path, contract: int, oldest: int, cure: str
) -> None:
    offer(other_files, contract, oldest)
    migrate_with(other_files, database_url)
    answer = client.get("/health/ready")
    assert answer.status_code == 503
    assert cure in answer.json()["problems"][0]


@pytest.mark.parametrize(
    "statement",
    [
        # as an earlier version left it
        "DELETE FROM migration.content WHERE migration_id ="
        " (SELECT max(c.migration_id) FROM migration.content AS c)",
        # definitions that this version has never applied, none of whose numbers is higher
        "UPDATE migration.definition_set SET sha256 = 'other'",
        # as a run leaves it that ended between the last migration and the definitions
        "DELETE FROM migration.definition_file",
        "DROP FUNCTION api.installed_version()",
    ],
)
def test_an_older_database_makes_it_unready_saying_what_to_run(
    client: Any, database_url: str, statement: str
) -> None:
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute(statement)
    answer = client.get("/health/ready")
    assert answer.status_code == 503
    assert "wattledger migrate" in answer.json()["problems"][0]
    assert client.get("/health/live").status_code == 200


def test_changes_that_wait_make_nobody_unready(
    client: Any, connection: Connection, database_url: str
) -> None:
    with psycopg.connect(database_url) as holder, ThreadPoolExecutor(3) as pool:
        holder.execute("LOCK TABLE telemetry.charging_link IN SHARE MODE")
        changes = [
            pool.submit(client.put, f"/v1/links/V-{n}", json={"meterId": f"M-{n}"})
            for n in range(3)
        ]
        waiting = (
            "SELECT count(*) >= 2 FROM pg_stat_activity AS a"
            " WHERE a.application_name = 'wattledger' AND a.datname = current_database()"
            " AND a.wait_event_type = 'Lock'"
        )
        while connection.execute(waiting).fetchone() != (True,):
            time.sleep(0.02)
        assert client.get("/health/ready").status_code == 200
        holder.rollback()
        assert {change.result().status_code for change in changes} <= {201, 503}
