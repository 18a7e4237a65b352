"""Migrating beside queries: short attempts, told with who is in the way, up to a bound."""

from __future__ import annotations

import queue
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import psycopg
import pytest

from service.migrate import MigrationError, differences, migrate, patience, runner, watch
from tests.support.migrating import analyst, quietly, snapshot, wait_for_a_waiting_lock
from tests.support.server import as_role

VIEW = "bi.meter_energy_monthly"


@pytest.fixture
def changed(own_files: Path) -> Path:
    """Files of a version in which the definition of a view has changed."""
    file = own_files / "sql" / "bi" / "energy.sql"
    file.write_text(file.read_text() + "\n-- changed\n")
    return own_files


@pytest.fixture
def everything_is_locked(database_url: str) -> Iterator[None]:
    """A session holds every view so that it can be read, and nothing else."""
    with psycopg.connect(database_url) as holder:
        views = holder.execute(
            "SELECT c.oid::regclass::text FROM pg_class AS c WHERE c.relkind = 'v'"
            " AND c.relnamespace::regnamespace::text IN ('telemetry', 'bi', 'ops')"
        ).fetchall()
        assert len(views) > 15
        for (name,) in views:
            holder.execute(f"LOCK TABLE {name} IN SHARE UPDATE EXCLUSIVE MODE")
        yield


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(patience, "LOCK_TIMEOUT_SECONDS", 1.0)


@pytest.mark.usefixtures("everything_is_locked")
def test_migrating_a_current_database_takes_no_lock(database_url: str) -> None:
    reported: list[str] = []
    migrate(database_url, reported.append, wait_seconds=0)
    assert reported == ["the database is current, nothing is to be done"]


@pytest.mark.usefixtures("everything_is_locked")
def test_a_changed_function_takes_no_lock_of_a_view(database_url: str, own_files: Path) -> None:
    file = own_files / "sql" / "api" / "device_state.sql"
    file.write_text(file.read_text() + "\n-- changed\n")
    migrate(database_url, quietly, wait_seconds=0)
    assert differences(database_url) == []


@pytest.mark.usefixtures("changed", "impatient")
def test_readers_get_through_while_migrating_waits_for_another_one(database_url: str) -> None:
    told: queue.Queue[str] = queue.Queue()
    with ThreadPoolExecutor(1) as pool, analyst(database_url, VIEW) as holder:
        pid = holder.info.backend_pid
        migrating = pool.submit(migrate, database_url, told.put)
        for _ in range(2):
            wait_for_a_waiting_lock(database_url)
            with psycopg.connect(as_role(database_url, "wattledger_bi")) as reader:
                reader.execute("SET lock_timeout = '10s'")
                reader.execute(f"SELECT FROM {VIEW}")
        # the first line may come before anybody has looked who is in the way
        while "Grafana" not in (line := told.get(timeout=60)):
            pass
        holder.rollback()
        migrating.result(60)
    for words in (
        f"sql/bi/energy.sql (1 of 1) waits for {VIEW}: in the way is process {pid}",
        "login wattledger_bi",
        "in a transaction since 20",
        f"SELECT FROM {VIEW}",
        "next attempt in",
    ):
        assert words in line
    assert differences(database_url) == []


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize(
    ("hold", "wanted"),
    [
        (f"SELECT FROM {VIEW}", VIEW),
        ("SELECT FROM telemetry.charging_link", "telemetry.charging_link"),
        (f"SELECT pg_advisory_lock({runner.LOCK})", "the end of another migration"),
    ],
    ids=["definition", "migration", "another migration"],
)
def test_at_its_bound_it_gives_up_and_nothing_is_changed(
    database_url: str, changed: Path, hold: str, wanted: str
) -> None:
    if "link" in hold:
        (changed / "migrations" / "0900.wide.sql").write_text(
            "ALTER TABLE telemetry.charging_link ADD COLUMN note text;"
        )
    before, missing = snapshot(database_url), differences(database_url)
    with psycopg.connect(database_url) as holder:
        holder.execute(hold)
        with pytest.raises(MigrationError) as raised:
            migrate(database_url, quietly, wait_seconds=0)
        assert f"waits for {wanted}: in the way is process" in str(raised.value)
        assert f"SELECT pg_terminate_backend({holder.info.backend_pid})" in str(raised.value)
        assert "--wait" in str(raised.value)
        assert str(raised.value).endswith("Nothing was changed.")
        assert snapshot(database_url) == before
        assert differences(database_url) == missing
    migrate(database_url, quietly, wait_seconds=0)
    assert differences(database_url) == []


@pytest.mark.usefixtures("impatient")
def test_what_was_done_before_it_gave_up_is_told_and_the_next_run_goes_on(
    database_url: str, own_files: Path
) -> None:
    (own_files / "migrations" / "0900.more.sql").write_text("CREATE TABLE telemetry.more (x int);")
    with analyst(database_url, VIEW):
        with pytest.raises(MigrationError, match=r"Done and kept: migration 0900\.more\."):
            migrate(database_url, quietly, wait_seconds=0)
        # the migration has made all definitions old, whatever their files say
        assert differences(database_url) == ["the definitions of sql/ differ from those applied"]
    reported: list[str] = []
    migrate(database_url, reported.append, wait_seconds=0)
    assert any(line.startswith("applied") for line in reported)
    assert differences(database_url) == []


def test_a_long_step_is_told_of_with_its_place_among_all(
    database_url: str, own_files: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watch, "TELL_AFTER_SECONDS", 0.1)
    monkeypatch.setattr(patience, "LOCK_TIMEOUT_SECONDS", 60.0)
    (own_files / "migrations" / "0900.slow.sql").write_text("SELECT pg_advisory_xact_lock(7);")
    reported: list[str] = []
    with ExitStack() as held:
        holder = held.enter_context(psycopg.connect(database_url))
        holder.execute("SELECT pg_advisory_xact_lock(7)")

        def report(line: str) -> None:
            reported.append(line)
            if line.startswith("still at migration 0900.slow (1 of 1), for"):
                held.close()

        migrate(database_url, report)
    assert any(line.startswith("applied migration 0900.slow (1 of 1, ") for line in reported)
