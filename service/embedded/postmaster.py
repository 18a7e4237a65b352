"""What postmaster.pid and /proc say of a server, whoever started it."""

import time
from dataclasses import dataclass
from pathlib import Path

from service.embedded.errors import EmbeddedError


@dataclass(frozen=True)
class Postmaster:
    """A running server: its process id and its port."""

    pid: int
    port: int


def running(data: Path) -> Postmaster | None:
    """The server that runs on a data directory, or null.

    The file outlives a killed server and its number may since belong to another process, so the
    process counts only where it works in this directory, as a postmaster does.
    """
    try:
        lines = (data / "postmaster.pid").read_text().splitlines()
        pid, port = int(lines[0]), int(lines[3])
    except (OSError, ValueError, IndexError):
        return None
    return Postmaster(pid, port) if _works_in(pid, data) else None


def clear_stale(data: Path, patience_seconds: float = 20.0) -> None:
    """Make way for a new server after one was killed.

    Its children may live on for a moment and still write, so they are waited for before the file
    that PostgreSQL would notice them by is removed. Raises EmbeddedError where they stay.
    """
    if running(data):
        return
    deadline = time.monotonic() + patience_seconds
    while left := [pid for pid in _processes() if _works_in(pid, data)]:
        if time.monotonic() > deadline:
            raise EmbeddedError(
                f"processes {', '.join(map(str, left))} of a server that was killed still use"
                f" {data}: end them, then start again"
            )
        time.sleep(0.1)
    (data / "postmaster.pid").unlink(missing_ok=True)


def _processes() -> list[int]:
    return [int(path.name) for path in Path("/proc").iterdir() if path.name.isdecimal()]


def _works_in(pid: int, data: Path) -> bool:
    try:
        return Path(f"/proc/{pid}/cwd").resolve(strict=True) == data.resolve()
    except OSError:
        return False
