"""What the catalogue must say of our schemas: comments, owners, pinned paths, no rights for all."""

from __future__ import annotations

import re
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


def test_every_schema_type_table_column_and_function_has_a_comment(catalog: Connection) -> None:
    lacking = names(
        catalog,
        """
        SELECT n.nspname FROM pg_namespace AS n
        WHERE n.nspname = ANY(%(schemas)s) AND obj_description(n.oid, 'pg_namespace') IS NULL
        UNION ALL
        SELECT t.oid::regtype::text FROM pg_type AS t
        JOIN pg_namespace AS n ON n.oid = t.typnamespace
        WHERE n.nspname = ANY(%(schemas)s) AND t.typtype IN ('e', 'd')
            AND obj_description(t.oid, 'pg_type') IS NULL
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


def test_every_path_is_pinned_to_postgresql_with_temp_last(catalog: Connection) -> None:
    """Of functions and procedures that run as the owner, and of whatever else sets its path."""
    other_path = names(
        catalog,
        """
        SELECT p.oid::regprocedure::text FROM pg_proc AS p
        JOIN pg_namespace AS n ON n.oid = p.pronamespace
        LEFT JOIN LATERAL unnest(p.proconfig) AS c (setting) ON c.setting LIKE 'search_path=%%'
        WHERE n.nspname = ANY(%(schemas)s) AND (p.prosecdef OR c.setting IS NOT NULL)
            AND c.setting IS DISTINCT FROM 'search_path=pg_catalog, pg_temp'
        """,
    )
    assert other_path == []


def test_every_procedure_sets_its_path_right_after_its_role(catalog: Connection) -> None:
    """Those that commit can pin none, and would run whatever is first in the caller's path."""
    rows = catalog.execute(
        "SELECT p.oid::regprocedure::text, p.prosrc FROM pg_proc AS p"
        " WHERE p.pronamespace::regnamespace::text = ANY(%s) AND p.prokind = 'p'"
        " AND p.proconfig IS NULL AND p.prosrc ~ 'COMMIT|CALL|SET '",
        [SCHEMAS],
    ).fetchall()
    assert rows
    for name, body in rows:
        lines = [line.strip() for line in body.splitlines()]
        roles = [i for i, line in enumerate(lines) if line.endswith("ROLE wattledger_owner;")]
        assert roles, name
        for i in roles:
            assert lines[i + 1] == "SET LOCAL search_path = pg_catalog, pg_temp;", name


def test_no_procedure_does_anything_by_the_callers_path_after_a_commit(catalog: Connection) -> None:
    """A commit ends SET LOCAL: the next operator would be whatever the caller's path has first."""
    harmless = re.compile(
        r"SET LOCAL ROLE wattledger_owner;|RETURN;|CONTINUE;|END( LOOP| IF)?;|LOOP"
        r"|CALL telemetry\.yield_turn\(\);|v_role := pg_catalog\.current_setting\('role'\);"
        r"|FOR i IN 1 \.\. pg_catalog\.cardinality\(\w+\) LOOP"
    )
    rows = catalog.execute(
        "SELECT p.oid::regprocedure::text, p.prosrc FROM pg_proc AS p"
        " WHERE p.pronamespace::regnamespace::text = ANY(%s) AND p.prokind = 'p'",
        [SCHEMAS],
    ).fetchall()
    after = [
        (name, line)
        for name, body in rows
        for line in re.findall(r"\bCOMMIT;\n(?:\s*--[^\n]*\n)*\s*([^\n]*)", body)
    ]
    assert after
    assert [(name, line) for name, line in after if not harmless.fullmatch(line)] == []


def test_no_function_puts_a_statement_together_from_text(catalog: Connection) -> None:
    """But for names that TimescaleDB makes and format() quotes: of a chunk to be locked, and of
    the hypertables in which rollups of history are stored."""
    dynamic = names(
        catalog,
        r"""
        SELECT p.oid::regprocedure::text FROM pg_proc AS p
        JOIN pg_namespace AS n ON n.oid = p.pronamespace
        WHERE n.nspname = ANY(%(schemas)s) AND p.prosrc ~* '\m(EXECUTE|query_to_xml)\M'
            AND p.proname NOT IN ('lock_chunk', 'keep_history_rollup', 'keep_history_rollups')
        """,
    )
    assert dynamic == []


def test_every_view_reads_with_the_rights_of_the_owner(catalog: Connection) -> None:
    """Else its readers would need rights on tables. None hides rows from some of its readers, so
    none needs security_barrier."""
    views = names(
        catalog,
        """
        SELECT c.oid::regclass::text FROM pg_class AS c
        JOIN pg_namespace AS n ON n.oid = c.relnamespace
        WHERE n.nspname IN ('telemetry', 'bi', 'ops') AND c.relkind = 'v'
            AND (c.relowner <> 'wattledger_owner'::regrole OR c.reloptions IS NOT NULL)
        """,
    )
    assert views == []


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
        WITH ours AS (SELECT n.* FROM pg_namespace AS n WHERE n.nspname = ANY(%(schemas)s)),
        relation AS (  -- those of our schemas, and chunks, which are in one that is open to all
            SELECT c.* FROM pg_class AS c LEFT JOIN ours AS n ON n.oid = c.relnamespace
            WHERE n.oid IS NOT NULL OR c.relowner = 'wattledger_owner'::regrole
        ),
        granted (object, acl) AS (
            SELECT 'schema ' || n.nspname, coalesce(n.nspacl, acldefault('n', n.nspowner))
            FROM ours AS n
            UNION ALL
            SELECT 'relation ' || c.oid::regclass, coalesce(
                c.relacl,
                acldefault(CASE c.relkind WHEN 'S' THEN 's' ELSE 'r' END::"char", c.relowner)
            )
            FROM relation AS c
            UNION ALL
            SELECT 'column ' || c.oid::regclass || '.' || a.attname, a.attacl
            FROM relation AS c JOIN pg_attribute AS a ON a.attrelid = c.oid
            UNION ALL
            SELECT 'function ' || p.oid::regprocedure,
                coalesce(p.proacl, acldefault('f', p.proowner))
            FROM pg_proc AS p LEFT JOIN ours AS n ON n.oid = p.pronamespace
            WHERE n.oid IS NOT NULL OR p.proowner = 'wattledger_owner'::regrole
            UNION ALL
            SELECT 'type ' || t.oid::regtype, coalesce(t.typacl, acldefault('T', t.typowner))
            FROM pg_type AS t JOIN ours AS n ON n.oid = t.typnamespace
            WHERE t.typcategory <> 'A'  -- an array goes with its element
            UNION ALL
            SELECT 'language ' || l.lanname, coalesce(l.lanacl, acldefault('l', l.lanowner))
            FROM pg_language AS l WHERE NOT l.lanpltrusted
            UNION ALL
            SELECT 'default for ' || d.defaclobjtype::text, d.defaclacl FROM pg_default_acl AS d
        )
        SELECT g.object FROM granted AS g, aclexplode(g.acl) AS a
        -- PostgreSQL's own, in C, which a superuser alone may use to make a function
        WHERE a.grantee = 0 AND g.object NOT IN ('language c', 'language internal')
        """,
    )
    assert open_to_all == []


def test_public_creates_nothing_in_any_schema_and_drops_no_chunk(catalog: Connection) -> None:
    assert (
        names(
            catalog,
            "SELECT n.nspname FROM pg_namespace AS n WHERE n.nspname !~ '^pg_(temp|toast_temp)_'"
            " AND has_schema_privilege('public', n.oid, 'CREATE')",
        )
        == []
    )
    unguarded = (
        "SELECT p.oid::regprocedure::text FROM pg_proc AS p"
        " WHERE p.pronamespace::regnamespace::text IN"
        " ('_timescaledb_functions', '_timescaledb_internal')"
        " AND p.proname IN ('drop_chunk', 'freeze_chunk', 'create_compressed_chunk')"
    )
    assert names(catalog, unguarded) != []
    for role in ("public", "wattledger_service", "wattledger_bi", "wattledger_dba"):
        may = f" AND has_function_privilege('{role}', p.oid, 'EXECUTE')"
        assert names(catalog, unguarded + may) == [], role


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
            " AND a.atttypid <> 'bigint'::regtype"
            " AND c.relname NOT IN ('limits', 'accepted', 'quarantine')",
        )
        == []
    )


def test_readings_have_one_index_the_key(catalog: Connection) -> None:
    rows = catalog.execute(
        "SELECT i.indrelid::regclass::text, pg_get_indexdef(i.indexrelid) FROM pg_index AS i"
        " JOIN pg_class AS c ON c.oid = i.indrelid"
        " WHERE c.relnamespace = 'telemetry'::regnamespace"
        " AND c.relname IN ('meter_reading', 'vehicle_reading')"
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
