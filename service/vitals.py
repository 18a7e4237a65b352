"""Vital signs: what waits in a worker and its pools, and how the database is, noted on timers.

Those of the database are asked by one worker for all, whoever scrapes how often.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping

from service.background import ended
from service.database.errors import DatabaseError
from service.database.pool import Database
from service.database.replica import Count, Replica, Source
from service.metrics.board import Board
from service.metrics.exposition import WORKER_STARTS, Found, publish
from service.metrics.families import axis, counter, gauge
from service.metrics.slab import Slab

_log = logging.getLogger(__name__)

_SAMPLE_SECONDS = 1.0
ASK_SECONDS = 5.0
# what answers no sooner is as good as away
_PATIENCE_SECONDS = 2.0

_POOLS = axis("pool", ("reads", "fallback", "primary", "readiness", "keys", "webhooks"))
_USED = gauge("pool_connections", "Connections of a pool that are in use.", _POOLS)
_MOST = gauge("pool_connections_limit", "Connections that a pool may have.", _POOLS)
_WAITING = gauge("pool_requests_waiting", "Calls that wait for a connection of a pool.", _POOLS)
STARTS = counter(WORKER_STARTS, "Workers started, in place of others too.")
_SOURCES: tuple[Source, ...] = ("standby", "primary")
_READS = counter("reads_total", "Reads answered, by which database.", axis("database", _SOURCES))

FAMILIES = (_USED, _MOST, _WAITING, STARTS)
# where there is a standby
STANDBY_FAMILIES = (_READS,)


def note_start(slab: Slab) -> None:
    """Count that a worker starts."""
    slab.slots[slab.places(STARTS)[()]] += 1


def read_counter(slab: Slab) -> Count:
    """What counts the reads where there is a standby."""
    slots = slab.slots
    places = {source: place for (source,), place in slab.places(_READS).items()}

    def count(source: Source) -> None:
        slots[places[source]] += 1

    return count


async def _nothing() -> list[Found]:
    return []


class Vitals:
    """Notes the vital signs until it is stopped."""

    def __init__(
        self,
        board: Board,
        slab: Slab,
        database: Database,
        pools: Mapping[str, Database],
        sample: Callable[[], None],
        replica: Replica | None = None,
        of_buffer: Callable[[], Awaitable[list[Found]]] | None = None,
    ) -> None:
        """`database`: whose vital signs are asked; `sample` notes others of this worker.

        `of_buffer` finds out what is known of a buffer, if there is one.
        """
        self._replica = replica
        self._of_buffer = of_buffer or _nothing
        self._board = board
        self._slab = slab
        self._database = database
        self._pools = pools
        self._more = sample
        self._places = [slab.places(family) for family in (_USED, _MOST, _WAITING)]
        self._tasks: list[asyncio.Task[None]] = []

    def start(self) -> None:
        """Start to note them."""
        self._tasks = [
            asyncio.create_task(self._sample_for_ever()),
            asyncio.create_task(self._ask_for_ever()),
        ]

    async def stop(self) -> None:
        """End."""
        await ended(*self._tasks)

    async def _sample_for_ever(self) -> None:
        while True:
            self._more()
            for name, pool in self._pools.items():
                for places, value in zip(self._places, pool.usage(), strict=True):
                    self._slab.slots[places[name,]] = value
            await asyncio.sleep(_SAMPLE_SECONDS)

    async def _ask_for_ever(self) -> None:
        failed = False
        while True:
            try:
                if self._board.leads():
                    await self._ask()
                failed = False
            except Exception:
                # the board may be gone with its supervisor; readings are taken all the same
                if not failed:
                    _log.exception("the database's metrics are missing, and are asked again")
                failed = True
            await asyncio.sleep(ASK_SECONDS)

    async def _ask(self) -> None:
        found, of_buffer = await asyncio.gather(self._of_database(), self._of_buffer())
        publish(self._board, found is not None, found or (), self._of_standby(), of_buffer)

    async def _of_database(self) -> list[Found] | None:
        try:
            async with asyncio.timeout(_PATIENCE_SECONDS):
                return await self._database.all(
                    Found,
                    "SELECT m.name, m.about, m.value, m.label, m.label_value"
                    " FROM api.metrics() AS m",
                )
        except (DatabaseError, TimeoutError):
            return None

    def _of_standby(self) -> list[Found]:
        replica = self._replica
        if replica is None:
            return []
        found = [
            Found("standby_up", "1 where the standby answers, else 0.", float(replica.standby_up))
        ]
        if (lag_seconds := replica.lag_seconds) is not None:
            about = "By how much the standby is behind; with the primary away, how old it is."
            found.append(Found("standby_lag_seconds", about, lag_seconds))
        return found
