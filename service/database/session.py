"""Sessions of the service: connected and prepared, directly or through a pooler like PgBouncer.

A pooler in transaction mode gives each transaction another session of the database. So nothing
here is kept in a session that must hold there: the login's own settings say it
(migrations/0011.role-settings.sql), or the function that is called (telemetry.commit_durably).
"""

import asyncio
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any

import psycopg

from service.database.conninfo import completed
from service.database.errors import DatabaseUnavailable

_ROLE = "wattledger_service"
_CONNECT_SECONDS = 5
_PATIENCE_SECONDS = 5.0
# PostgreSQL's function from which a warning comes that a commit is on no standby yet
_WAITS_FOR_STANDBY = "SyncRepWaitForLSN"

# the settings that a login as the service would have come with
_SETTINGS = f"""
SELECT set_config(
    split_part(c.setting, '=', 1), substr(c.setting, strpos(c.setting, '=') + 1), FALSE
)
FROM pg_catalog.pg_db_role_setting AS s
CROSS JOIN unnest(s.setconfig) AS c (setting)
WHERE s.setrole = '{_ROLE}'::regrole
    AND s.setdatabase IN (
        0, (SELECT d.oid FROM pg_catalog.pg_database AS d WHERE d.datname = current_database())
    )
ORDER BY s.setdatabase
"""  # noqa: S608  a name of ours


class LoginRefused(psycopg.OperationalError):
    """This login cannot be served behind a connection pooler."""


def parameters(application_name: str) -> dict[str, Any]:
    """What every connection of the service asks for, beside what its string says."""
    return {"application_name": application_name, "connect_timeout": _CONNECT_SECONDS}


async def connect(conninfo: str, application_name: str) -> psycopg.AsyncConnection[Any]:
    """A prepared connection, in autocommit mode. Raises LoginRefused, psycopg.Error."""
    connection = await psycopg.AsyncConnection.connect(
        completed(conninfo), autocommit=True, **parameters(application_name)
    )
    try:
        await prepare_connection(connection)
    except BaseException:
        await connection.close()
        raise
    return connection


async def prepare_connection(connection: psycopg.AsyncConnection[Any]) -> None:
    """Leave a login that may do more than the service with the service's rights and settings.

    Raises LoginRefused for such a login behind a pooler, psycopg.Error.
    """
    try:
        async with asyncio.timeout(_PATIENCE_SECONDS):
            await _prepare(connection)
    except TimeoutError as error:
        raise psycopg.errors.ConnectionTimeout(
            "the database lets in, and does not answer"
        ) from error


async def prepare_reader(connection: psycopg.AsyncConnection[Any]) -> None:
    """Prepare as above, and let the session change nothing, as on a replica.

    Not where a pooler gives the session to others too. Raises LoginRefused, psycopg.Error.
    """
    await prepare_connection(connection)
    if may_prepare(connection):
        await connection.execute("SET default_transaction_read_only = on")


async def _prepare(connection: psycopg.AsyncConnection[Any]) -> None:
    await connection.set_autocommit(True)
    if await _is_pooled(connection):
        # another session may know that name for another statement, or not at all
        connection.prepare_threshold = None
        if connection.info.user != _ROLE:
            raise LoginRefused(
                f"behind a connection pooler the service must log in as {_ROLE}, not as"
                f" {connection.info.user}: what is set for a session there may be another's"
            )
    elif connection.info.user != _ROLE:
        await connection.execute(_SETTINGS)
        await connection.execute(f"SET ROLE {_ROLE}")
    if connection.info.parameter_status("TimeZone") != "UTC":
        # poolers keep this one apart for each client, since the server reports it
        await connection.execute("SET timezone = 'UTC'")


@contextmanager
def on_every_disk(connection: psycopg.AsyncConnection[Any]) -> Generator[None]:
    """Take a commit for one only where no standby lacks it that it was to wait for.

    PostgreSQL tells success, with a warning, where somebody ends that wait. Raises
    DatabaseUnavailable at the end then; to call again is safe.
    """
    is_missing = False

    def hear(notice: psycopg.errors.Diagnostic) -> None:
        nonlocal is_missing
        is_missing = is_missing or notice.source_function == _WAITS_FOR_STANDBY

    connection.add_notice_handler(hear)
    try:
        yield
    finally:
        connection.remove_notice_handler(hear)
    if is_missing:
        raise DatabaseUnavailable("the standby does not have it yet")


def may_prepare(connection: psycopg.AsyncConnection[Any]) -> bool | None:
    """Whether a statement is prepared at its first use: true, or None for never."""
    return True if connection.prepare_threshold is not None else None


async def _is_pooled(connection: psycopg.AsyncConnection[Any]) -> bool:
    """Whether somebody between us and the database answers in its name."""
    cursor = await connection.execute("SELECT pg_backend_pid()")
    return await cursor.fetchone() != (connection.info.backend_pid,)
