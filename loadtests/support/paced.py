"""Clients that each send one request after another, at a rate in all, until told to stop."""

from __future__ import annotations

import asyncio
import random
import time
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable

from loadtests.support.client import Client

# how many readings a request has, and how it is sent
Request = tuple[int, Callable[[Client], Awaitable[None]]]


class Paced(ABC):
    """Keeps clients busy with the requests that a subclass chooses."""

    def __init__(self, port: int, key: str, clients: int) -> None:
        # readings per second in all; None: as fast as they are acknowledged
        self.rate: float | None = None
        self._port = port
        self._key = key
        self._clients = clients
        self._running = asyncio.Event()
        self._busy = 0
        self._idle = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []

    @abstractmethod
    def choose(self, client: int, chance: random.Random) -> Request:
        """The next request of a client, by its number."""

    def start(self) -> None:
        """Start to send."""
        self._running.set()
        self._tasks = [
            asyncio.create_task(self._send_for_ever(number)) for number in range(self._clients)
        ]

    async def pause(self) -> None:
        """Send nothing new; return when all that was sent is answered."""
        self._running.clear()
        while self._busy:
            self._idle.clear()
            await self._idle.wait()

    def go_on(self) -> None:
        """Send again."""
        self._running.set()

    async def stop(self) -> None:
        """End."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        # in which closed connections go
        await asyncio.sleep(0.1)

    async def _send_for_ever(self, number: int) -> None:
        client = Client(self._port, self._key)
        try:
            await self._send_by(client, number)
        finally:
            client.close()

    async def _send_by(self, client: Client, number: int) -> None:
        chance = random.Random(number)
        due = time.monotonic() + chance.random()
        while True:
            await self._running.wait()
            size, send = self.choose(number, chance)
            if self.rate is not None:
                now = time.monotonic()
                # what a fault held up is not sent all at once
                due = max(due + size * self._clients / self.rate, now - 1)
                if due > now:
                    await asyncio.sleep(due - now)
                    await self._running.wait()
            self._busy += 1
            try:
                await send(client)
            finally:
                self._busy -= 1
                if not self._busy:
                    self._idle.set()
