"""API key that load comes with, in the environment for every process of a run."""

from __future__ import annotations

import os

import psycopg

# for a service that runs elsewhere whoever starts the load sets it
VARIABLE = "WATTLEDGER_KEY"


def make_key(database_url: str) -> str:
    """Make a key that may do everything, on a database, as its superuser."""
    with psycopg.connect(database_url, autocommit=True) as connection:
        row = connection.execute(
            "SELECT c.key FROM ops.create_key(ARRAY['admin'], note => 'load tests') AS c"
        ).fetchone()
    assert row is not None
    return row[0]


def headers() -> dict[str, str]:
    """The header that carries the key; none where there is none."""
    key = os.environ.get(VARIABLE)
    return {"Authorization": f"Bearer {key}"} if key else {}
