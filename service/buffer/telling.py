"""Telling: what a thread has for the event loop, which it wakes once for all of it."""

from __future__ import annotations

from asyncio import AbstractEventLoop
from collections import deque
from collections.abc import Callable


class Telling:
    """Hands on what threads put in, in order; waking the loop is what costs."""

    def __init__(self, loop: AbstractEventLoop) -> None:
        """`loop`: where those who wait are told."""
        self._loop = loop
        self._waiting: deque[Callable[[], None]] = deque()
        self._woken = False

    def put(self, tell: Callable[[], None]) -> None:
        """Have `tell` called in the loop; may be called by any thread."""
        # before the flag is read: the loop takes the flag back before it looks
        self._waiting.append(tell)
        if not self._woken:
            self._woken = True
            self._loop.call_soon_threadsafe(self._tell_all)

    def _tell_all(self) -> None:
        self._woken = False
        while self._waiting:
            tell = self._waiting.popleft()
            try:
                tell()
            except Exception as error:
                self._loop.call_exception_handler(
                    {"message": "who waited for a record failed", "exception": error}
                )
