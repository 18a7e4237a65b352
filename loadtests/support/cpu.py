"""Processor time that a tree of processes took, from /proc."""

from __future__ import annotations

import os
import resource
import time
from contextlib import suppress
from pathlib import Path

_TICKS = os.sysconf("SC_CLK_TCK")


def seconds(root: int) -> float:
    """Processor seconds of a process, its descendants, and those of its that have ended."""
    total = 0
    todo = [root]
    while todo:
        pid = todo.pop()
        with suppress(OSError):  # it may end while we look
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            total += sum(int(field) for field in fields[11:15])
            for task in Path(f"/proc/{pid}/task").iterdir():
                todo += [int(child) for child in (task / "children").read_text().split()]
    return total / _TICKS


def _own() -> float:
    used = 0.0
    for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN):
        usage = resource.getrusage(who)
        used += usage.ru_utime + usage.ru_stime
    return used


def _everybody() -> float:
    """Processor seconds of the whole machine that were not idle."""
    with Path("/proc/stat").open() as lines:
        user, nice, system, _idle, _iowait, *interrupts = map(int, lines.readline().split()[1:8])
    return (user + nice + system + sum(interrupts)) / _TICKS


class Stopwatch:
    """Tells how many cores each of some processes, and the load generator, used since its start."""

    def __init__(self, **roots: int) -> None:
        self._roots = roots
        self._began = time.monotonic()
        self._before = self._now()

    def _now(self) -> dict[str, float]:
        used = {"generator": _own(), **{name: seconds(pid) for name, pid in self._roots.items()}}
        # the rest of the machine, which ought to be nothing while we measure
        used["others"] = _everybody() - sum(used.values())
        return used

    def cores(self) -> dict[str, float]:
        """Cores in use on average, by name; `generator` is this process and those it waited for."""
        wall = time.monotonic() - self._began
        return {name: (after - self._before[name]) / wall for name, after in self._now().items()}
