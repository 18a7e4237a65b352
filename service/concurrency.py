"""Callbacks, awaited."""

import asyncio
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


async def told(ask: Callable[[Callable[[T | Exception], None]], None]) -> T:
    """Call `ask` with a callback; return what that is told, or raise it where it is an error.

    Raises what `ask` itself raises, too.
    """
    answer: asyncio.Future[T] = asyncio.get_running_loop().create_future()

    def tell(what: T | Exception) -> None:
        if answer.done():  # who waited is gone
            return
        if isinstance(what, Exception):
            answer.set_exception(what)
        else:
            answer.set_result(what)

    ask(tell)
    return await answer
