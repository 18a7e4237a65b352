"""Thread of a client's own, which nobody has to wait for at the end."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from queue import SimpleQueue
from threading import Thread
from typing import Any, TypeVar

T = TypeVar("T")
_Call = tuple[Callable[[], Any], "asyncio.Future[Any]"]


class OwnThread:
    """Makes calls, one after the other; unlike an executor's, it does not keep the process alive.

    A client's call may never return while its brokers are away.
    """

    def __init__(self, name: str) -> None:
        self._calls: SimpleQueue[_Call | None] = SimpleQueue()
        Thread(target=self._work, name=name, daemon=True).start()

    def call(self, function: Callable[[], T]) -> asyncio.Future[T]:
        """Have a function called; what becomes of it."""
        answer: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        self._calls.put((function, answer))
        return answer

    def end(self) -> None:
        """End it after what it was asked for."""
        self._calls.put(None)

    def _work(self) -> None:
        while (call := self._calls.get()) is not None:
            function, answer = call
            try:
                result, error = function(), None
            except Exception as raised:
                result, error = None, raised
            # the loop is closed where nobody waits any more
            with suppress(RuntimeError):
                answer.get_loop().call_soon_threadsafe(_settle, answer, result, error)


def _settle(answer: asyncio.Future[Any], result: Any, error: Exception | None) -> None:
    if answer.done():
        return
    if error is None:
        answer.set_result(result)
    else:
        answer.set_exception(error)
