"""Upkeep on timers: what is due is settled, what is old goes, what came early is stored."""

import asyncio
import logging
import random
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from time import monotonic
from typing import Any, LiteralString

import psycopg

from service.background import ended
from service.database.conninfo import reason
from service.database.errors import DatabaseError, translated_errors
from service.database.session import connect

_log = logging.getLogger(__name__)

# the first run comes soon after a start, so that a service that is restarted daily does it too
_FIRST_SECONDS = 60.0
# how often the readings that were ahead of the clock are looked through for those that are due
REPLAY_SECONDS = 30.0
# how often to look whether something is to be settled
_SETTLE_SECONDS = 0.5
# what comes of a device meanwhile is settled with it: all this and the wait are about a second
_QUEUED_FOR = timedelta(seconds=0.5)
# how often to look whether charging is to be kept
_CHARGING_SECONDS = 5.0
# after a call, so many times what it took: a backlog takes a third of a core
_REST = 2.0
# charging waits for its turn longer while settling has a backlog: it will change with that anyway
_REST_BEHIND = 10.0
_BEHIND_SECONDS = 5.0
# to look whether charging is to be kept takes longer the more devices there are: no more than this
_LOOKING_REST = 20.0
# after one that failed
_RECOVER_SECONDS = 5.0
# more than any other call may take, and not for the whole session, which a pooler may share
_PATIENCE = "SET LOCAL statement_timeout = '10min'"


