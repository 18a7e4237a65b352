"""Rooms of sql/: each holds what its name says, and the editions alone know which one it is."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.packaging.definitions import code, created, statements, triggers
from tests.packaging.places import MIGRATIONS, SQL

EDITIONS = ("apache", "community")
ROOMS = {"ledger": "telemetry", "api": "api", "bi": "bi", "ops": "ops", "edition": "telemetry"}
EDITION = SQL / "edition"
README = EDITION / "README.md"
CONTRACT = re.findall(r"^\| `([\w.]+)` \|", README.read_text(encoding="utf-8"), re.MULTILINE)
ELSEWHERE = sorted(path for path in SQL.rglob("*.sql") if EDITION not in path.parents)

# it reports the edition, and decides nothing by it
REPORTS = SQL / "api" / "installed_version.sql"
ASKS = re.compile(
    r"has_policies|timescaledb\.license|'(?:apache|community)'|to_regclass|to_regproc|pg_extension"
)


def made(edition: str) -> set[str]:
    """Functions, procedures and views that an edition has of its own."""
    paths = [*(EDITION / edition).rglob("*.sql"), *MIGRATIONS.glob(f"*.{edition}.sql")]
    kinds = {"FUNCTION", "PROCEDURE", "VIEW", "MATERIALIZED VIEW"}
    return {found.name for path in paths for found in created(path) if found.kind in kinds}


def test_every_folder_of_sql_is_a_room():
    assert {path.name for path in SQL.iterdir() if path.is_dir()} == set(ROOMS)


@pytest.mark.parametrize("room", ROOMS)
def test_a_room_defines_its_own_schema_alone(room: str):
    strangers = {
        (path.name, found.name)
        for path in (SQL / room).rglob("*.sql")
        for found in created(path)
        if not found.name.startswith(f"{ROOMS[room]}.")
        and not (room == "edition" and found.name in CONTRACT)
    }
    assert strangers == set()


@pytest.mark.parametrize("room", ROOMS)
def test_a_room_puts_triggers_on_tables_of_the_ledger_alone(room: str):
    tables = {table for path in (SQL / room).rglob("*.sql") for _, table in triggers(path)}
    # %I.%I: where a continuous aggregate of ours is stored
    assert {table for table in tables if not table.startswith("telemetry.")} <= {"%I.%I"}


def test_a_right_or_comment_is_given_in_the_room_of_what_it_is_about():
    misplaced = []
    for path in ELSEWHERE:
        schema = ROOMS[path.relative_to(SQL).parts[0]]
        for statement in statements(path.read_text(encoding="utf-8")):
            bare = re.sub(r"--[^\n]*", "", statement.text).strip()
            if bare.startswith(("GRANT", "REVOKE", "COMMENT ON")):
                subject = bare.split(" IS\n", 1)[0]
                subject = re.split(r"\bIS\s*'", subject)[0]
                names = re.findall(r"\b(telemetry|api|bi|ops)\.\w", subject)
                if set(names) != {schema}:
                    misplaced.append((path.name, subject))
    assert misplaced == []


@pytest.mark.parametrize("edition", EDITIONS)
def test_each_edition_defines_all_that_the_others_rely_on(edition: str):
    assert len(CONTRACT) == len(set(CONTRACT)) > 15
    assert set(CONTRACT) - made(edition) == set()


def test_both_editions_define_nothing_else_by_the_same_name():
    assert made("apache") & made("community") == set(CONTRACT)


@pytest.mark.parametrize("edition", EDITIONS)
def test_what_else_an_edition_defines_is_named_in_its_own_folder_alone(edition: str):
    own = made(edition) - set(CONTRACT)
    assert own
    other = next(name for name in EDITIONS if name != edition)
    named = {
        (path.name, name)
        for path in [*ELSEWHERE, *(EDITION / other).rglob("*.sql")]
        for name in re.findall(r"\b(?:telemetry|bi|ops|api)\.\w+", code(read(path)))
        if name in own
    }
    assert named == set()


def test_the_editions_names_are_all_used_elsewhere():
    used = "\n".join(code(read(path)) for path in ELSEWHERE)
    # by the service alone, after each migration
    used += "telemetry.apply_policies"
    assert [name for name in CONTRACT if not re.search(rf"\b{re.escape(name)}\b", used)] == []


def test_no_other_room_asks_which_edition_it_is_in():
    asking = {path.name for path in ELSEWHERE if ASKS.search(code(read(path)))}
    assert asking == {REPORTS.name}


def read(path: Path) -> str:
    return path.read_text(encoding="utf-8")
