"""Brokers, a database, the service and workers: the whole buffered path on one machine."""

from __future__ import annotations

import os
import signal
from contextlib import ExitStack
from pathlib import Path

from loadtests.support import keys, stack
from loadtests.support.buffer import Buffer, Workers
from service.embedded import Cluster


class Installation:
    """All that runs; a worker that was killed is started again, as a supervisor would."""

    def __init__(self, stacked: ExitStack, logs: Path, partitions: int, workers: int) -> None:
        """Start it; what `stacked` ends, ends it. The logs go to a folder."""
        self._stacked = stacked
        self._logs = logs
        self.buffer = Buffer(stacked, partitions)
        self.brokers = self.buffer.brokers
        self.database: Cluster = stacked.enter_context(stack.database())
        self.key = os.environ[keys.VARIABLE]
        self.service = self.start_service("buffered-service", WATTLEDGER_BUFFER=self.buffer.url)
        environment = {
            "DATABASE_URL": self.database.url("wattledger_service"),
            "WATTLEDGER_BUFFER": self.buffer.url,
        }
        self.workers = Workers(environment, logs / "buffered-workers.log")
        stacked.callback(self.workers.stop_all)
        self._count = workers
        self.start_workers()

    def start_service(self, name: str, **environment: str) -> stack.Server:
        """Start a service with one worker, and settings of its own, on the database."""
        url, log = self.database.url("wattledger_service"), self._logs / f"{name}.log"
        environment = {"WATTLEDGER_ACCESS_LOG": "false", **environment}
        server = stack.wattledger(url, log, "--workers", "1", **environment)
        return self._stacked.enter_context(server)

    def start_workers(self) -> None:
        """Start as many as there are to be."""
        for _ in range(self._count):
            self.workers.start()

    def kill_broker(self) -> None:
        """End one of the brokers at once, as a machine that fails."""
        self.brokers.each[0].stop()

    def start_broker(self) -> None:
        """Start it again."""
        self.brokers.each[0].start()

    def kill_worker(self) -> None:
        """End one of the workers at once, and start another in its place."""
        self.workers.kill()
        self.workers.start()

    def kill_database(self) -> None:
        """End the database at once."""
        os.kill(self.database.postmaster_pid(), signal.SIGKILL)

    def start_database(self) -> None:
        """Start it again."""
        self.database.start()
