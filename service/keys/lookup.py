"""Question about keys to one database: of many keys at once, one question at a time."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import msgspec

from service.background import ended
from service.database.errors import DatabaseUnavailable
from service.database.pool import Calls
from service.keys.credential import Credential
from service.keys.grant import Grant

_MOST_ASKED = 1_000
_MOST_WAITING = 20_000

Told = Grant | Exception


class Authenticated(msgspec.Struct):
    """A row of api.authenticate."""

    place: int
    refusal: str | None
    scopes: list[str] | None
    every_device: bool | None
    meters: list[str] | None
    vehicles: list[str] | None
    expires_in_seconds: float | None
    readings_per_second: float | None
    burst_readings: float | None


class Lookup:
    """Asks a database what keys may do, and tells all who wait for it."""

    def __init__(self, database: Calls, take: Callable[[Credential, Authenticated], Grant]) -> None:
        """`take` makes a grant of what the database says of a key, and may keep it."""
        self._database = database
        self._take = take
        self._waiting: dict[Credential, list[Callable[[Told], None]]] = {}
        self._task: asyncio.Task[None] | None = None

    async def stop(self) -> None:
        """End; who still waits is told that the database is away."""
        await ended(self._task)
        self._tell(DatabaseUnavailable("the service is stopping"))

    def ask(self, given: Credential, tell: Callable[[Told], None]) -> None:
        """Find out what a key may do; `tell` is called once with that, or with the error.

        Raises DatabaseUnavailable where too many wait already.
        """
        if given not in self._waiting and len(self._waiting) >= _MOST_WAITING:
            raise DatabaseUnavailable("too many keys are being looked up")
        self._waiting.setdefault(given, []).append(tell)
        if self._task is None or self._task.done():
            self._task = asyncio.get_running_loop().create_task(self._look_up_all())

    async def _look_up_all(self) -> None:
        while self._waiting:
            asked = list(self._waiting)[:_MOST_ASKED]
            try:
                found = await self._database.all(
                    Authenticated,
                    "SELECT * FROM api.authenticate("
                    "key_ids => %s::text[], secrets_sha256 => %s::bytea[])",
                    [given.key_id for given in asked],
                    [given.secret_sha256 for given in asked],
                )
            except Exception as error:
                self._tell(error)
                return
            for row in found:
                given = asked[row.place]
                grant = self._take(given, row)
                for tell in self._waiting.pop(given):
                    tell(grant)

    def _tell(self, error: Exception) -> None:
        waiting, self._waiting = self._waiting, {}
        for tells in waiting.values():
            for tell in tells:
                tell(error)
