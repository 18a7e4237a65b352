"""What the catalogue must say of our schemas: comments, owners, pinned paths, no rights for all."""

from __future__ import annotations

from collections.abc import Iterator

import psycopg
import pytest

from tests.support.readings import Connection

SCHEMAS = ["telemetry", "api", "bi", "ops", "migration"]
YOYO = ["_yoyo_log", "_yoyo_migration", "_yoyo_version", "yoyo_lock"]


@pytest.fixture
def catalog(where: str, request: pytest.FixtureRequest) -> Iterator[Connection]:
    """For reading alone, so that nothing is made anew for a test."""
    if where == "webassembly":
        url = request.getfixturevalue("engine").url
    else:
        url = request.getfixturevalue("shared_database_url")
    with psycopg.connect(url, autocommit=True) as connection:
        yield connection


def names(catalog: Connection, query: str) -> list[str]:
    return [row[0] for row in catalog.execute(query, {"schemas": SCHEMAS, "yoyo": YOYO})]


def test_every_schema_table_column_and_function_has_a_comment(catalog: Connection) -> None:
    lacking = names(
        catalog,
        """
        SELECT n.nspname FROM pg_namespace AS n
        WHERE n.nspname = ANY(%(schemas)s) AND obj_description(n.oid, 'pg_namespace') IS NULL
        UNION ALL
        SELECT c.oid::regclass::text FROM pg_class AS c
        JOIN pg_namespace AS n ON n.oid = c.relnamespace
        WHERE n.nspname = ANY(%(schemas)s) AND c.relkind IN ('r', 'v', 'm', 'p')
            AND c.relname <> ALL(%(yoyo)s) AND obj_description(c.oid, 'pg_class') IS NULL
        UNION ALL
        SELECT c.oid::regclass || '.' || a.attname FROM pg_class AS c
        JOIN pg_namespace AS n ON n.oid = c.relnamespace
        JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
        WHERE n.nspname = ANY(%(schemas)s) AND c.relkind IN ('r', 'v', 'm', 'p')
            AND c.relname <> ALL(%(yoyo)s) AND col_description(c.oid, a.attnum) IS NULL
        UNION ALL
        SELECT p.oid::regprocedure::text FROM pg_proc AS p
        JOIN pg_namespace AS n ON n.oid = p.pronamespace
        WHERE n.nspname = ANY(%(schemas)s) AND obj_description(p.oid, 'pg_proc') IS NULL
        """,
    )
    assert lacking == []


def test_every_security_definer_function_pins_its_search_path_with_temp_last(
    catalog: Connection,
) -> None:
    unpinned = names(
        catalog,
        """
        SELECT p.oid::regprocedure::text FROM pg_proc AS p
        JOIN pg_namespace AS n ON n.oid = p.pronamespace
        WHERE n.nspname = ANY(%(schemas)s) AND p.prosecdef
            AND NOT coalesce(p.proconfig, '{}') @> ARRAY['search_path=pg_catalog, pg_temp']
        """,
    )
    assert unpinned == []


def test_every_api_function_runs_with_the_rights_of_the_owner(catalog: Connection) -> None:
    assert (
        names(
            catalog,
            "SELECT p.oid::regprocedure::text FROM pg_proc AS p"
            " WHERE p.pronamespace = 'api'::regnamespace"
            " AND NOT (p.prosecdef AND p.proowner = 'wattledger_owner'::regrole)",
        )
        == []
    )


def test_public_has_no_right_on_anything_of_ours(catalog: Connection) -> None:
    open_to_all = names(
        catalog,
        """
        SELECT 'schema ' || n.nspname FROM pg_namespace AS n, aclexplode(n.nspacl) AS a
        WHERE n.nspname = ANY(%(schemas)s) AND a.grantee = 0
        UNION ALL
        SELECT 'relation ' || c.oid::regclass FROM pg_class AS c
        JOIN pg_namespace AS n ON n.oid = c.relnamespace, aclexplode(c.relacl) AS a
        WHERE n.nspname = ANY(%(schemas)s) AND a.grantee = 0
        UNION ALL
        SELECT 'function ' || p.oid::regprocedure FROM pg_proc AS p
        JOIN pg_namespace AS n ON n.oid = p.pronamespace,
            aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) AS a
        WHERE n.nspname = ANY(%(schemas)s) AND a.grantee = 0
        """,
    )
    assert open_to_all == []


def test_the_service_may_execute_api_and_has_no_right_on_any_relation(catalog: Connection) -> None:
    assert (
        names(
            catalog,
            "SELECT p.oid::regprocedure::text FROM pg_proc AS p"
            " WHERE p.pronamespace = 'api'::regnamespace"
            " AND NOT has_function_privilege('wattledger_service', p.oid, 'EXECUTE')",
        )
        == []
    )
    assert (
        names(
            catalog,
            """
        SELECT c.oid::regclass::text FROM pg_class AS c
        JOIN pg_namespace AS n ON n.oid = c.relnamespace
        WHERE n.nspname = ANY(%(schemas)s) AND c.relkind IN ('r', 'v', 'm', 'p')
            AND has_table_privilege('wattledger_service', c.oid, 'SELECT, INSERT, UPDATE, DELETE')
        """,
        )
        == []
    )


def test_energy_is_never_stored_as_a_float(catalog: Connection) -> None:
    assert (
        names(
            catalog,
            "SELECT a.attrelid::regclass || '.' || a.attname FROM pg_attribute AS a"
            " JOIN pg_class AS c ON c.oid = a.attrelid"
            " WHERE c.relnamespace = 'telemetry'::regnamespace AND a.attname LIKE 'energy%%'"
            " AND a.atttypid <> 'bigint'::regtype AND c.relname NOT IN ('limits', 'quarantine')",
        )
        == []
    )


def test_readings_have_one_index_the_key(catalog: Connection) -> None:
    rows = catalog.execute(
        "SELECT i.indrelid::regclass::text, pg_get_indexdef(i.indexrelid) FROM pg_index AS i"
        " JOIN pg_class AS c ON c.oid = i.indrelid"
        " WHERE c.relnamespace = 'telemetry'::regnamespace AND c.relname LIKE '%\\_reading'"
        " ORDER BY 1"
    ).fetchall()
    assert [(table, definition.partition("USING ")[2]) for table, definition in rows] == [
        ("telemetry.meter_reading", "btree (meter_id, ts, entry)"),
        ("telemetry.vehicle_reading", "btree (vehicle_id, ts, entry)"),
    ]


def test_no_view_depends_on_a_relation_of_the_extension(catalog: Connection) -> None:
    """Its updates make some of them anew, and would stop at whatever depends on one."""
    dependent = names(
        catalog,
        """
        SELECT r.ev_class::regclass || ' on ' || d.refobjid::regclass
        FROM pg_rewrite AS r
        JOIN pg_class AS c ON c.oid = r.ev_class
        JOIN pg_namespace AS n ON n.oid = c.relnamespace
        JOIN pg_depend AS d ON d.classid = 'pg_rewrite'::regclass AND d.objid = r.oid
            AND d.refclassid = 'pg_class'::regclass
        JOIN pg_depend AS e ON e.classid = 'pg_class'::regclass AND e.objid = d.refobjid
            AND e.deptype = 'e'
        WHERE n.nspname = ANY(%(schemas)s)
        """,
    )
    assert dependent == []
