"""Full disk of a process: a file system of its own that is filled, else a limit on its files."""

from __future__ import annotations

import os
import resource
import subprocess
import time
from collections.abc import Generator
from contextlib import contextmanager, suppress
from pathlib import Path


def mount(directory: Path, size: int) -> bool:
    """Put a small file system at a directory; false where this user, or machine, may not."""
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={size},mode=755", "tmpfs", directory],
        capture_output=True,
        check=False,
    )
    return done.returncode == 0


def unmount(directory: Path) -> None:
    """Take it away again, whoever still uses it."""
    subprocess.run(["umount", "-l", directory], check=False)


def fill(ballast: Path, seconds: float) -> None:
    """Take all room beside a file for some seconds, then give it back."""
    deadline = time.monotonic() + seconds
    try:
        with ballast.open("wb") as file:
            while time.monotonic() < deadline:
                # again, since what is freed meanwhile, such as a file of the log, is taken too
                for step in (1 << 26, 1 << 20, 1 << 12):
                    with suppress(OSError):
                        while True:
                            size = file.seek(0, os.SEEK_END)
                            os.posix_fallocate(file.fileno(), size, step)
                time.sleep(0.1)
    finally:
        ballast.unlink()


@contextmanager
def no_room(pid: int) -> Generator[None]:
    """Let a process write into no file: each write fails, as on a full disk."""
    before = resource.prlimit(pid, resource.RLIMIT_FSIZE)
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (0, before[1]))
    try:
        yield
    finally:
        with suppress(ProcessLookupError):  # it ended, as it may
            resource.prlimit(pid, resource.RLIMIT_FSIZE, before)
