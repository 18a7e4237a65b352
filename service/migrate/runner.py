"""The two acts of migrating: bring a database up to date, and tell whether it is."""

import os
import time
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

import psycopg
from psycopg import sql

from service.database.conninfo import completed, reason
from service.migrate import definitions, edition, files, history, move
from service.migrate.errors import MigrationError
from service.migrate.patience import WAIT_SECONDS, Patience
from service.migrate.preflight import check_server

# any number will do, as long as nobody else takes it in the same database
LOCK = 0x77617474

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
    wait_seconds: float = WAIT_SECONDS,
) -> None:
    """Apply pending migrations and changed definitions; safe to repeat and to run twice at once.

    `report` is told what is done, a line at a time, perhaps by another thread. `passwords` turn
    roles into logins, by role, before those of the environment. `to_community` then moves a
    database that began on the Apache edition to continuous aggregates. `wait_seconds` is how long
    it may wait in all for locks of others; nobody waits behind it for longer than a moment. Raises
    MigrationError.
    """
    with (
        _connect(conninfo) as connection,
        Patience(connection, conninfo, report, wait_seconds) as patience,
    ):
        _refuse_pooler(connection)
        patience.attempt("looking at the server", partial(check_server, connection))
        patience.attempt(
            "migrating",
            partial(connection.execute, "SELECT pg_advisory_lock(%s)", [LOCK]),
        )
        chosen = patience.attempt("looking at the database", partial(_prepare, connection))
        changed = False
        for line in history.apply_pending(connection, chosen, patience):
            report(line)
            changed = True
        started = time.monotonic()
        applied = patience.attempt(
            "applying the definitions of sql/",
            partial(definitions.apply, connection, chosen, patience.step),
        )
        if applied:
            of = len(files.definition_files(chosen))
            spent = time.monotonic() - started
            report(f"applied {applied} of {of} definitions of sql/ ({spent:.1f} s)")
            patience.keep("the definitions of sql/")
        elif not changed:
            report("the database is current, nothing is to be done")
        if to_community:
            move.to_community(connection, report, patience)
        elif chosen == "apache" and edition.licensed(connection) == "community":
            report(
                "this server's licence allows continuous aggregates:"
                " move to them with `wattledger migrate --to-community`"
            )
        patience.attempt(
            "closing the database to others", partial(connection.execute, _ACCESS.read_bytes())
        )
        given = patience.attempt(
            "setting passwords", partial(_set_passwords, connection, passwords or {})
        )
        for role in given:
            report(f"role {role} can log in with the password given")


def differences(conninfo: str) -> list[str]:
    """What is missing for the database to be current, as sentences; empty if it is."""
    with _connect(conninfo) as connection:
        check_server(connection)
        connection.read_only = True
        chosen = edition.of(connection)
        shipped = files.migration_hashes(chosen)
        applied = history.applied_hashes(connection)
        if found := history.faults(shipped, applied):
            return found
        found = [f"migration {name} is pending" for name in shipped if name not in applied]
        return found + definitions.differences(connection, chosen)


def _prepare(connection: psycopg.Connection[tuple[object, ...]]) -> edition.Edition:
    # the licence can be asked for only where the extension is
    connection.execute("CREATE EXTENSION IF NOT EXISTS timescaledb WITH SCHEMA public")
    chosen = edition.of(connection)
    history.prepare(connection, chosen)
    return chosen


def _connect(conninfo: str) -> psycopg.Connection[tuple[object, ...]]:
    try:
        return psycopg.connect(
            completed(conninfo),
            autocommit=True,
            connect_timeout=10,
            fallback_application_name="wattledger migrate",
        )
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
