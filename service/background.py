"""Background tasks, and how they end."""

from __future__ import annotations

import asyncio
from typing import Any

# what ends in order, such as a query that is taken back, has that long for it
_AGAIN_SECONDS = 3.0


async def ended(*tasks: asyncio.Task[Any] | None) -> None:
    """Cancel tasks (None: it was never started), and return when all have ended.

    They are cancelled until they do: `asyncio.wait_for`, which drivers use, loses what comes in the
    moment in which what it waits for is there. Raises what a task raised.
    """
    given = [task for task in tasks if task is not None]
    running = set(given)
    while running:
        for task in running:
            task.cancel()
        _, running = await asyncio.wait(running, timeout=_AGAIN_SECONDS)
    for task in given:
        if not task.cancelled():
            task.result()
