"""Signs of a worker's life: its metrics and health at an address of their own, asked on timers."""

from __future__ import annotations

import asyncio
import logging
from http import HTTPStatus
from time import monotonic
from typing import Literal

import msgspec

from service.background import ended
from service.buffer.consumer import Consumer
from service.buffer.holdings import Holdings
from service.buffer.worker import Worker
from service.database.errors import DatabaseError
from service.database.pool import Database
from service.http.metrics_server import MetricsServer, Page
from service.metrics.board import Board
from service.metrics.exposition import Found, publish
from service.migrate.fitness import trouble
from service.settings import Settings

_log = logging.getLogger(__name__)

SETTING = "WATTLEDGER_WORKER_METRICS_ADDRESS"
LIVE, READY = "/health/live", "/health/ready"
_ASK_SECONDS = 2.0
# what answers no sooner is as good as away
_PATIENCE_SECONDS = 2.0
# a worker turns several times a second, and looks at brokers for some seconds where they are away
_HUNG_SECONDS = 60.0

_LAG = "buffer_worker_lag_records"
_OLDEST = "buffer_worker_oldest_age_seconds"


class WorkerHealth(msgspec.Struct, omit_defaults=True):
    """Whether a worker can do its work, and what is in the way."""

    status: Literal["ok", "unavailable"]
    problems: list[str] = []


class Signs:
    """Asks how a worker, its brokers and its database are, and tells at an address."""

    def __init__(self, address: str, conninfo: str, settings: Settings, board: Board) -> None:
        """`address`: host:port. Raises SettingsError where it cannot be listened on."""
        self._board = board
        self._database = Database(conninfo, settings, connections=1)
        pages: dict[str, Page] = {LIVE: self._live, READY: self._ready}
        self._server = MetricsServer(address, board, setting=SETTING, pages=pages)
        self._worker: Worker | None = None
        self._holdings: Holdings | None = None
        self._of_database = ["the database was not asked yet"]
        self._task: asyncio.Task[None] | None = None

    @property
    def port(self) -> int:
        """The port that it listens on."""
        return self._server.port

    async def start(self, worker: Worker, consumer: Consumer, holdings: Holdings) -> None:
        """Start to ask and to answer."""
        self._worker, self._holdings = worker, holdings
        await self._database.open()
        self._task = asyncio.create_task(self._ask_for_ever(worker, consumer))
        self._server.start()

    async def stop(self) -> None:
        """End."""
        await ended(self._task)
        await asyncio.to_thread(self._server.close)
        await self._database.close()

    async def _ask_for_ever(self, worker: Worker, consumer: Consumer) -> None:
        while True:
            try:
                await self._ask(worker, consumer)
            except Exception:
                _log.exception("how the worker is could not be found out, and is asked again")
            await asyncio.sleep(_ASK_SECONDS)

    async def _ask(self, worker: Worker, consumer: Consumer) -> None:
        found: list[Found] = []
        lag = await consumer.lag()
        if lag is not None:
            about = "Records of a partition of the worker's that are not stored."
            found += [
                Found(_LAG, about, count, "partition", f"{topic}/{number}")
                for (topic, number), count in lag.items()
            ]
        oldest = worker.oldest_age_seconds()
        if oldest is None and lag is not None and not any(lag.values()):
            oldest = 0.0
        if oldest is not None:
            about = "Age of the oldest record that was taken and is not stored, in seconds."
            found.append(Found(_OLDEST, about, oldest))
        try:
            async with asyncio.timeout(_PATIENCE_SECONDS):
                self._of_database = await trouble(self._database)
        except (DatabaseError, TimeoutError) as error:
            self._of_database = [str(error) or "the database does not answer"]
        publish(self._board, not self._of_database, buffer=found)

    def _live(self) -> tuple[HTTPStatus, bytes]:
        worker = self._worker
        hung = worker is not None and monotonic() - worker.turned_at > _HUNG_SECONDS
        return _page(["the worker does not go on"] if hung else [])

    def _ready(self) -> tuple[HTTPStatus, bytes]:
        problems = list(self._of_database)
        if self._holdings is None or not self._holdings.joined:
            problems.append("the worker is not in the group of the buffer")
        return _page(problems)


def _page(problems: list[str]) -> tuple[HTTPStatus, bytes]:
    status = HTTPStatus.SERVICE_UNAVAILABLE if problems else HTTPStatus.OK
    health = WorkerHealth("unavailable" if problems else "ok", problems)
    return status, msgspec.json.encode(health)
