"""Checks of the server before anything is changed, which say what it lacks."""

from typing import Any

import psycopg

from service.migrate.errors import MigrationError

POSTGRESQL_MINIMUM = 16
TIMESCALEDB_MINIMUM = (2, 19)


def check_server(connection: psycopg.Connection[Any]) -> None:
    """Raise MigrationError naming everything that is missing for Wattledger."""
    missing = [*_postgresql(connection), *_timescaledb(connection), *_btree_gist(connection)]
    if missing:
        raise MigrationError("this server cannot hold Wattledger:\n" + "\n".join(missing))


def _postgresql(connection: psycopg.Connection[Any]) -> list[str]:
    major = connection.info.server_version // 10000
    if major >= POSTGRESQL_MINIMUM:
        return []
    return [f"- PostgreSQL {POSTGRESQL_MINIMUM} or newer is needed, this is {major}"]


def _timescaledb(connection: psycopg.Connection[Any]) -> list[str]:
    needed = ".".join(map(str, TIMESCALEDB_MINIMUM))
    row = connection.execute(
        "SELECT a.default_version, a.installed_version, n.nspname"
        " FROM pg_catalog.pg_available_extensions AS a"
        " LEFT JOIN pg_catalog.pg_extension AS e ON e.extname = a.name"
        " LEFT JOIN pg_catalog.pg_namespace AS n ON n.oid = e.extnamespace"
        " WHERE a.name = 'timescaledb'"
    ).fetchone()
    if row is None:
        return [
            f"- the extension timescaledb {needed} or newer is not installed on the server:"
            " install its package for this PostgreSQL"
        ]
    available, installed, schema = row
    version = installed or available
    faults: list[str] = []
    if tuple(int(part) for part in version.split("-")[0].split(".")[:2]) < TIMESCALEDB_MINIMUM:
        cure = (
            "run ALTER EXTENSION timescaledb UPDATE"
            if available != version
            else "install a newer package"
        )
        faults.append(f"- timescaledb {needed} or newer is needed, this is {version}: {cure}")
    if schema not in (None, "public"):
        faults.append(
            f"- the extension timescaledb is in the schema {schema}, it must be in public"
        )
    loaded = connection.execute(
        "SELECT EXISTS (SELECT FROM pg_catalog.pg_settings AS s WHERE s.name LIKE 'timescaledb.%')"
    ).fetchone()
    if loaded == (False,):
        faults.append(
            "- timescaledb is not loaded: add it to shared_preload_libraries in postgresql.conf"
            " and restart PostgreSQL"
        )
    return faults


def _btree_gist(connection: psycopg.Connection[Any]) -> list[str]:
    row = connection.execute(
        "SELECT FROM pg_catalog.pg_available_extensions AS a WHERE a.name = 'btree_gist'"
    ).fetchone()
    if row is not None:
        return []
    return ["- the extension btree_gist is not installed: install PostgreSQL's contrib package"]
