"""Database that runs for a part of the time only, so that it is what limits a small machine."""

from __future__ import annotations

import multiprocessing
import os
import signal
import time
from collections.abc import Generator
from contextlib import contextmanager, suppress
from pathlib import Path

CYCLE_SECONDS = 0.2


@contextmanager
def slowed(postmaster: int, share: float) -> Generator[None]:
    """Stop and continue the processes of a database in turns; they run for a share of the time."""
    # a process of its own, which nothing keeps from its times
    process = multiprocessing.get_context("spawn").Process(
        target=_stop_and_go, args=[postmaster, share], daemon=True
    )
    process.start()
    try:
        yield
    finally:
        process.kill()
        process.join()
        _signal(postmaster, signal.SIGCONT)


def _stop_and_go(postmaster: int, share: float) -> None:
    parent = os.getppid()
    while os.getppid() == parent:
        _signal(postmaster, signal.SIGSTOP)
        time.sleep(CYCLE_SECONDS * (1 - share))
        _signal(postmaster, signal.SIGCONT)
        time.sleep(CYCLE_SECONDS * share)
    _signal(postmaster, signal.SIGCONT)


def _signal(postmaster: int, number: signal.Signals) -> None:
    """To all but the postmaster itself, which would let nobody in."""
    children = Path(f"/proc/{postmaster}/task/{postmaster}/children").read_text().split()
    for pid in children:
        with suppress(ProcessLookupError):
            os.kill(int(pid), number)
