"""What the producer's thread tells the event loop: each record's end, once, whoever is faster."""

from __future__ import annotations

import asyncio
import sys
import threading
from collections.abc import Iterator
from functools import partial

import pytest

from service.buffer.telling import Telling

ENDS = 50_000


@pytest.fixture
def switching() -> Iterator[None]:
    """Threads take turns as often as they can."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


@pytest.mark.usefixtures("switching")
def test_every_end_is_told_while_the_loop_is_as_fast_as_the_thread() -> None:
    told: list[int] = []

    async def listen() -> None:
        telling = Telling(asyncio.get_running_loop())

        def end() -> None:
            for number in range(ENDS):
                telling.put(partial(told.append, number))

        thread = threading.Thread(target=end)
        thread.start()
        while thread.is_alive():  # noqa: ASYNC110  the loop is to be busy
            await asyncio.sleep(0)
        # for the last wake-up
        await asyncio.sleep(0.1)

    asyncio.run(listen())
    assert told == [*range(ENDS)]


def test_one_who_fails_when_told_keeps_nobody_else_from_it() -> None:
    told: list[int] = []

    def fail() -> None:
        raise ValueError

    async def listen() -> list[object]:
        loop = asyncio.get_running_loop()
        failed: list[object] = []
        loop.set_exception_handler(lambda _, context: failed.append(context["exception"]))
        telling = Telling(loop)
        for tell in (fail, partial(told.append, 1), fail, partial(told.append, 2)):
            telling.put(tell)
        await asyncio.sleep(0.1)
        return failed

    failed = asyncio.run(listen())
    assert [type(one) for one in failed] == [ValueError, ValueError]
    assert told == [1, 2]