class Upkeep:
    """Calls api.settle, api.settle_charging, api.maintain and api.replay_due every so often.

    Several services share the first; of the others each is done by one at a time. Each has a
    connection of its own while it runs, so that none waits for another.
    """

    def __init__(
        self, conninfo: str, every_seconds: float, replay_seconds: float | None = None
    ) -> None:
        self._conninfo = conninfo
        self._every_seconds = every_seconds
        self._replay_seconds = replay_seconds or REPLAY_SECONDS
        self._tasks: list[asyncio.Task[None]] = []
        # settling has a backlog at least until then
        self._behind_until = 0.0

    def start(self) -> None:
        """Start to run in the background."""
        self._tasks = [
            asyncio.create_task(self._repeat(self._maintain, self._every_seconds)),
            asyncio.create_task(self._repeat(self._replay, self._replay_seconds)),
            asyncio.create_task(self._for_ever("settling", self._settle)),
            asyncio.create_task(self._for_ever("keeping charging", self._keep_charging)),
        ]

    async def stop(self) -> None:
        """End; what runs at the moment is rolled back."""
        await ended(*self._tasks)

    async def maintain(self) -> int:
        """Drop what has expired; return how many chunks. Raises DatabaseError, psycopg.Error."""
        total = 0
        async with self._connection() as connection:
            while True:
                # one transaction per step
                dropped, more = await _call(
                    connection,
                    "SELECT count(*) FILTER (WHERE m.step = 'dropped'),"
                    " coalesce(bool_or(m.step IN ('bound', 'dropped', 'kept', 'settle')), FALSE)"
                    " FROM api.maintain() AS m",
                )
                total += dropped
                if not more:
                    return total

    async def replay(self) -> tuple[int, int, int]:
        """Store readings whose time has come; return how many were new, duplicates and refused.

        Raises DatabaseError, psycopg.Error.
        """
        total = (0, 0, 0)
        async with self._connection() as connection:
            while True:
                # one transaction per piece
                new, duplicates, refused = await _call(
                    connection,
                    "SELECT r.accepted, r.duplicates, r.refused FROM api.replay_due() AS r",
                )
                if not new + duplicates + refused:
                    return total
                total = (total[0] + new, total[1] + duplicates, total[2] + refused)

    async def _for_ever(
        self, work: str, run: Callable[[psycopg.AsyncConnection[Any]], Awaitable[float]]
    ) -> None:
        """Call what returns for how many seconds to wait before the next call."""
        failed = False
        while True:
            try:
                async with self._connection() as connection:
                    while True:
                        wait_seconds = await run(connection)
                        failed = False
                        await asyncio.sleep(wait_seconds)
            except (DatabaseError, psycopg.Error) as error:
                # once for an outage, however long
                if not failed:
                    _log.warning("%s failed, and is tried again: %s", work, reason(error))
            except Exception:
                if not failed:
                    _log.exception("%s failed, and is tried again", work)
            failed = True
            await asyncio.sleep(_RECOVER_SECONDS * random.uniform(0.5, 1))  # noqa: S311  no secret

    @asynccontextmanager
    async def _connection(self) -> AsyncGenerator[psycopg.AsyncConnection[Any]]:
        async with (
            translated_errors(),
            await connect(self._conninfo, "wattledger upkeep") as connection,
        ):
            connection.add_notice_handler(_log_warning)
            yield connection

    async def _settle(self, connection: psycopg.AsyncConnection[Any]) -> float:
        """Settle some of what is due; return how many seconds to wait before the next call."""
        began = monotonic()
        (waiting,) = await _call(
            connection, "SELECT s.waiting FROM api.settle(queued_for => %s) AS s", _QUEUED_FOR
        )
        rest = _REST * (monotonic() - began)
        if waiting:
            # not for ever, where the next call fails
            self._behind_until = monotonic() + rest + _BEHIND_SECONDS
            return rest
        # not all workers at the same moment
        return max(rest, _SETTLE_SECONDS * random.uniform(0.8, 1))  # noqa: S311  no secret

    async def _keep_charging(self, connection: psycopg.AsyncConnection[Any]) -> float:
        """Keep some of the charging that is due; return how many seconds to wait until the next."""
        began = monotonic()
        _kept, waiting = await _call(
            connection, "SELECT s.kept, s.waiting FROM api.settle_charging() AS s"
        )
        took_seconds = monotonic() - began
        if waiting:
            # another worker may be at it
            rest = _REST_BEHIND if monotonic() < self._behind_until else _REST
            return max(rest * took_seconds, _SETTLE_SECONDS)
        # not all workers at the same moment
        seldom = max(_LOOKING_REST * took_seconds, _CHARGING_SECONDS)
        return seldom * random.uniform(0.8, 1)  # noqa: S311  no secret

    async def _maintain(self) -> None:
        if dropped := await self.maintain():
            _log.info("dropped %d chunk(s) that retention keeps no longer", dropped)

    async def _replay(self) -> None:
        new, duplicates, refused = await self.replay()
        if new + duplicates + refused:
            _log.info(
                "of readings whose time has come, %d stored, %d were there, %d refused",
                new,
                duplicates,
                refused,
            )

    async def _repeat(self, run: Callable[[], Awaitable[None]], every_seconds: float) -> None:
        wait_seconds = min(_FIRST_SECONDS, every_seconds)
        failed = False
        while True:
            # not all workers at the same moment
            await asyncio.sleep(wait_seconds * random.uniform(0.9, 1.1))  # noqa: S311  no secret
            wait_seconds = every_seconds
            try:
                await run()
                failed = False
            except (DatabaseError, psycopg.Error) as error:
                # once for an outage, however long
                if not failed:
                    _log.warning("the upkeep failed, and is tried again: %s", reason(error))
                failed = True


async def _call(
    connection: psycopg.AsyncConnection[Any], query: LiteralString, *parameters: object
) -> tuple[Any, ...]:
    """The row of a function that is called in a transaction of its own."""
    async with connection.transaction():
        await connection.execute(_PATIENCE)
        row = await (await connection.execute(query, parameters)).fetchone()
    assert row is not None  # noqa: S101  each of these functions has a row
    return row


def _log_warning(notice: psycopg.errors.Diagnostic) -> None:
    """Pass on what the database has to say, such as what it could not drop today."""
    if notice.severity_nonlocalized == "WARNING":
        _log.warning("the upkeep: %s", notice.message_primary)
