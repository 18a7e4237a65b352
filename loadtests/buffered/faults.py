"""Posting through faults, and whether what was acknowledged is stored, once."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

from loadtests.buffered.installation import Installation
from loadtests.buffered.load import Account, Load, account

_CATCH_UP_SECONDS = 300.0
_TELL_SECONDS = 30.0
# of the whole time: what happens, and when it is put right
_PLAN: tuple[tuple[float, str, Callable[[Installation], None]], ...] = (
    (0.10, "a broker is killed", Installation.kill_broker),
    (0.30, "it comes back", Installation.start_broker),
    (0.40, "a worker is killed, and another takes its place", Installation.kill_worker),
    (0.48, "one more worker starts", lambda one: one.workers.start()),
    (0.54, "a worker is told to stop", lambda one: one.workers.stop()),
    (0.60, "the database is killed", Installation.kill_database),
    (0.80, "it comes back", Installation.start_database),
)

Tell = Callable[[str], None]


async def post_through_faults(
    installation: Installation,
    load: Load,
    seconds: float,
    tell: Tell,
    *,
    cause_faults: bool = True,
) -> Account:
    """Post, wait for the workers, and compare. Raises what a fault that fails raises."""
    began = time.monotonic()

    def progress() -> str:
        return (
            f"{time.monotonic() - began:4.0f} of {seconds:.0f} s:"
            f" {len(load.acknowledged):,} acknowledged"
        )

    async def until(at: float) -> None:
        while (left := began + at - time.monotonic()) > 0:
            await asyncio.sleep(min(left, _TELL_SECONDS))
            if left > _TELL_SECONDS:
                tell(progress())

    load.start()
    for share, what, act in _PLAN if cause_faults else ():
        await until(share * seconds)
        tell(f"{progress()}; {what}")
        await asyncio.to_thread(act, installation)
    await until(seconds)
    tell(f"{progress()}; the end")
    await load.stop()
    tell(f"answers by status: {dict(sorted(load.statuses.items()))}")
    await caught_up(installation, tell)
    result = account(installation.database.url(), load)
    if codes := installation.workers.ended():
        raise RuntimeError(f"workers ended by themselves, with {codes}")
    tell(str(result))
    return result


async def caught_up(installation: Installation, tell: Tell) -> float:
    """Wait until the workers have stored all; how many seconds that took."""
    ended = time.monotonic()
    while (behind := await asyncio.to_thread(installation.buffer.lag)) > 0:
        if time.monotonic() - ended > _CATCH_UP_SECONDS:
            tell(f"the workers are {behind} records behind still")
            break
        await asyncio.sleep(0.2)
    took = time.monotonic() - ended
    tell(f"the workers had stored all {took:.1f} s after the last answer")
    return took
