"""Nobody makes a function that runs as the owner run theirs: not by path, name, overload or cast.

The attacker is given what no role has: a schema of their own, first in the path, and temporary
objects. Whatever of theirs is called says as whom it runs, in a notice, which no rollback undoes.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from datetime import timedelta
from decimal import Decimal

import psycopg
import pytest
from psycopg import sql
from psycopg.rows import namedtuple_row

from tests.privileges.attempts import FUNCTIONS, RELATIONS, SCHEMAS, call
from tests.support.readings import (
    NOW,
    Connection,
    MeterReading,
    VehicleReading,
    ingest_meters,
    ingest_vehicles,
    link,
    performance,
)
from tests.support.server import PASSWORDS

ROLES = list(PASSWORDS)

# replacements of what our functions call, at signatures that fit better than PostgreSQL's own
TRAPS = """
CREATE FUNCTION {me}.note() RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
    RAISE NOTICE 'trap: %', current_user;
    RETURN TRUE;
END $$;
CREATE FUNCTION {me}.now() RETURNS timestamptz LANGUAGE plpgsql AS $$
BEGIN PERFORM {me}.note(); RETURN pg_catalog.now(); END $$;
CREATE FUNCTION {me}.length(text) RETURNS integer LANGUAGE plpgsql AS $$
BEGIN PERFORM {me}.note(); RETURN 1; END $$;
CREATE FUNCTION {me}.round(numeric, integer) RETURNS numeric LANGUAGE plpgsql AS $$
BEGIN PERFORM {me}.note(); RETURN 1; END $$;
CREATE FUNCTION {me}.format(text, text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN PERFORM {me}.note(); RETURN 'taken'; END $$;
CREATE FUNCTION {me}.split_part(text, text, integer) RETURNS text LANGUAGE plpgsql AS $$
BEGIN PERFORM {me}.note(); RETURN 'taken'; END $$;
CREATE FUNCTION {me}.time_bucket(interval, timestamptz) RETURNS timestamptz LANGUAGE plpgsql AS $$
BEGIN PERFORM {me}.note(); RETURN $2; END $$;
CREATE FUNCTION {me}.set_config(text, text, boolean) RETURNS text LANGUAGE plpgsql AS $$
BEGIN PERFORM {me}.note(); RETURN $2; END $$;
CREATE FUNCTION {me}.equal(text, text) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN PERFORM {me}.note(); RETURN TRUE; END $$;
CREATE OPERATOR {me}.= (FUNCTION = {me}.equal, LEFTARG = text, RIGHTARG = text);
CREATE OPERATOR {me}.~~ (FUNCTION = {me}.equal, LEFTARG = text, RIGHTARG = text);
CREATE FUNCTION {me}.less(timestamptz, timestamptz) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN PERFORM {me}.note(); RETURN TRUE; END $$;
CREATE OPERATOR {me}.< (FUNCTION = {me}.less, LEFTARG = timestamptz, RIGHTARG = timestamptz);
CREATE OPERATOR {me}.> (FUNCTION = {me}.less, LEFTARG = timestamptz, RIGHTARG = timestamptz);
CREATE FUNCTION {me}.minus(timestamptz, interval) RETURNS timestamptz LANGUAGE plpgsql AS $$
BEGIN PERFORM {me}.note(); RETURN $1; END $$;
CREATE OPERATOR {me}.- (FUNCTION = {me}.minus, LEFTARG = timestamptz, RIGHTARG = interval);
CREATE OPERATOR {me}.+ (FUNCTION = {me}.minus, LEFTARG = timestamptz, RIGHTARG = interval);
CREATE FUNCTION {me}.times(double precision, integer) RETURNS double precision LANGUAGE plpgsql
AS $$ BEGIN PERFORM {me}.note(); RETURN 0; END $$;
CREATE OPERATOR {me}.* (FUNCTION = {me}.times, LEFTARG = double precision, RIGHTARG = integer);
CREATE TYPE {me}.word AS (inside text);
CREATE FUNCTION {me}.text(a {me}.word) RETURNS text LANGUAGE plpgsql AS $$
BEGIN PERFORM {me}.note(); RETURN ($1).inside; END $$;
CREATE CAST ({me}.word AS text) WITH FUNCTION {me}.text({me}.word) AS IMPLICIT;
"""


@pytest.fixture(params=ROLES)
def role(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture
def functions(superuser: Connection, role: str) -> list[sql.Composed]:
    """A call of each function of ours that the role may execute."""
    with superuser.cursor(row_factory=namedtuple_row) as cursor:
        found = cursor.execute(FUNCTIONS, {"schemas": SCHEMAS}).fetchall()
    may = "SELECT has_function_privilege(%s, %s::regprocedure, 'EXECUTE')"
    return [
        call(f.nspname, f.proname, f.prokind, f.argument_types)
        for f in found
        if superuser.execute(may, [role, f.oid]).fetchone() == (True,)
    ]


@pytest.fixture
def attacker(superuser: Connection, role: str) -> Iterator[Connection]:
    """In a transaction that is undone: that role, with traps laid and its path set to them."""
    names = {"me": sql.Identifier("traps"), "role": sql.Identifier(role)}
    row = superuser.execute("SELECT current_database()").fetchone()
    assert row is not None
    names["database"] = sql.Identifier(row[0])
    with superuser.transaction(force_rollback=True):
        for statement in (
            "CREATE SCHEMA {me}",
            "GRANT USAGE ON SCHEMA {me} TO PUBLIC",
            "GRANT CREATE ON SCHEMA {me} TO {role}",
            "GRANT TEMPORARY ON DATABASE {database} TO {role}",
        ):
            superuser.execute(sql.SQL(statement).format(**names))
        with superuser.cursor(row_factory=namedtuple_row) as cursor:
            relations = cursor.execute(RELATIONS, {"schemas": SCHEMAS}).fetchall()
        superuser.execute(sql.SQL("SET LOCAL SESSION AUTHORIZATION {role}").format(**names))
        superuser.execute(sql.SQL(TRAPS).format(**names))
        # tables and types of our tables' names, and of PostgreSQL's, which pg_temp comes before
        for name in {r.relname for r in relations} | {"pg_class", "pg_type", "pg_namespace"}:
            superuser.execute(
                sql.SQL("CREATE TEMPORARY TABLE {} (taken text)").format(sql.Identifier(name))
            )
        superuser.execute("CREATE DOMAIN pg_temp.regclass AS text CHECK (traps.note())")
        superuser.execute("CREATE DOMAIN pg_temp.numeric AS text CHECK (traps.note())")
        superuser.execute("SET LOCAL search_path = pg_temp, traps, pg_catalog, public")
        yield superuser


@pytest.fixture
def seen(superuser: Connection) -> set[str]:
    """As whom the attacker's code ran."""
    ran: set[str] = set()

    def listen(notice: psycopg.errors.Diagnostic) -> None:
        first, _, role = (notice.message_primary or "").partition(": ")
        if first == "trap":
            ran.add(role)

    superuser.add_notice_handler(listen)
    return ran


def test_the_traps_work(attacker: Connection, seen: set[str], role: str) -> None:
    """Else nothing below would prove anything."""
    for caught in (
        "SELECT now()",
        "SELECT 'a'::text = 'b'::text",
        "SELECT pg_catalog.now() < pg_catalog.now()",
        "SELECT 'a'::regclass",
        "SELECT length(ROW('a')::word)",
    ):
        seen.clear()
        attacker.execute(caught)
        assert seen == {role}, caught
    assert attacker.execute("SELECT * FROM meter_state").fetchall() == []


def test_no_function_runs_anything_of_the_callers_as_somebody_else(
    functions: list[sql.Composed], attacker: Connection, seen: set[str], role: str
) -> None:
    assert functions
    for statement in functions:
        # a null is no name and no time, so that some refuse it
        with suppress(psycopg.Error), attacker.transaction():
            attacker.execute(statement)
    assert seen <= {role}


@pytest.mark.parametrize("role", ["wattledger_dba"])
def test_no_procedure_runs_anything_of_the_callers_as_the_owner(
    attacker: Connection, seen: set[str]
) -> None:
    for procedure in ("ops.refresh({}, {})", "ops.maintain()"):
        # until it commits, which it cannot inside the attacker's transaction
        with suppress(psycopg.errors.InvalidTransactionTermination), attacker.transaction():
            attacker.execute(sql.SQL("CALL " + procedure).format(NOW - timedelta(days=2), NOW))
    assert seen <= {"wattledger_dba"}


@pytest.mark.parametrize("role", ["wattledger_service"])
def test_the_service_cannot_bend_what_the_ledger_stores_or_answers(
    attacker: Connection, seen: set[str]
) -> None:
    meters = [
        MeterReading("M-new", NOW.replace(second=5), 0.5, 231.0),
        MeterReading("M-new", NOW.replace(second=5), 0.7, 231.0),
        MeterReading("M-new", NOW.replace(year=2001), 0.5, 231.0),
        MeterReading("M-new", NOW.replace(second=6), 1e9, 231.0),
    ]
    with attacker.transaction():
        outcomes = [(r.index, r.outcome) for r in ingest_meters(attacker, meters)]
    assert outcomes == [(1, "conflict"), (2, "too_old"), (3, "out_of_range")]
    assert ingest_vehicles(attacker, [VehicleReading("V-new", NOW.replace(second=5), 0.4)]) == []
    assert link(attacker, "V-new", "M-new") is True
    assert performance(attacker, "V-new")["dc_kwh"] == Decimal("0.4")
    assert attacker.execute("SELECT meter_id FROM api.meter_state('M-1')").fetchall() == [("M-1",)]
    assert seen <= {"wattledger_service"}


@pytest.mark.parametrize("role", ["wattledger_service"])
def test_a_cast_of_the_callers_runs_as_the_caller(attacker: Connection, seen: set[str]) -> None:
    row = attacker.execute(
        "SELECT s.meter_id FROM api.meter_state(ROW('M-1')::traps.word) AS s"
    ).fetchone()
    assert row == ("M-1",)
    assert seen == {"wattledger_service"}


@pytest.mark.parametrize("role", ["wattledger_bi", "wattledger_dba"])
def test_no_view_runs_anything_of_the_callers_as_somebody_else(
    attacker: Connection, seen: set[str], role: str
) -> None:
    for schema in ["bi"] if role == "wattledger_bi" else ["bi", "ops"]:
        views = attacker.execute(
            "SELECT c.relname FROM pg_catalog.pg_class AS c"
            " WHERE c.relnamespace OPERATOR(pg_catalog.=) %s::pg_catalog.regnamespace"
            " AND c.relkind::text OPERATOR(pg_catalog.=) 'v'",
            [schema],
        ).fetchall()
        assert views
        for (name,) in views:
            attacker.execute(sql.SQL("SELECT * FROM {}").format(sql.Identifier(schema, name)))
    assert seen <= {role}
