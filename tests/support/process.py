"""A real `wattledger serve`, as a process of its own, that tests may kill."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import httpx

from loadtests.support import processes
from tests.support.http import wait_until_ready

COMMAND = Path(sys.executable).with_name("wattledger")


def free_port() -> int:
    """A TCP port that nobody listens on."""
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Service:
    """A running service: where it answers, and its process."""

    def __init__(self, process: subprocess.Popen[bytes], port: int) -> None:
        self.process = process
        self.url = f"http://127.0.0.1:{port}"

    def status(self, path: str = "/health/ready") -> int:
        """The status of a GET, 0 where nobody answers."""
        try:
            return httpx.get(f"{self.url}{path}", timeout=5).status_code
        except httpx.TransportError:
            return 0

    def workers(self) -> list[int]:
        """The process ids of its workers."""
        return processes.workers(self.process.pid)


@contextmanager
def working(database_url: str, log: Path, **environment: str) -> Iterator[subprocess.Popen[bytes]]:
    """Start `wattledger worker`, which writes into a log; stop it at the end."""
    with log.open("ab") as output:
        process = subprocess.Popen(
            [COMMAND, "worker"],
            env={**os.environ, "DATABASE_URL": database_url, **environment},
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    try:
        yield process
    finally:
        end(process)


def end(process: subprocess.Popen[bytes]) -> None:
    """Ask a process to stop in order, and end it where it does not."""
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


@contextmanager
def serving(
    database_url: str,
    *options: str,
    output: Path | None = None,
    wait_for_path: str = "/health/ready",
    **environment: str,
) -> Iterator[Service]:
    """Start a service on a database and wait until that path answers; stop it at the end.

    `database_url`: empty for the embedded database; `output`: the file for all that it says.
    """
    port = free_port()
    if database_url:
        environment = {"DATABASE_URL": database_url, **environment}
    with (output or Path(os.devnull)).open("wb") as file:
        process = subprocess.Popen(
            [COMMAND, "serve", "--port", str(port), *options],
            env={**os.environ, **environment},
            stdout=file,
            stderr=file,
        )
    service = Service(process, port)
    try:
        wait_until_ready(lambda: service.status(wait_for_path), seconds=60)
        yield service
    finally:
        end(process)
