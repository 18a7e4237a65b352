"""The one door to the database but for readings: calls of SQL functions in, structs out."""

import asyncio
import logging
import math
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from time import monotonic
from typing import Any, LiteralString, TypeVar

import psycopg
from psycopg.rows import kwargs_row
from psycopg_pool import AsyncConnectionPool, PoolTimeout

from service.database.conninfo import completed
from service.database.errors import Meaning, meaning_of
from service.database.session import prepare_connection, prepare_reader
from service.recent import Recent
from service.settings import Settings

_log = logging.getLogger(__name__)

Row = TypeVar("Row")
Connection = psycopg.AsyncConnection[Any]

# how long a request waits for a connection before it is told that the database is away
_PATIENCE_SECONDS = 2.0
# so that a login's new settings, or a database that moved, are found without a restart
_LIFETIME_SECONDS = 30 * 60
_COMPLAINT_SECONDS = 60.0

# when the operator was told what
_complained: Recent[str, float] = Recent(100)


class DatabaseError(Exception):
    """The database did not do what it was asked."""


class DatabaseUnavailable(DatabaseError):
    """The database is away or too busy; the same call may succeed later."""


class DatabaseBusy(DatabaseUnavailable):
    """Others were at the same rows; the same call may succeed at once."""


class RuleViolation(DatabaseError):
    """A function of ours refused the call: an error of the caller, with the cure in `hint`."""

    def __init__(self, code: str, message: str, hint: str | None) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.hint = hint


@asynccontextmanager
async def translated_errors() -> AsyncGenerator[None, None]:
    """Turn the driver's errors into ours, by SQLSTATE (service.database.errors), never by text.

    What the statement itself caused stays a psycopg.Error.
    """
    try:
        yield
    except PoolTimeout as error:
        raise DatabaseUnavailable("no database connection became free in time") from error
    except psycopg.Error as error:
        meaning, text = meaning_of(error)
        if meaning is Meaning.STATEMENT:
            raise
        message, hint = error.diag.message_primary or "", error.diag.message_hint
        if meaning is Meaning.RULE:
            raise RuleViolation(error.sqlstate or "", message, hint) from error
        if meaning is Meaning.IN_THE_WAY:
            raise DatabaseBusy(text) from error
        if meaning is Meaning.INCOMPLETE:
            text = f"{text}: {message}"
            _complain(text, hint)
        raise DatabaseUnavailable(text) from error


def _complain(text: str, hint: str | None) -> None:
    """Tell the operator what every request meets, now and then."""
    now = monotonic()
    if now - _complained.get(text, -math.inf) >= _COMPLAINT_SECONDS:
        _complained.put(text, now)
        _log.error("%s; %s", text, hint or "requests are answered with 503 meanwhile")


class Database:
    """A pool of connections on which each call is a transaction of its own."""

    def __init__(
        self,
        conninfo: str,
        settings: Settings,
        connections: int | None = None,
        *,
        reads_only: bool = False,
    ) -> None:
        """`connections`: how many at most, in place of what the settings say.

        `reads_only`: what is called changes nothing, so that a replica will do.
        """
        self._timeout_seconds = settings.read_timeout_seconds
        self._pool: AsyncConnectionPool[Connection] = AsyncConnectionPool(
            completed(conninfo),
            kwargs={"application_name": "wattledger", "connect_timeout": 5},
            min_size=1,
            max_size=connections or settings.read_connections,
            timeout=_PATIENCE_SECONDS,
            max_lifetime=_LIFETIME_SECONDS,
            configure=prepare_reader if reads_only else prepare_connection,
            check=AsyncConnectionPool.check_connection,
            open=False,
        )

    async def open(self) -> None:
        """Start the pool; it connects by itself, now or when the database comes."""
        await self._pool.open()

    async def close(self) -> None:
        """Give all connections back."""
        await self._pool.close()

    async def all(
        self, row: Callable[..., Row], query: LiteralString, *parameters: object
    ) -> list[Row]:
        """Call a function and return its rows as `row`, a struct's type, makes them of its columns.

        Raises DatabaseUnavailable, RuleViolation.
        """
        try:
            async with (
                translated_errors(),
                # on this side, since a database that is stuck does not watch its own clock; the
                # first one is for the pool, which looks whether a connection still works
                asyncio.timeout(_PATIENCE_SECONDS + self._timeout_seconds),
                self._pool.connection() as connection,
                asyncio.timeout(self._timeout_seconds),
                connection.cursor(row_factory=kwargs_row(row)) as cursor,
            ):
                await cursor.execute(query, parameters)
                return await cursor.fetchall()
        except TimeoutError as error:
            raise DatabaseUnavailable("the database did not answer in time") from error
        except psycopg.DataError as error:
            if error.sqlstate is None and "year" in str(error):
                # the driver's: PostgreSQL counts years that Python does not
                raise RuleViolation(
                    "22008",
                    "the answer has a time that is not of the years 1 to 9999",
                    "Ask for times that are further from either.",
                ) from error
            # what no column can hold, such as a NUL or a time beyond PostgreSQL's years
            message = f"a value cannot be stored: {error.diag.message_primary or error}"
            raise RuleViolation(error.sqlstate or "22000", message, None) from error

    async def one(
        self, row: Callable[..., Row], query: LiteralString, *parameters: object
    ) -> Row | None:
        """Call a function and return its only row as `row`, or null where it has none.

        Raises DatabaseUnavailable, RuleViolation.
        """
        rows = await self.all(row, query, *parameters)
        return rows[0] if rows else None
