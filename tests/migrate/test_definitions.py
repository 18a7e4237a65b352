"""Definitions are applied where they changed, and wherever what they made is not as it was."""

from __future__ import annotations

from pathlib import Path

import psycopg
import pytest

from service.migrate import differences, edition, files, migrate
from tests.support.migrating import quietly, snapshot


def definitions(url: str) -> int:
    """How many there are for the edition of this server."""
    with psycopg.connect(url) as connection:
        return len(files.definition_files(edition.of(connection)))


def applied(url: str) -> str:
    """What migrating says of the definitions, without how long it took."""
    reported: list[str] = []
    migrate(url, reported.append)
    (line,) = [line for line in reported if "migration" not in line]
    return line.partition(" (")[0]


def change(file: Path, before: str = "", after: str = "\n-- changed\n") -> None:
    file.write_text(before + file.read_text() + after)


def test_only_a_changed_file_is_applied(database_url: str, own_files: Path) -> None:
    change(own_files / "sql" / "api" / "fleet.sql")
    assert differences(database_url) == ["the definitions of sql/ differ from those applied"]
    assert applied(database_url) == (
        f"applied 1 of {definitions(database_url)} definitions of sql/"
    )
    assert differences(database_url) == []


def test_all_are_applied_after_a_migration(database_url: str, own_files: Path) -> None:
    (own_files / "migrations" / "0900.more.sql").write_text("CREATE TABLE telemetry.more (x int);")
    count = definitions(database_url)
    assert applied(database_url) == f"applied {count} of {count} definitions of sql/"


@pytest.mark.parametrize(
    "statement",
    [
        "DROP VIEW bi.charging_efficiency_daily CASCADE",
        "DROP FUNCTION api.meter_state(text)",
        "CREATE OR REPLACE FUNCTION telemetry.floor_hour(moment timestamptz)"
        " RETURNS timestamptz LANGUAGE sql IMMUTABLE AS 'SELECT moment'",
        "ALTER FUNCTION api.installed_version() SECURITY INVOKER",
        "REVOKE SELECT ON bi.meter_energy_daily FROM wattledger_bi",
        "GRANT EXECUTE ON FUNCTION ops.revoke_key(text) TO PUBLIC",
        "DROP TRIGGER roll_up ON telemetry.meter_reading;"
        "DROP TRIGGER roll_up ON telemetry.vehicle_reading",
    ],
)
def test_what_was_changed_or_dropped_by_hand_is_noticed_and_made_again(
    database_url: str, statement: str
) -> None:
    before = snapshot(database_url)
    with psycopg.connect(database_url, autocommit=True) as connection:
        if edition.of(connection) == "community":
            statement = statement.replace("roll_up", "keep_state")
        connection.execute(statement)
    assert differences(database_url) == [
        "what the definitions of sql/ made was changed or dropped by hand"
    ]
    migrate(database_url, quietly)
    assert snapshot(database_url) == before
    assert differences(database_url) == []


def test_what_a_dba_grants_to_others_is_the_dbas_concern(database_url: str) -> None:
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute("GRANT SELECT ON bi.meter_energy_daily TO pg_monitor")
    assert differences(database_url) == []


@pytest.mark.parametrize(
    ("name", "drop"),
    [
        # views of other files stand on it
        ("ledger/judged_sessions.sql", "DROP VIEW telemetry.judged_session CASCADE;\n"),
        # its comments and rights are in another file
        ("edition/apache/relations.sql", "DROP VIEW bi.vehicle_energy_daily CASCADE;\n"),
    ],
)
def test_what_a_changed_file_drops_of_others_is_made_again(
    database_url: str, own_files: Path, name: str, drop: str
) -> None:
    with psycopg.connect(database_url) as connection:
        if "apache" in name and edition.of(connection) == "community":
            pytest.skip("the Community edition has no such file")
    before = snapshot(database_url)
    change(own_files / "sql" / name, drop)
    migrate(database_url, quietly)
    assert snapshot(database_url) == before
    assert differences(database_url) == []


def test_a_file_may_be_renamed_or_moved(database_url: str, own_files: Path) -> None:
    before = snapshot(database_url)
    sql = own_files / "sql"
    (sql / "ops" / "keys.sql").rename(sql / "ops" / "api_keys.sql")
    order = sql / "load_order"
    order.write_text(order.read_text().replace("ops/keys.sql", "ops/api_keys.sql"))
    assert applied(database_url).startswith("applied 1 of")
    assert snapshot(database_url) == before
    assert differences(database_url) == []


def test_a_file_that_is_gone_is_forgotten(database_url: str, own_files: Path) -> None:
    order = own_files / "sql" / "load_order"
    kept = order.read_text()
    order.write_text(kept.replace("ops/keys.sql\n", ""))
    assert differences(database_url) != []
    migrate(database_url, quietly)
    assert differences(database_url) == []
    order.write_text(kept)
    assert applied(database_url).startswith("applied 1 of")


def test_sets_of_definitions_are_remembered_until_an_earlier_one_is_applied_again(
    database_url: str, own_files: Path
) -> None:
    file = own_files / "sql" / "api" / "fleet.sql"
    versions = [file.read_text() + f"-- {number}\n" for number in range(3)]

    def remembered_after(version: str) -> list[str]:
        file.write_text(version)
        migrate(database_url, quietly)
        with psycopg.connect(database_url) as connection:
            return [
                sha256
                for (sha256,) in connection.execute(
                    "SELECT d.sha256 FROM migration.definition_set AS d ORDER BY d.position"
                )
            ]

    first = remembered_after(versions[0])
    second = remembered_after(versions[1])
    third = remembered_after(versions[2])
    assert (second[:-1], third[:-1]) == (first, second)
    assert remembered_after(versions[2]) == third
    assert remembered_after(versions[0]) == first
