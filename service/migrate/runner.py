"""The two acts of migrating: bring a database up to date, and tell whether it is."""

import os
from collections.abc import Callable, Mapping
from pathlib import Path

import psycopg
from psycopg import sql

from service.conninfo import completed, reason
from service.migrate import definitions, edition, files, history, move
from service.migrate.errors import MigrationError
from service.migrate.preflight import check_server

# any number will do, as long as nobody else takes it in the same database
_LOCK = 0x77617474

_ACCESS = Path(__file__).with_name("access.sql")

LOGIN_PASSWORDS = {
    "wattledger_service": "WATTLEDGER_SERVICE_PASSWORD",
    "wattledger_bi": "WATTLEDGER_BI_PASSWORD",
    "wattledger_dba": "WATTLEDGER_DBA_PASSWORD",
}


def migrate(
    conninfo: str,
    report: Callable[[str], None],
    passwords: Mapping[str, str] | None = None,
    *,
    to_community: bool = False,
) -> None:
    """Apply pending migrations and all definitions; safe to repeat and to run twice at once.

    `report` is told what was done, a line at a time. `passwords` turn roles into logins, by role,
    before those of the environment. `to_community` then moves a database that began on the Apache
    edition to continuous aggregates. Raises MigrationError.
    """
    with _connect(conninfo) as connection:
        _refuse_pooler(connection)
        check_server(connection)
        locked = connection.execute("SELECT pg_try_advisory_lock(%s)", [_LOCK]).fetchone()
        if locked != (True,):
            report("another migration is under way, waiting for it")
            connection.execute("SELECT pg_advisory_lock(%s)", [_LOCK])
        # the licence can be asked for only where the extension is
        connection.execute("CREATE EXTENSION IF NOT EXISTS timescaledb WITH SCHEMA public")
        chosen = edition.of(connection)
        for migration_id in history.apply_pending(connection, chosen):
            report(f"applied migration {migration_id}")
        definitions.apply_all(connection, chosen)
        report("applied the definitions of sql/")
        if to_community:
            move.to_community(connection, report)
        elif chosen == "apache" and edition.licensed(connection) == "community":
            report(
                "this server's licence allows continuous aggregates:"
                " move to them with `wattledger migrate --to-community`"
            )
        connection.execute(_ACCESS.read_bytes())
        for role in _set_passwords(connection, passwords or {}):
            report(f"role {role} can log in with the password given")


def differences(conninfo: str) -> list[str]:
    """What is missing for the database to be current, as sentences; empty if it is."""
    with _connect(conninfo) as connection:
        check_server(connection)
        connection.read_only = True
        chosen = edition.of(connection)
        shipped = files.migration_hashes(chosen)
        applied = history.applied_hashes(connection)
        found = history.faults(shipped, applied)
        found += [f"migration {name} is pending" for name in shipped if name not in applied]
        if definitions.applied_hash(connection) != files.definitions_hash(chosen):
            found.append("the definitions of sql/ differ from those applied")
        return found


def _connect(conninfo: str) -> psycopg.Connection[tuple[object, ...]]:
    try:
        return psycopg.connect(completed(conninfo), autocommit=True, connect_timeout=10)
    except psycopg.Error as error:
        raise MigrationError(f"cannot connect to the database: {reason(error)}") from error


def _refuse_pooler(connection: psycopg.Connection[tuple[object, ...]]) -> None:
    """The migrators' lock belongs to a session, which a pooler may give to somebody else."""
    row = connection.execute("SELECT pg_backend_pid()").fetchone()
    if row != (connection.info.backend_pid,):
        raise MigrationError(
            "this is a connection pooler, such as PgBouncer: migrate with a DATABASE_URL that"
            " names PostgreSQL itself"
        )


def _set_passwords(
    connection: psycopg.Connection[tuple[object, ...]], passwords: Mapping[str, str]
) -> list[str]:
    """Turn the roles with a password given, or in the environment, into logins; return them."""
    given = {
        role: passwords.get(role) or os.environ.get(name) for role, name in LOGIN_PASSWORDS.items()
    }
    for role, password in given.items():
        if password:
            # hashed here, so that the password itself cannot reach the server's log
            hashed = connection.pgconn.encrypt_password(
                password.encode(), role.encode(), b"scram-sha-256"
            )
            connection.execute(
                sql.SQL("ALTER ROLE {} LOGIN PASSWORD {}").format(
                    sql.Identifier(role), sql.Literal(hashed.decode())
                )
            )
    return [role for role, password in given.items() if password]
