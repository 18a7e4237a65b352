"""Background tasks end, even those that lose what tells them to."""

from __future__ import annotations

import asyncio

import pytest

from service import background
from service.background import ended


async def deaf(times: int) -> None:
    """Go on for ever, and lose the first requests to end."""
    while True:
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            if not times:
                raise
            times -= 1


async def failing() -> None:
    raise ValueError("as it is")


@pytest.mark.parametrize("times", [0, 1, 3])
def test_a_task_that_loses_a_request_to_end_is_asked_again(
    times: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(background, "_AGAIN_SECONDS", 0.05)

    async def run() -> list[bool]:
        tasks = [asyncio.create_task(deaf(times)), asyncio.create_task(deaf(0))]
        await asyncio.sleep(0)
        await ended(None, *tasks)
        return [task.cancelled() for task in tasks]

    assert asyncio.run(asyncio.wait_for(run(), 30)) == [True, True]


def test_what_a_task_raised_is_raised() -> None:
    async def run() -> None:
        task = asyncio.create_task(failing())
        await asyncio.sleep(0)
        await ended(task)

    with pytest.raises(ValueError, match="as it is"):
        asyncio.run(run())
