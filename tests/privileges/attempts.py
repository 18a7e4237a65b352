"""Try statements that must be refused, and tell which were not."""

from __future__ import annotations

from collections.abc import Iterable

import psycopg
from psycopg import sql

from tests.support.readings import Connection

# whatever a migration or an extension makes later is found too
RELATIONS = """
    SELECT c.oid, n.nspname, c.relname, c.relkind::text,
        (SELECT a.attname FROM pg_attribute AS a
            WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped LIMIT 1) AS field
    FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
    WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f', 'S')
        AND (n.nspname = ANY(%(schemas)s) OR c.relowner = 'wattledger_owner'::regrole)
    ORDER BY n.nspname, c.relname
"""
FUNCTIONS = """
    SELECT p.oid::regprocedure::text, n.nspname, p.proname, p.prokind::text, p.provolatile::text,
        ARRAY(SELECT format_type(t.type, NULL) FROM unnest(p.proargtypes) WITH ORDINALITY
            AS t (type, place) ORDER BY t.place) AS argument_types
    FROM pg_proc AS p JOIN pg_namespace AS n ON n.oid = p.pronamespace
    WHERE n.nspname = ANY(%(schemas)s) OR p.proowner = 'wattledger_owner'::regrole
    ORDER BY 1
"""
SCHEMAS = ["telemetry", "api", "bi", "ops", "migration"]

# what is refused for what it is, not for who asks
_IMPOSSIBLE = (
    psycopg.errors.FeatureNotSupported,
    psycopg.errors.GeneratedAlways,
    psycopg.errors.ObjectNotInPrerequisiteState,
    psycopg.errors.WrongObjectType,
)


def succeeds(session: Connection, statement: sql.Composable | str) -> bool:
    """Whether it does anything but fail for want of a right; undone in any case.

    A statement that fails for another reason counts as a success, since the right was there.
    """
    query = sql.SQL(statement) if isinstance(statement, str) else statement
    try:
        try:
            with session.transaction(force_rollback=True):
                session.execute(query)
        except psycopg.errors.ActiveSqlTransaction:
            session.execute(query)
    except (psycopg.errors.InsufficientPrivilege, *_IMPOSSIBLE):
        return False
    except psycopg.Error:
        return True
    return True


def permitted(session: Connection, statements: Iterable[sql.Composable | str]) -> list[str]:
    """Those of the statements that are not refused for want of a right."""
    return [
        statement if isinstance(statement, str) else statement.as_string(session)
        for statement in statements
        if succeeds(session, statement)
    ]


def uses(nspname: str, relname: str, relkind: str, field: str) -> dict[str, sql.Composable]:
    """A statement for each thing that can be done to a relation's rows or to itself."""
    it = sql.Identifier(nspname, relname)
    names = {"it": it, "name": sql.Literal(it.as_string()), "field": sql.Identifier(field)}
    wanted = {"read": "SELECT FROM {it}"}
    if relkind == "S":
        wanted = {
            "read": "SELECT FROM {it}",
            "next": "SELECT nextval({name}::regclass)",
            "set": "SELECT setval({name}::regclass, 1)",
        }
        return {use: sql.SQL(text).format(**names) for use, text in wanted.items()}
    wanted |= {
        "insert": "INSERT INTO {it} DEFAULT VALUES",
        "update": "UPDATE {it} SET {field} = DEFAULT",
        "delete": "DELETE FROM {it}",
        "lock": "LOCK TABLE {it} IN ACCESS SHARE MODE",
        "lock out": "LOCK TABLE {it} IN ACCESS EXCLUSIVE MODE",
        "rename": "ALTER TABLE {it} RENAME {field} TO taken",
        "drop": f"DROP {'VIEW' if relkind == 'v' else 'TABLE'} {{it}}",
        "comment": f"COMMENT ON {'VIEW' if relkind == 'v' else 'TABLE'} {{it}} IS 'taken'",
        "rule": "CREATE RULE taken AS ON INSERT TO {it} DO INSTEAD NOTHING",
    }
    if relkind in "rp":
        wanted |= {
            "truncate": "TRUNCATE {it}",
            "trigger": "CREATE TRIGGER taken BEFORE INSERT ON {it} FOR EACH STATEMENT"
            " EXECUTE FUNCTION pg_catalog.suppress_redundant_updates_trigger()",
            "refer": "CREATE TABLE public.taken (LIKE {it})",
            "disable": "ALTER TABLE {it} DISABLE TRIGGER ALL",
            "own": "ALTER TABLE {it} OWNER TO CURRENT_USER",
        }
    return {use: sql.SQL(text).format(**names) for use, text in wanted.items()}


def call(nspname: str, proname: str, prokind: str, argument_types: list[str]) -> sql.Composed:
    """A call of a function or procedure with nulls alone."""
    nulls = sql.SQL(", ").join(
        sql.SQL("NULL::{}").format(sql.SQL(argument_type)) for argument_type in argument_types
    )
    return sql.SQL("{verb} {it}({nulls})").format(
        verb=sql.SQL("CALL" if prokind == "p" else "SELECT"),
        it=sql.Identifier(nspname, proname),
        nulls=nulls,
    )
