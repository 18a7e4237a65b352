"""What postmaster.pid says of a server, whoever started it, and how to stop that server."""

import os
import signal
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

from service.embedded.errors import EmbeddedError

# above what any system numbers its processes with
_NOBODYS_PID = 2**31 - 1


class Ended(Exception):
    """A server ended while it was waited for."""


@dataclass(frozen=True)
class Postmaster:
    """A running server: its process id, its port, and whether it accepts connections yet."""

    pid: int
    port: int
    ready: bool


def running(data: Path) -> Postmaster | None:
    """The server that runs on a data directory, or null.

    The file outlives a killed server and its number may since belong to another process, so the
    process counts only where its arguments are those of a server on this directory. (Its working
    directory would tell too, but root in a container may not look at that.)
    """
    try:
        lines = (data / "postmaster.pid").read_text().splitlines()
        pid, port = int(lines[0]), int(lines[3])
    except (OSError, ValueError, IndexError):
        return None
    arguments = _arguments(pid)
    if not any(f" -D {path} " in arguments for path in (data, data.resolve())):
        return None
    return Postmaster(pid, port, ready=len(lines) > 7 and lines[7].strip() == "ready")


def wait_until_ready(data: Path, seconds: float = 120.0) -> None:
    """Wait for a running server to accept connections.

    Raises Ended if it ends instead, EmbeddedError if it takes too long.
    """
    deadline = time.monotonic() + seconds
    while (found := running(data)) is not None and not found.ready:
        if time.monotonic() > deadline:
            raise EmbeddedError(
                f"PostgreSQL (process {found.pid}) does not accept connections after"
                f" {seconds:.0f} s: see its log in {data.parent / 'log'}"
            )
        time.sleep(0.05)
    if found is None:
        raise Ended(f"PostgreSQL ended by itself: see its log in {data.parent / 'log'}")


def forget_stale(data: Path) -> None:
    """Make way for a new server where one was killed and its number belongs to another by now.

    PostgreSQL would take that other process for the server. Only the number is replaced: from the
    rest of the file PostgreSQL knows the shared memory, and sees whether it is still in use.
    """
    path = data / "postmaster.pid"
    if not path.exists() or running(data):
        return
    lines = path.read_text().splitlines(keepends=True)
    if len(lines) < 2:  # killed while it wrote the file, before it had any shared memory
        path.unlink()
        return
    lines[0] = f"{_NOBODYS_PID}\n"
    with path.open("r+") as file:  # not a new file: this one belongs to the server's user
        file.write("".join(lines))
        file.truncate()


def stop(data: Path, seconds: float = 60.0) -> None:
    """End a server's connections, then the server, if it runs. Raises EmbeddedError."""
    found = running(data)
    if found is None:
        return
    os.kill(found.pid, signal.SIGINT)  # "fast" in PostgreSQL's words
    deadline = time.monotonic() + seconds
    while running(data):
        if time.monotonic() > deadline:
            raise EmbeddedError(
                f"PostgreSQL (process {found.pid}) did not stop within {seconds:.0f} s: see its"
                f" log in {data.parent / 'log'}"
            )
        time.sleep(0.05)


def kill(data: Path, seconds: float = 10.0) -> None:
    """End a server that does not stop when told to. Raises EmbeddedError."""
    deadline = time.monotonic() + seconds
    while (found := running(data)) is not None:
        if time.monotonic() > deadline:
            raise EmbeddedError(f"PostgreSQL (process {found.pid}) cannot be killed")
        os.kill(found.pid, signal.SIGKILL)
        time.sleep(0.05)


def _arguments(pid: int) -> str:
    """A process's arguments with a space around each; empty if it is dead or a zombie."""
    if Path("/proc/self").exists():
        try:
            words = Path(f"/proc/{pid}/cmdline").read_bytes()
        except OSError:
            return ""
        return " " + words.replace(b"\0", b" ").decode(errors="replace") + " "
    listed = subprocess.run(
        ["ps", "-ww", "-o", "args=", "-p", str(pid)], capture_output=True, text=True, check=False
    )
    return f" {listed.stdout.strip()} "
