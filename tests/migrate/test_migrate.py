"""Migrating: repeatable, safe beside another and after a crash, and honest about what it finds."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from service.migrate import MigrationError, differences, edition, files, migrate
from tests.support.migrating import quietly, snapshot
from tests.support.server import PASSWORDS, Server, as_role


def _shipped(url: str) -> int:
    """How many migrations there are for the edition of this server."""
    with psycopg.connect(url) as connection:
        return len(files.migration_hashes(edition.of(connection)))


@pytest.fixture
def empty_url(database_server: Server) -> Iterator[str]:
    with database_server.empty() as url:
        yield url


def test_an_empty_database_becomes_current(empty_url: str) -> None:
    assert "migration 0001.schemas-and-roles is pending" in differences(empty_url)
    migrate(empty_url, quietly)
    assert differences(empty_url) == []


def test_checking_changes_nothing(empty_url: str) -> None:
    differences(empty_url)
    with psycopg.connect(empty_url) as connection:
        row = connection.execute("SELECT to_regnamespace('migration') IS NULL").fetchone()
    assert row == (True,)


def test_migrating_again_changes_nothing(empty_url: str) -> None:
    migrate(empty_url, quietly)
    before = snapshot(empty_url)
    reported: list[str] = []
    migrate(empty_url, reported.append)
    assert reported == ["the database is current, nothing is to be done"]
    assert snapshot(empty_url) == before


def test_migrating_keeps_the_data(empty_url: str) -> None:
    migrate(empty_url, quietly)
    with psycopg.connect(empty_url, autocommit=True) as connection:
        connection.execute(
            "SELECT * FROM api.ingest_meter_readings("
            "'{M-1}', ARRAY[now()], NULL, '{1}', NULL, NULL, '{230}')"
        )
        migrate(empty_url, quietly)
        row = connection.execute("SELECT count(*) FROM telemetry.meter_reading").fetchone()
    assert row == (1,)


def test_four_that_start_at_once_apply_each_migration_once(empty_url: str) -> None:
    failures: list[BaseException] = []
    reported: list[str] = []

    def run() -> None:
        try:
            migrate(empty_url, reported.append)
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=run) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    applied = [line.split()[2] for line in reported if line.startswith("applied migration")]
    assert len(applied) == len(set(applied)) == _shipped(empty_url)
    assert differences(empty_url) == []


def test_one_that_is_killed_half_way_is_completed_by_the_next(
    empty_url: str, own_files: Path
) -> None:
    slow = own_files / "migrations" / "0900.slow.sql"
    slow.write_text("CREATE TABLE telemetry.half (x int);\nSELECT pg_sleep(60);\n")
    script = (
        "import sys; from pathlib import Path; from service.migrate import files, migrate;"
        "files.MIGRATIONS = Path(sys.argv[2]); migrate(sys.argv[1], print)"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", script, empty_url, str(own_files / "migrations")],
        stdout=subprocess.DEVNULL,
    )
    with psycopg.connect(empty_url, autocommit=True) as connection:
        deadline = time.monotonic() + 30
        while not connection.execute(
            "SELECT pid FROM pg_stat_activity"
            " WHERE query LIKE 'SELECT pg_sleep%' AND datname = current_database()"
        ).fetchone():
            assert time.monotonic() < deadline, "the slow migration never began"
            time.sleep(0.05)
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        # the server notices a client that is gone only when the statement ends
        connection.execute(
            "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity"
            " WHERE query LIKE 'SELECT pg_sleep%' AND datname = current_database()"
        )
    slow.write_text("CREATE TABLE telemetry.half (x int);\n")
    migrate(empty_url, quietly)
    assert differences(empty_url) == []


def test_an_edited_migration_is_refused_by_name(empty_url: str, own_files: Path) -> None:
    migrate(empty_url, quietly)
    edited = own_files / "migrations" / "0002.rules.sql"
    edited.write_text(edited.read_text() + "\n-- only a comment\n")
    assert any("0002.rules was edited" in line for line in differences(empty_url))
    with pytest.raises(MigrationError, match=r"0002\.rules was edited after it was applied"):
        migrate(empty_url, quietly)


def test_a_database_that_is_newer_than_the_code_is_refused(empty_url: str, own_files: Path) -> None:
    migrate(empty_url, quietly)
    (own_files / "migrations" / "0007.datasets.sql").unlink()
    with pytest.raises(MigrationError, match="the database is newer"):
        migrate(empty_url, quietly)


def test_changed_definitions_are_a_difference_until_applied(
    empty_url: str, own_files: Path
) -> None:
    migrate(empty_url, quietly)
    changed = own_files / "sql" / "api" / "installed_version.sql"
    changed.write_text(changed.read_text() + "\n-- changed\n")
    assert differences(empty_url) == ["the definitions of sql/ differ from those applied"]
    migrate(empty_url, quietly)
    assert differences(empty_url) == []


def test_a_failing_migration_leaves_what_was_before_and_names_itself(
    empty_url: str, own_files: Path
) -> None:
    bad = own_files / "migrations" / "0900.bad.sql"
    bad.write_text("CREATE TABLE telemetry.half (x int);\nSELECT 1 / 0;\n")
    with pytest.raises(MigrationError, match=r"0900\.bad failed: division by zero"):
        migrate(empty_url, quietly)
    with psycopg.connect(empty_url) as connection:
        row = connection.execute("SELECT to_regclass('telemetry.half') IS NULL").fetchone()
    assert row == (True,)
    bad.unlink()
    migrate(empty_url, quietly)
    assert differences(empty_url) == []


def test_a_failing_definition_leaves_all_definitions_as_they_were(
    empty_url: str, own_files: Path
) -> None:
    migrate(empty_url, quietly)
    before = snapshot(empty_url)
    bad = own_files / "sql" / "api" / "performance.sql"
    bad.write_text("DROP FUNCTION api.installed_version();\nSELECT nonsense;\n")
    with pytest.raises(MigrationError, match=r"sql/api/performance\.sql failed"):
        migrate(empty_url, quietly)
    assert snapshot(empty_url) == before


def test_a_server_that_is_away_is_an_error_that_says_so() -> None:
    with pytest.raises(MigrationError, match="cannot connect"):
        differences("postgresql://nobody@127.0.0.1:1/none")


def test_a_role_with_a_password_in_the_environment_can_log_in_and_no_other_is_touched(
    empty_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WATTLEDGER_BI_PASSWORD", PASSWORDS["wattledger_bi"])
    reported: list[str] = []
    migrate(empty_url, reported.append)
    assert any("wattledger_bi" in line for line in reported)
    with psycopg.connect(as_role(empty_url, "wattledger_bi")) as connection:
        row = connection.execute("SELECT current_user").fetchone()
        assert row == ("wattledger_bi",)
    assert not any("wattledger_dba" in line for line in reported)
