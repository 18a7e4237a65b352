"""Database and service that are started again when they end, as a supervisor of services does.

Docker Compose and systemd do the same: PostgreSQL restarts itself after the death of a backend,
but nobody restarts a postmaster that was killed.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

import psycopg

from loadtests.support import processes, small_disk
from service.embedded import Cluster, EmbeddedError
from service.embedded.ports import free_port
from service.migrate import migrate

_LOOK_SECONDS = 0.2


class Waited(NamedTuple):
    """Readings that were acknowledged and not stored yet, and how long storing them took."""

    readings: int
    seconds: float


class Installation:
    """The service on its database, both under supervision; `write_timeout` as the service has it.

    `disk_bytes`: put the database on a file system of its own that is no larger.
    """

    def __init__(self, write_timeout: float, disk_bytes: int | None, log: Path) -> None:
        self.write_timeout = write_timeout
        self.port = free_port()
        self.directory = Path(tempfile.mkdtemp(prefix="wattledger-chaos-"))
        self.directory.chmod(0o755)
        self.has_small_disk = disk_bytes is not None and small_disk.mount(
            self.directory, disk_bytes
        )
        self.cluster = Cluster(self.directory / "cluster", port=0)
        # what a fault keeps down on purpose
        self.hold_database = False
        self.restarts = 0
        # what the service is told beside the usual
        self.environment: dict[str, str] = {}
        self._log = log
        self._service: subprocess.Popen[bytes] | None = None
        self._ending = threading.Event()
        self._watch = threading.Thread(target=self._watch_for_ever, name="supervisor")

    def __enter__(self) -> Installation:
        self.cluster.start()
        passwords = {"wattledger_service": self.cluster.password_of("wattledger_service")}
        migrate(self.cluster.url(), lambda _: None, passwords)
        self.database_url = self.cluster.url("wattledger_service")
        self.admin_url = self.cluster.url()
        self._log.parent.mkdir(parents=True, exist_ok=True)
        self._log.write_bytes(b"")
        self._start_service()
        self._watch.start()
        self.wait_until_ready(30)
        return self

    def __exit__(self, *_: object) -> None:
        self._ending.set()
        self._watch.join()
        if self._service is not None and self._service.poll() is None:
            self._service.send_signal(signal.SIGTERM)
            try:
                self._service.wait(30)
            except subprocess.TimeoutExpired:
                self._service.kill()
                self._service.wait()
        with suppress(EmbeddedError):
            self.cluster.stop()
        if self.has_small_disk:
            small_disk.unmount(self.directory)
        shutil.rmtree(self.directory, ignore_errors=True)

    @property
    def service_pid(self) -> int:
        """The process that supervises the service's workers."""
        assert self._service is not None
        return self._service.pid

    def workers(self) -> list[int]:
        """The processes that answer requests."""
        return processes.workers(self.service_pid)

    def memory_mb(self) -> float:
        """Resident memory of the service, in MB; 0 while its processes change."""
        with suppress(OSError):
            return processes.resident_bytes([self.service_pid, *self.workers()]) / 1e6
        return 0.0

    def is_ready(self) -> bool:
        """Whether /health/ready says so."""
        url = f"http://127.0.0.1:{self.port}/health/ready"
        try:
            with urllib.request.urlopen(url, timeout=5):
                return True
        except (urllib.error.URLError, OSError):
            return False

    def wait_until_ready(self, seconds: float) -> None:
        """Return when it is. Raises TimeoutError."""
        deadline = time.monotonic() + seconds
        while not self.is_ready():
            if time.monotonic() > deadline:
                raise TimeoutError(f"not ready after {seconds:g} s; {self._log} may say why")
            time.sleep(0.05)

    def connect(self) -> psycopg.Connection[tuple[object, ...]]:
        """A superuser's connection, in autocommit mode."""
        return psycopg.connect(self.admin_url, autocommit=True, connect_timeout=5)

    def backends(self, application: str = "wattledger ingest") -> list[int]:
        """Process ids of the database's sessions of the service."""
        with self.connect() as connection:
            rows = connection.execute(
                "SELECT a.pid FROM pg_stat_activity AS a WHERE a.application_name = %s",
                [application],
            )
            return [int(str(pid)) for (pid,) in rows]

    def command(self, *arguments: str) -> subprocess.Popen[bytes]:
        """Start `wattledger` with arguments on the database, as its superuser."""
        return subprocess.Popen(
            [Path(sys.executable).with_name("wattledger"), *arguments],
            env={**os.environ, "DATABASE_URL": self.admin_url},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

    def _start_service(self) -> None:
        with self._log.open("ab") as output:
            self._service = subprocess.Popen(
                [Path(sys.executable).with_name("wattledger"), "serve", "--port", str(self.port)],
                env={
                    **os.environ,
                    "DATABASE_URL": self.database_url,
                    "WATTLEDGER_WRITE_TIMEOUT_SECONDS": str(self.write_timeout),
                    "WATTLEDGER_ACCESS_LOG": "false",
                    **self.environment,
                },
                stdout=output,
                stderr=subprocess.STDOUT,
            )

    def _watch_for_ever(self) -> None:
        while not self._ending.wait(_LOOK_SECONDS):
            assert self._service is not None
            if self._service.poll() is not None:
                self.restarts += 1
                self._start_service()
            if not self.hold_database and not self.cluster.status().running:
                with suppress(EmbeddedError, psycopg.Error):  # tried again
                    self.cluster.start()
            self.look_after()

    def look_after(self) -> None:
        """Start again what else has ended; called by the supervisor now and then."""

    def wait_until_stored(self) -> Waited | None:
        """Wait until all that is acknowledged is stored; None where that is always so."""
        return None
