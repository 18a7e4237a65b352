"""Database of a load test's own, on an embedded server or one that is given."""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import psycopg
from psycopg import conninfo, sql

from loadtests.support import keys, stack
from service.migrate import migrate


class Place(NamedTuple):
    """A migrated database: URLs of superuser and service, a key, the server's logs if ours."""

    admin_url: str
    service_url: str
    key: str
    logs: Path | None


@contextmanager
def embedded() -> Iterator[Place]:
    """The embedded database, as users get it, removed at the end."""
    with stack.database() as cluster:
        yield Place(
            cluster.url(),
            cluster.url("wattledger_service"),
            os.environ[keys.VARIABLE],
            cluster.directory / "log",
        )


@contextmanager
def on_server(url: str, *, keep: bool) -> Iterator[Place]:
    """A new database on a superuser's server, dropped at the end unless it is to be kept."""
    name = f"wattledger_load_{uuid.uuid4().hex[:12]}"
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
    admin_url = conninfo.make_conninfo(url, dbname=name)
    try:
        # no passwords: the server's roles keep theirs, and the service leaves a superuser's rights
        migrate(admin_url, lambda _: None, {})
        yield Place(admin_url, admin_url, keys.make_key(admin_url), None)
    finally:
        if not keep:
            with psycopg.connect(url, autocommit=True) as connection:
                connection.execute(
                    sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name))
                )
