"""Every function of ours is checked by plpgsql_check, or by PostgreSQL where it is plain SQL."""

from __future__ import annotations

import os
from typing import Any

import psycopg
import pytest
from psycopg.rows import namedtuple_row

from service.migrate import edition, files
from tests.support.plpgsql_check import create_plpgsql_check
from tests.support.readings import Connection

_PLPGSQL = """
    SELECT p.oid::regprocedure::text AS function, t.tgrelid::regclass::text AS relation,
        coalesce(t.tgnewtable, '') AS newtable, coalesce(t.tgoldtable, '') AS oldtable,
        p.prorettype = 'trigger'::regtype AS is_trigger
    FROM pg_proc AS p JOIN pg_language AS l ON l.oid = p.prolang
    LEFT JOIN pg_trigger AS t ON t.tgfoid = p.oid AND NOT t.tgisinternal
        AND t.tgrelid::regclass::text ^@ 'telemetry.'
    WHERE p.pronamespace::regnamespace::text IN ('telemetry', 'api', 'bi', 'ops')
        AND l.lanname = 'plpgsql'
    ORDER BY 1, 2
"""
_CHECK = """
    SELECT c.lineno, c.level, c.sqlstate, c.message, c.context
    FROM plpgsql_check.plpgsql_check_function_tb(
        %(function)s::regprocedure, coalesce(%(relation)s::regclass, 0::regclass),
        oldtable => nullif(%(oldtable)s, '')::name, newtable => nullif(%(newtable)s, '')::name,
        fatal_errors => FALSE, other_warnings => TRUE, performance_warnings => TRUE,
        extra_warnings => TRUE, security_warnings => TRUE, compatibility_warnings => TRUE
    ) AS c
"""


@pytest.fixture
def checked(connection: Connection) -> Connection:
    """The test's own database, with plpgsql_check."""
    create_plpgsql_check(connection, embedded="TEST_DATABASE_URL" not in os.environ)
    return connection


def complaints(connection: Connection) -> list[tuple[Any, ...]]:
    """What plpgsql_check says of the functions in PL/pgSQL of our schemas."""
    with connection.cursor(row_factory=namedtuple_row) as cursor:
        functions = cursor.execute(_PLPGSQL).fetchall()
    assert len(functions) > 15
    # a trigger function that is on no table could not be checked
    assert [f.function for f in functions if f.is_trigger and f.relation is None] == []
    return [
        (function.function, *row)
        for function in functions
        for row in connection.execute(_CHECK, function._asdict())
    ]


def test_plpgsql_check_has_nothing_to_say(checked: Connection) -> None:
    assert complaints(checked) == []


def test_it_has_nothing_to_say_of_the_other_editions_functions(checked: Connection) -> None:
    """Those of the Community edition, whose own engine in the tests has no such extension."""
    if edition.of(checked) == "community":
        pytest.skip("all functions of this edition were checked above")
    definitions = [
        path for path in files.definition_files("community") if "community" in path.parts
    ]
    assert definitions
    with checked.transaction(force_rollback=True):
        # so that no policy is asked for, which this edition would refuse
        checked.execute("SET LOCAL session_replication_role = replica")
        checked.execute("DELETE FROM telemetry.dataset")
        checked.execute("RESET session_replication_role")
        checked.execute("DROP FUNCTION telemetry.apply_policies()")
        checked.execute("SET LOCAL ROLE wattledger_owner")
        for path in definitions:
            checked.execute(path.read_bytes())
        # a trigger of the continuous aggregates, which are not here
        checked.execute(
            "CREATE TRIGGER keep_rollup BEFORE UPDATE OR DELETE ON telemetry.meter_energy_hourly"
            " FOR EACH ROW EXECUTE FUNCTION telemetry.keep_rollup('meter_reading')"
        )
        checked.execute("RESET ROLE")
        assert complaints(checked) == []


def test_plpgsql_check_finds_what_is_wrong(checked: Connection) -> None:
    """Else its silence would say nothing."""
    checked.execute(
        "CREATE FUNCTION ops.wrong(a text) RETURNS integer LANGUAGE plpgsql AS $$"
        " DECLARE v_unused integer; BEGIN"
        " EXECUTE 'SELECT ' || a; RETURN (SELECT r.misspelt FROM telemetry.rules AS r); END $$"
    )
    found = [row for row in complaints(checked) if row[0] == "ops.wrong(text)"]
    assert {row[2] for row in found} >= {"error", "security", "warning"}
    assert any("misspelt" in row[4] for row in found)


def test_functions_in_sql_are_valid_whatever_the_callers_path(connection: Connection) -> None:
    """Also those without a path of their own, which the planner is to put into queries."""
    rows = connection.execute(
        "SELECT p.oid, p.oid::regprocedure::text FROM pg_proc AS p"
        " JOIN pg_language AS l ON l.oid = p.prolang"
        " WHERE p.pronamespace::regnamespace::text IN ('telemetry', 'api', 'bi', 'ops')"
        " AND l.lanname = 'sql'"
    ).fetchall()
    assert len(rows) > 15
    connection.execute("SET search_path = pg_catalog, pg_temp; SET check_function_bodies = on")
    invalid = {}
    for number, name in rows:
        try:
            connection.execute("SELECT fmgr_sql_validator(%s)", [number])
        except psycopg.Error as error:
            invalid[name] = str(error)
    assert invalid == {}
