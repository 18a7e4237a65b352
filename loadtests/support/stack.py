"""Throw-away database and the processes measured on it, removed at the end of a run."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from loadtests.support import keys
from service.embedded import Cluster
from service.embedded.ports import free_port
from service.migrate import migrate

INGEST_PATH = "/v1/ingest"
OUT = Path(__file__).parents[1] / "out"
_ROOT = Path(__file__).parents[2]
_PATIENCE_SECONDS = 30.0


class ServerFailed(Exception):
    """A server that was to be measured did not come up; its log says why."""


class Server:
    """A process that answers HTTP on a port of this machine."""

    def __init__(self, process: subprocess.Popen[bytes], port: int) -> None:
        self.pid = process.pid
        self.port = port
        self.url = f"http://127.0.0.1:{port}"


@contextmanager
def database(settings: Mapping[str, str] | None = None) -> Iterator[Cluster]:
    """A migrated embedded database with the durable settings that users get, and a key in it."""
    parent = Path(tempfile.mkdtemp(prefix="wattledger-load-"))
    parent.chmod(0o755)
    cluster = Cluster(parent / "cluster", port=0, settings=settings)
    try:
        cluster.start()
        passwords = {"wattledger_service": cluster.password_of("wattledger_service")}
        migrate(cluster.url(), lambda _: None, passwords)
        os.environ[keys.VARIABLE] = keys.make_key(cluster.url())
        yield cluster
    finally:
        os.environ.pop(keys.VARIABLE, None)
        cluster.stop()
        shutil.rmtree(parent, ignore_errors=True)


@contextmanager
def wattledger(database_url: str, log: Path, *options: str, **environment: str) -> Iterator[Server]:
    """The service as users run it, its output in a file; `environment` is added to this one."""
    command = [Path(sys.executable).with_name("wattledger"), "serve", *options]
    with server(command, database_url, "/health/ready", log, environment) as started:
        yield started


@contextmanager
def server(
    command: Sequence[str | Path],
    database_url: str,
    ready_path: str,
    log: Path,
    environment: Mapping[str, str] | None = None,
) -> Iterator[Server]:
    """A server started by a command that takes --port, stopped at the end.

    Raises ServerFailed where it is not ready in time.
    """
    port = free_port()
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("wb") as output:
        process = subprocess.Popen(
            [*command, "--port", str(port)],
            cwd=_ROOT,
            env={**os.environ, "DATABASE_URL": database_url, **(environment or {})},
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    started = Server(process, port)
    try:
        _wait_until_ready(process, started.url + ready_path, log)
        yield started
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(_PATIENCE_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _wait_until_ready(process: subprocess.Popen[bytes], url: str, log: Path) -> None:
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while process.poll() is None and time.monotonic() < deadline:
        try:
            with urllib.request.urlopen(url, timeout=2):  # noqa: S310  our own URL
                return
        except (urllib.error.URLError, OSError):
            time.sleep(0.1)
    raise ServerFailed(f"{url} is not ready; {log} ends: {log.read_text()[-500:]}")
