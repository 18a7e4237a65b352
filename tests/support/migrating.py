"""What tests of migrating share: a database's objects, and sessions that are in the way."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
from psycopg import conninfo

from tests.support.server import as_role


def quietly(_: str) -> None:
    """Ignore what migrating reports."""


def snapshot(url: str) -> list[tuple]:
    """Relations, columns, functions, constraints, triggers and rights of our schemas."""
    with psycopg.connect(url) as connection:
        return connection.execute(
            """
            SELECT 'column', c.oid::regclass::text, a.attname || ' '
                || format_type(a.atttypid, a.atttypmod) || ' ' || a.attnotnull, c.relacl::text
            FROM pg_class AS c JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attnum > 0
            WHERE c.relnamespace::regnamespace::text IN ('telemetry', 'api', 'bi', 'ops')
            UNION ALL
            SELECT 'function', p.oid::regprocedure::text, md5(pg_get_functiondef(p.oid)),
                p.proacl::text
            FROM pg_proc AS p
            WHERE p.pronamespace::regnamespace::text IN ('telemetry', 'api', 'bi', 'ops')
            UNION ALL
            SELECT 'constraint', c.conrelid::regclass::text, c.conname, pg_get_constraintdef(c.oid)
            FROM pg_constraint AS c
            WHERE c.connamespace::regnamespace::text IN ('telemetry', 'api', 'bi', 'ops')
            UNION ALL
            SELECT 'comment', c.oid::regclass::text, d.objsubid::text, d.description
            FROM pg_description AS d JOIN pg_class AS c ON c.oid = d.objoid
            WHERE c.relnamespace::regnamespace::text IN ('telemetry', 'api', 'bi', 'ops')
            ORDER BY 1, 2, 3
            """
        ).fetchall()


@contextmanager
def analyst(url: str, *relations: str) -> Iterator[psycopg.Connection]:
    """A BI tool in a transaction that has read some relations, until it is rolled back."""
    named = conninfo.make_conninfo(as_role(url, "wattledger_bi"), application_name="Grafana")
    with psycopg.connect(named) as connection:
        for relation in relations:
            connection.execute(f"SELECT FROM {relation} LIMIT 1")
        yield connection


def wait_for_a_waiting_lock(url: str) -> None:
    """Come back when a session of the database waits for a lock of a relation."""
    deadline = time.monotonic() + 60
    with psycopg.connect(url, autocommit=True) as connection:
        while not connection.execute(
            "SELECT FROM pg_locks AS l JOIN pg_database AS d ON d.oid = l.database"
            " WHERE d.datname = current_database() AND l.locktype = 'relation' AND NOT l.granted"
        ).rowcount:
            assert time.monotonic() < deadline, "nobody waits for a lock"
