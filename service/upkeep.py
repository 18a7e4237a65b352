"""Drop what is kept no longer, on a timer, where TimescaleDB has no policies that do it."""

import asyncio
import logging
import random
from contextlib import suppress

import psycopg

from service.conninfo import completed, reason
from service.database import DatabaseError, translated_errors
from service.session import prepare_connection

_log = logging.getLogger(__name__)

# the first run comes soon after a start, so that a service that is restarted daily does it too
_FIRST_SECONDS = 60.0
# more than any other call may take, and not for the whole session, which a pooler may share
_PATIENCE = "SET LOCAL statement_timeout = '10min'"


class Upkeep:
    """Calls api.maintain every so often, on a connection of its own; of several services one."""

    def __init__(self, conninfo: str, every_seconds: float) -> None:
        self._conninfo = completed(conninfo)
        self._every_seconds = every_seconds
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to run in the background."""
        self._task = asyncio.create_task(self._run())

    async def stop(self) -> None:
        """End; what runs at the moment is rolled back."""
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task

    async def maintain(self) -> int:
        """Do it once; return how many chunks were dropped. Raises DatabaseError, psycopg.Error."""
        async with translated_errors():
            connection = await psycopg.AsyncConnection.connect(
                self._conninfo,
                autocommit=True,
                connect_timeout=5,
                application_name="wattledger upkeep",
            )
            async with connection:
                await prepare_connection(connection)
                connection.add_notice_handler(_log_warning)
                async with connection.transaction():
                    await connection.execute(_PATIENCE)
                    cursor = await connection.execute("SELECT count(*) FROM api.maintain()")
                    row = await cursor.fetchone()
        return row[0] if row else 0

    async def _run(self) -> None:
        wait_seconds = min(_FIRST_SECONDS, self._every_seconds)
        while True:
            # not all workers at the same moment
            await asyncio.sleep(wait_seconds * random.uniform(0.9, 1.1))  # noqa: S311  no secret
            wait_seconds = self._every_seconds
            try:
                if dropped := await self.maintain():
                    _log.info("dropped %d chunk(s) that retention keeps no longer", dropped)
            except (DatabaseError, psycopg.Error) as error:
                _log.warning("the upkeep of history failed, and is tried again: %s", reason(error))


def _log_warning(notice: psycopg.errors.Diagnostic) -> None:
    """Pass on what the database has to say, such as what it could not drop today."""
    if notice.severity_nonlocalized == "WARNING":
        _log.warning("the upkeep of history: %s", notice.message_primary)
