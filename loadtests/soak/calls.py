"""Calls of SQL beside the load, each in turns of its own, with every failure on record."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, LiteralString

import psycopg

_LONGEST_MESSAGE = 160
_ATTEMPTS = 5
_SETTINGS = """
SELECT set_config(split_part(c.s, '=', 1), substr(c.s, strpos(c.s, '=') + 1), FALSE)
FROM pg_db_role_setting AS r
CROSS JOIN unnest(r.setconfig) AS c (s)
WHERE r.setdatabase = 0 AND r.setrole = %s::regrole
"""


class Calls:
    """How often each was called, how long it took at most, and how it failed."""

    def __init__(self) -> None:
        self.count: Counter[str] = Counter()
        self.slowest_seconds: dict[str, float] = {}
        # by call and message
        self.failures: Counter[tuple[str, str]] = Counter()
        # what one of our rules refused, and was tried again after what its hint says
        self.refusals: Counter[tuple[str, str]] = Counter()

    def note(self, name: str, seconds: float, error: psycopg.Error | None, *, last: bool) -> None:
        """Note a call, and its error where it failed; unless `last` a refusal is no failure yet."""
        self.count[name] += 1
        self.slowest_seconds[name] = max(seconds, self.slowest_seconds.get(name, 0.0))
        if error is not None:
            message = f"{error.sqlstate}: {str(error).splitlines()[0]}"
            counter = self.failures if last or not is_refusal(error) else self.refusals
            counter[name, message[:_LONGEST_MESSAGE]] += 1


def is_refusal(error: psycopg.Error) -> bool:
    """Whether a rule of ours refused it, and said what to do first."""
    return (error.sqlstate or "").startswith("WL")


class Caller:
    """A session of one role, opened again where it was lost."""

    def __init__(self, admin_url: str, role: LiteralString | None, calls: Calls) -> None:
        self._url = admin_url
        self._role = role
        self._calls = calls
        self._connection: psycopg.AsyncConnection[Any] | None = None

    async def call(
        self, name: str, query: LiteralString, parameters: Sequence[object] = ()
    ) -> list[Any]:
        """Run a statement; return its rows, none where it failed, which is noted."""
        began = time.monotonic()
        error = None
        try:
            return await self._run(query, parameters)
        except psycopg.Error as raised:
            error = raised
            return []
        finally:
            self._calls.note(name, time.monotonic() - began, error, last=True)

    async def call_until_allowed(
        self,
        name: str,
        query: LiteralString,
        parameters: Sequence[object],
        meanwhile: Callable[[], Awaitable[object]],
    ) -> list[Any]:
        """The same, but where a rule of ours refuses it do something else, and try it again."""
        for attempt in range(1, _ATTEMPTS + 1):
            began = time.monotonic()
            error = None
            try:
                return await self._run(query, parameters)
            except psycopg.Error as raised:
                error = raised
            finally:
                last = attempt == _ATTEMPTS
                self._calls.note(name, time.monotonic() - began, error, last=last)
            if not is_refusal(error):
                break
            await meanwhile()
        return []

    async def _run(self, query: LiteralString, parameters: Sequence[object]) -> list[Any]:
        connection = await self._open()
        cursor = await connection.execute(query, parameters)
        return await cursor.fetchall() if cursor.description else []

    async def close(self) -> None:
        """End the session."""
        if self._connection is not None:
            await self._connection.close()

    async def _open(self) -> psycopg.AsyncConnection[Any]:
        if self._connection is None or self._connection.closed:
            self._connection = await psycopg.AsyncConnection.connect(
                self._url, autocommit=True, application_name="wattledger soak"
            )
            if self._role is not None:
                # with the role's own settings, as its login has them
                await self._connection.execute(_SETTINGS, [self._role])
                await self._connection.execute("SET SESSION AUTHORIZATION " + self._role)
        return self._connection


async def every(seconds: float, ending: asyncio.Event) -> bool:
    """Wait for the next turn; false where the end comes first."""
    try:
        async with asyncio.timeout(seconds):
            await ending.wait()
    except TimeoutError:
        return True
    return False
