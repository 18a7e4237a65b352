"""API keys for tests."""

from __future__ import annotations

import os
from typing import Any

import psycopg
from psycopg import sql

_VARIABLE = "WATTLEDGER_TESTS_KEY"


def make_key(database_url: str, scopes: str = "admin", **options: Any) -> str:
    """Make a key; `scopes` separated by spaces, `options` as ops.create_key takes them."""
    call = sql.SQL("SELECT c.key FROM ops.create_key({}) AS c").format(
        sql.SQL(", ").join(
            sql.SQL("{} => {}").format(sql.Identifier(name), sql.Literal(value))
            for name, value in {"scopes": scopes.split(), **options}.items()
        )
    )
    with psycopg.connect(database_url, autocommit=True) as connection:
        row = connection.execute(call).fetchone()
    assert row is not None
    return row[0]


def put_into_template(database_url: str) -> None:
    """Make the key that every test's database has; it may do everything."""
    os.environ[_VARIABLE] = make_key(database_url)


def put_the_key(database_url: str) -> None:
    """Give a database that is no copy of the template the same key."""
    _, public, secret = the_key().split("_")
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute(
            "INSERT INTO telemetry.api_key (key_id, secret_sha256, scopes)"
            " VALUES (%s, sha256(convert_to(%s, 'UTF8')), ARRAY['admin'])",
            [public, secret],
        )


def the_key() -> str:
    """The key that every test's database has."""
    return os.environ[_VARIABLE]


def bearer(key: str | None = None) -> dict[str, str]:
    """The header that carries a key, by default the one that every test's database has."""
    return {"Authorization": f"Bearer {key or the_key()}"}


def key_id(key: str) -> str:
    """The public part of a key."""
    return key.split("_")[1]
