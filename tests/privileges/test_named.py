"""Whoever is told the name of a relation can read it: in hints, comments and guides."""

from __future__ import annotations

import re

import pytest
from psycopg import sql

from tests.privileges.attempts import succeeds
from tests.privileges.conftest import Login
from tests.support.documents import DOCS
from tests.support.readings import Connection

GUIDES = {
    "wattledger_bi": ["bi.md"],
    "wattledger_dba": [
        "dba.md",
        "keys.md",
        "ledger.md",
        "operations.md",
        "runbooks.md",
        "scale.md",
    ],
}
COMMENTED = {"wattledger_bi": "bi", "wattledger_dba": "ops"}
NAME = re.compile(r"\b(bi|ops|telemetry)\.([a-z_]+\b)(?!\()(?<!\.md)")
HINT = re.compile(r"HINT = (.*?)(?:;\n|, \w+ = )", re.DOTALL)
COMMENTS = """
    SELECT d.description FROM pg_description AS d WHERE d.classoid = 'pg_class'::regclass
        AND d.objoid IN (SELECT c.oid FROM pg_class AS c WHERE c.relnamespace = %(s)s::regnamespace)
    UNION ALL
    SELECT d.description FROM pg_description AS d WHERE d.classoid = 'pg_proc'::regclass
        AND d.objoid IN (SELECT p.oid FROM pg_proc AS p WHERE p.pronamespace = %(s)s::regnamespace)
"""
SOURCES = "SELECT p.prosrc FROM pg_proc AS p WHERE p.proowner = 'wattledger_owner'::regrole"


def told(superuser: Connection, role: str) -> str:
    """All that is told to the role: guides, comments on what is its own, and a DBA's hints."""
    texts = [(DOCS / guide).read_text(encoding="utf-8") for guide in GUIDES[role]]
    texts += [text for (text,) in superuser.execute(COMMENTS, {"s": COMMENTED[role]})]
    if role == "wattledger_dba":
        texts += [hint for (source,) in superuser.execute(SOURCES) for hint in HINT.findall(source)]
    return "\n".join(texts)


@pytest.mark.parametrize("role", GUIDES)
def test_a_role_reads_every_relation_that_it_is_told_of(
    superuser: Connection, login: Login, role: str
) -> None:
    relations = superuser.execute(
        "SELECT c.relnamespace::regnamespace::text, c.relname"
        " FROM pg_class AS c WHERE c.relkind IN ('r', 'v', 'm')"
    )
    named = set(NAME.findall(told(superuser, role))) & set(relations)
    assert len(named) >= 10
    session = login(role)
    denied = []
    for schema, name in sorted(named):
        session.execute("RESET ROLE")
        if (role, schema) == ("wattledger_dba", "telemetry"):
            # rules and tables without a view: a DBA becomes their owner
            session.execute("SET ROLE wattledger_owner")
        relation = sql.Identifier(schema, name)
        if not succeeds(session, sql.SQL("SELECT * FROM {} LIMIT 1").format(relation)):
            denied.append(f"{schema}.{name}")
    assert denied == []
