"""Watch over the brokers: whether they acknowledge what is sent, and how many partitions are."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from contextlib import suppress
from time import monotonic

from confluent_kafka import KafkaException

from service.background import ended
from service.buffer.address import Address
from service.buffer.record import EMPTY
from service.buffer.sender import Sender
from service.buffer.topic import tell_warnings

_log = logging.getLogger(__name__)

_WATCH_SECONDS = 1.0
_LOOK_SECONDS = 3.0
# brokers of which one is lost are silent for as long as it takes them to choose another
_STALLED_SECONDS = 12.0
# where nothing is sent for so long, an empty record tells whether it would be acknowledged
_UNHEARD_SECONDS = 10.0


class Watch:
    """Knows whether records are acknowledged: by those that are sent, else by an empty one."""

    def __init__(self, address: Address, sender: Sender, grown: Callable[[int], None]) -> None:
        """`grown` is told of the number of partitions, whenever it was looked at."""
        self._address = address
        self._sender = sender
        self._grown = grown
        self.connected = False
        self._told: bool | None = None
        # since when something is under way, or was acknowledged last; None where nothing is
        self._waits_since: float | None = None
        self._heard_at = monotonic()
        self._probing_since: float | None = None
        self._warned = False
        self._attempted = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Start; return when a broker took a record, or did not for some seconds."""
        self._task = asyncio.create_task(self._look_for_ever())
        with suppress(TimeoutError):
            await asyncio.wait_for(self._attempted.wait(), _LOOK_SECONDS)

    async def stop(self) -> None:
        """End."""
        await ended(self._task)

    def busy(self) -> None:
        """Something is under way from now on."""
        if self._waits_since is None:
            self._waits_since = monotonic()

    def idle(self) -> None:
        """Nothing is under way any more."""
        self._waits_since = None

    def note(self, problem: str | None) -> None:
        """Remember what became of a record, and say so where that is new."""
        if problem is None:
            self._heard_at = monotonic()
            if self._waits_since is not None:
                self._waits_since = self._heard_at
        self.connected = problem is None
        if self.connected == self._told:
            return
        self._told = self.connected
        if problem is None:
            _log.warning("the buffer takes readings")
        else:
            cause = f"; {self._sender.problem}" if self._sender.problem else ""
            _log.warning("the buffer takes no readings, trying on: %s%s", problem, cause)

    async def _look_for_ever(self) -> None:
        while True:
            try:
                await self._look()
            except KafkaException as error:
                # records that are under way tell better than who knows where the brokers are
                if self._waits_since is None:
                    self.note(error.args[0].str())
            except Exception:
                _log.exception("looking at the buffer failed")
            for since in (self._waits_since, self._probing_since):
                if since is not None and monotonic() - since > _STALLED_SECONDS:
                    self.note("no broker acknowledges anything")
            await asyncio.sleep(_WATCH_SECONDS)

    async def _look(self) -> None:
        self._grown(await asyncio.to_thread(self._sender.partitions, _LOOK_SECONDS))
        if not self._warned:
            await asyncio.to_thread(tell_warnings, self._address, _LOOK_SECONDS)
            self._warned = True
        unheard = monotonic() - self._heard_at > _UNHEARD_SECONDS
        if (
            (unheard or not self.connected)
            and self._probing_since is None
            and self._sender.send(0, EMPTY, self._probed)
        ):
            self._probing_since = monotonic()

    def _probed(self, problem: str | None) -> None:
        self._probing_since = None
        self._attempted.set()
        self.note(problem)
