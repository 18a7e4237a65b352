"""Processes of a running service, as /proc shows them."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

_PAGE = os.sysconf("SC_PAGE_SIZE")


def workers(supervisor: int) -> list[int]:
    """Process ids of those that answer requests. Raises OSError where one is gone meanwhile."""
    children = Path(f"/proc/{supervisor}/task/{supervisor}/children").read_text().split()
    return [
        int(pid)
        for pid in children
        # multiprocessing keeps a process of its own beside the workers
        if b"resource_tracker" not in Path(f"/proc/{pid}/cmdline").read_bytes()
    ]


def resident_bytes(pids: Iterable[int]) -> int:
    """Their resident memory in all. Raises OSError where one is gone meanwhile."""
    return sum(int(Path(f"/proc/{pid}/statm").read_text().split()[1]) for pid in pids) * _PAGE
