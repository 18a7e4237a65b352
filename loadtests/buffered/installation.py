"""Brokers, a database, the service and workers: the whole buffered path on one machine."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path

from confluent_kafka import Consumer, TopicPartition

from loadtests.support import keys, stack
from service.embedded import Cluster
from tests.support import kafka

GROUP = "wattledger"
_WORKER = (Path(sys.executable).with_name("wattledger"), "worker")


class Installation:
    """All that runs; a worker that was killed is started again, as a supervisor would."""

    def __init__(self, stacked: ExitStack, logs: Path, partitions: int, workers: int) -> None:
        """Start it; what `stacked` ends, ends it. The logs go to a folder."""
        self.brokers = stacked.enter_context(kafka.brokers())
        self.topic = self.brokers.topic(partitions)
        self.database: Cluster = stacked.enter_context(stack.database())
        self.key = os.environ[keys.VARIABLE]
        self._partitions = partitions
        self._environment = {
            **os.environ,
            "DATABASE_URL": self.database.url("wattledger_service"),
            "WATTLEDGER_BUFFER": self.brokers.url(self.topic),
        }
        url, buffer = self._environment["DATABASE_URL"], self._environment["WATTLEDGER_BUFFER"]
        log = logs / "buffered-service.log"
        options = ("--workers", "1")
        self.service = stacked.enter_context(
            stack.wattledger(url, log, *options, WATTLEDGER_BUFFER=buffer)
        )
        self._log = logs / "buffered-workers.log"
        self._log.write_bytes(b"")
        self.workers = [self._worker() for _ in range(workers)]
        stacked.callback(self._end_workers)

    def _worker(self) -> subprocess.Popen[bytes]:
        with self._log.open("ab") as log:
            return subprocess.Popen(
                _WORKER, env=self._environment, stdout=log, stderr=subprocess.STDOUT
            )

    def kill_broker(self) -> None:
        """End one of the brokers at once, as a machine that fails."""
        self.brokers.each[0].stop()

    def start_broker(self) -> None:
        """Start it again."""
        self.brokers.each[0].start()

    def kill_worker(self) -> None:
        """End one of the workers at once, and start another in its place."""
        before = self.workers.pop(0)
        before.kill()
        before.wait()
        self.workers.append(self._worker())

    def add_worker(self) -> None:
        """Start one more, so that partitions change hands."""
        self.workers.append(self._worker())

    def stop_worker(self) -> None:
        """Ask the oldest to end in order."""
        oldest = self.workers.pop(0)
        oldest.send_signal(signal.SIGTERM)
        assert oldest.wait(40) == 0

    def kill_database(self) -> None:
        """End the database at once."""
        os.kill(self.database.postmaster_pid(), signal.SIGKILL)

    def start_database(self) -> None:
        """Start it again."""
        self.database.start()

    def lag(self) -> int:
        """How many records no worker has stored yet."""
        consumer = Consumer(
            {"bootstrap.servers": self.brokers.addresses, "group.id": GROUP, "log_level": 0}
        )
        places = [TopicPartition(self.topic, number) for number in range(self._partitions)]
        try:
            behind = 0
            for place in consumer.committed(places, timeout=10):
                _, high = consumer.get_watermark_offsets(place, timeout=10)
                behind += high - max(place.offset, 0)
            return behind
        finally:
            consumer.close()

    def _end_workers(self) -> None:
        for worker in self.workers:
            worker.send_signal(signal.SIGTERM)
        for worker in self.workers:
            worker.wait(40)
