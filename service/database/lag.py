"""Lag of a standby: where two servers are in the log, and how long ago the one was there."""

from __future__ import annotations

import asyncio
from bisect import bisect_right
from datetime import datetime
from time import monotonic
from typing import Any, LiteralString

import msgspec
import psycopg
from psycopg.rows import kwargs_row

from service.background import ended
from service.database.conninfo import reason
from service.database.session import connect

# so long a server may take to say where it is
_PATIENCE_SECONDS = 1.5
# after which a question that was not answered is given up
_GIVEN_UP_SECONDS = 10.0
_MOST_KEPT = 4_000

# What a standby has is at least as new as the newest commit, or checkpoint, that it has repeated.
# That alone is no lag: it grows while the primary has nothing to do.
_WHERE: LiteralString = """
SELECT
    %s::double precision AS asked_at,
    r.repeats,
    coalesce(
        CASE WHEN r.repeats THEN pg_last_wal_replay_lsn() ELSE pg_current_wal_flush_lsn() END
        - '0/0'::pg_lsn, 0
    )::bigint AS position,
    (
        extract(EPOCH FROM clock_timestamp())
        - extract(EPOCH FROM greatest(pg_last_xact_replay_timestamp(), c.checkpoint_time))
    )::double precision AS age_seconds,
    s.system_identifier AS system_id,
    pg_postmaster_start_time() AS started_at
FROM pg_is_in_recovery() AS r (repeats)
CROSS JOIN pg_control_checkpoint() AS c
CROSS JOIN pg_control_system() AS s
"""


class Place(msgspec.Struct, frozen=True):
    """Where a server is in the log, in bytes; `asked_at` is by our clock, before it said so.

    `system_id` is the same for a primary and its standbys, `started_at` for no two servers.
    """

    asked_at: float
    repeats: bool
    position: int
    age_seconds: float
    system_id: int
    started_at: datetime


class Watch:
    """Asks a server where it is, on a connection of its own."""

    def __init__(self, conninfo: str) -> None:
        self._conninfo = conninfo
        self._connection: psycopg.AsyncConnection[Any] | None = None
        self._asking: asyncio.Task[Place | None] | None = None
        # why it did not say where it is
        self.reason = "no answer in time"

    async def look(self) -> Place | None:
        """Where it is; None where it does not say so in time."""
        if self._asking is None:
            self._asking = asyncio.create_task(self._ask())
        # not cancelled, which may take as long as the server is stuck: it ends by itself
        done, _ = await asyncio.wait({self._asking}, timeout=_PATIENCE_SECONDS)
        if not done:
            self.reason = "no answer in time"
            return None
        found, self._asking = self._asking.result(), None
        return found

    async def stop(self) -> None:
        """End, whatever it waits for."""
        await ended(self._asking)
        await self._close()

    async def _ask(self) -> Place | None:
        try:
            async with asyncio.timeout(_GIVEN_UP_SECONDS):
                if self._connection is None:
                    self._connection = await connect(self._conninfo, "wattledger watch")
                async with self._connection.cursor(row_factory=kwargs_row(Place)) as cursor:
                    return await (await cursor.execute(_WHERE, [monotonic()])).fetchone()
        except (psycopg.Error, TimeoutError) as error:
            self.reason = reason(error) or "no answer in time"
            await self._close()
            return None

    async def _close(self) -> None:
        if self._connection is not None:
            await self._connection.close()
            self._connection = None


class History:
    """Where a primary was when, by which is told as of when a standby has all of it."""

    def __init__(self) -> None:
        # where it was, in rising order, and when it was seen there first and last
        self._positions: list[int] = []
        self._first: list[float] = []
        self._last: list[float] = []

    def note(self, at: float, position: int) -> None:
        """Note where the primary was, at the time or a little later."""
        if self._positions and position == self._positions[-1]:
            self._last[-1] = at
            return
        if self._positions and position < self._positions[-1]:
            # it is another one, which took its place
            self._positions, self._first, self._last = [], [], []
        self._positions.append(position)
        self._first.append(at)
        self._last.append(at)
        if len(self._positions) > _MOST_KEPT:
            del self._positions[1:-1:2], self._first[1:-1:2], self._last[1:-1:2]

    def current_at(self, position: int) -> float | None:
        """As of when a standby at this place has all; None: before all that was noted.

        What lies between two notes is told by how far it is from the one to the other. Forgets what
        is older.
        """
        after = bisect_right(self._positions, position)
        if not after:
            return None
        del self._positions[: after - 1], self._first[: after - 1], self._last[: after - 1]
        if len(self._positions) == 1:
            return self._last[0]
        began, ended = self._last[0], self._first[1]
        first, last = self._positions[:2]
        return began + (ended - began) * (position - first) / (last - first)
