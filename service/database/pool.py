"""Pool of connections, by which all but readings go: calls of SQL functions in, structs out."""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any, LiteralString, NamedTuple, TypeVar

import psycopg
from psycopg.rows import kwargs_row
from psycopg_pool import AsyncConnectionPool

from service.database.conninfo import completed
from service.database.errors import DatabaseSlow, RuleViolation, translated_errors
from service.database.session import (
    on_every_disk,
    parameters,
    prepare_connection,
    prepare_reader,
)
from service.settings import Settings

Row = TypeVar("Row")
Connection = psycopg.AsyncConnection[Any]

# how long a request waits for a connection before it is told that the database is away
_PATIENCE_SECONDS = 2.0
# so that a login's new settings, or a database that moved, are found without a restart
_LIFETIME_SECONDS = 30 * 60
# Then the pool gives up to connect, and whoever comes next lets it try anew. Else it would wait for
# longer from one attempt to the next, and after a long outage for minutes.
_RECONNECT_SECONDS = 1.0


class Usage(NamedTuple):
    """Connections in use, how many there may be, and calls that wait for one."""

    used: int
    most: int
    waiting: int


class Calls(ABC):
    """Calls of SQL functions, whichever database answers them."""

    @abstractmethod
    async def all(
        self, row: Callable[..., Row], query: LiteralString, *parameters: object
    ) -> list[Row]:
        """Call a function and return its rows as `row`, a struct's type, makes them of its columns.

        Raises DatabaseUnavailable, RuleViolation.
        """

    async def one(
        self, row: Callable[..., Row], query: LiteralString, *parameters: object
    ) -> Row | None:
        """Call a function and return its only row as `row`, or None where it has none.

        Raises DatabaseUnavailable, RuleViolation.
        """
        rows = await self.all(row, query, *parameters)
        return rows[0] if rows else None


class Database(Calls):
    """A pool of connections on which each call is a transaction of its own."""

    def __init__(
        self,
        conninfo: str,
        settings: Settings,
        connections: int | None = None,
        *,
        reads_only: bool = False,
        idle_connections: int = 1,
    ) -> None:
        """`connections`: how many at most, in place of what the settings say.

        `reads_only`: what is called changes nothing, so that a replica will do. So many
        `idle_connections` are kept open for the next call.
        """
        self._timeout_seconds = settings.read_timeout_seconds
        self._pool: AsyncConnectionPool[Connection] = AsyncConnectionPool(
            completed(conninfo),
            kwargs=parameters("wattledger"),
            min_size=idle_connections,
            max_size=connections or settings.read_connections,
            timeout=_PATIENCE_SECONDS,
            max_lifetime=_LIFETIME_SECONDS,
            reconnect_timeout=_RECONNECT_SECONDS,
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

    def usage(self) -> Usage:
        """How much of the pool is in use now."""
        stats = self._pool.get_stats()
        return Usage(
            stats["pool_size"] - stats["pool_available"],
            stats["pool_max"],
            stats["requests_waiting"],
        )

    async def all(
        self, row: Callable[..., Row], query: LiteralString, *parameters: object
    ) -> list[Row]:
        """Call a function and return its rows."""
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
                with on_every_disk(connection):
                    await cursor.execute(query, parameters)
                    return await cursor.fetchall()
        except TimeoutError as error:
            raise DatabaseSlow("the database did not answer in time") from error
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
