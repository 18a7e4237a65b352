"""Each role uses what it is for, and no other relation or function, whoever made it."""

from __future__ import annotations

from psycopg.rows import namedtuple_row

from tests.privileges.attempts import FUNCTIONS, RELATIONS, SCHEMAS, call, succeeds, uses
from tests.privileges.conftest import STRANGER, Login
from tests.support.readings import Connection

READS = {"wattledger_bi": ["bi"], "wattledger_dba": ["bi", "ops"]}
STORED = ("_materialized_hypertable_", "_partial_view_", "_direct_view_")
CALLS = {"wattledger_service": ["api"], **READS}


def test_a_role_reads_its_own_views_and_does_nothing_else_with_any_relation(
    superuser: Connection, session: Connection, role: str
) -> None:
    with superuser.cursor(row_factory=namedtuple_row) as cursor:
        relations = cursor.execute(RELATIONS, {"schemas": SCHEMAS}).fetchall()
    # chunks among them, which lie in a schema that is open to all
    assert [r for r in relations if r.nspname == "_timescaledb_internal"]
    assert {r.nspname for r in relations} >= {"telemetry", "bi", "ops", "migration"}
    expected, found = set(), set()
    for relation in relations:
        name = f"{relation.nspname}.{relation.relname}"
        if relation.nspname in READS.get(role, []):
            expected |= {(name, "read"), (name, "lock")}
        # what a continuous aggregate of bi shows is stored there, and may be read as itself; how it
        # is computed is seen in views beside it, to which TimescaleDB passes the right on
        if role in READS and relation.relname.startswith(STORED):
            continue
        for use, statement in uses(*relation[1:]).items():
            if succeeds(session, statement):
                found.add((name, use))
    assert found == expected


def test_no_right_is_given_on_a_single_column(superuser: Connection) -> None:
    rows = superuser.execute(
        "SELECT a.attrelid::regclass::text, a.attname FROM pg_attribute AS a"
        " JOIN pg_class AS c ON c.oid = a.attrelid"
        " WHERE c.relowner = 'wattledger_owner'::regrole AND a.attacl IS NOT NULL"
    ).fetchall()
    assert rows == []


def test_a_role_calls_the_functions_of_its_own_schema_and_no_other(
    superuser: Connection, session: Connection, role: str
) -> None:
    with superuser.cursor(row_factory=namedtuple_row) as cursor:
        functions = cursor.execute(FUNCTIONS, {"schemas": SCHEMAS}).fetchall()
    assert {f.nspname for f in functions} >= {"telemetry", "api", "bi", "ops"}
    found, expected = set(), set()
    for function in functions:
        if function.nspname in CALLS.get(role, []):
            expected.add(function.oid)
        statement = call(
            function.nspname, function.proname, function.prokind, function.argument_types
        )
        if succeeds(session, statement):
            found.add(function.oid)
    extra = found - expected
    assert expected - found == set()
    if role == "wattledger_dba":
        # what the views of ops call with the rights of whoever asks: it reads, and changes nothing
        harmless = {f.oid for f in functions if f.nspname == "telemetry" and f.provolatile != "v"}
        assert extra <= harmless
    else:
        assert extra == set()


def test_statistics_tell_no_role_a_value_of_a_table_that_it_cannot_read(
    superuser: Connection, session: Connection, role: str
) -> None:
    superuser.execute("ANALYZE telemetry.meter_reading, telemetry.limits")
    readable = superuser.execute(
        "SELECT count(*) FROM pg_stats AS s WHERE s.schemaname = 'telemetry'"
    ).fetchone()
    assert readable != (0,)
    seen = session.execute(
        "SELECT count(*) FROM pg_stats AS s"
        " WHERE s.schemaname IN ('telemetry', '_timescaledb_internal')"
    ).fetchone()
    assert seen == (0,)


def test_a_stranger_cannot_even_name_what_is_ours(login: Login) -> None:
    session = login(STRANGER)
    for schema in SCHEMAS:
        row = session.execute("SELECT has_schema_privilege(%s, 'USAGE')", [schema]).fetchone()
        assert row == (False,), schema
