"""Brokers with a topic, and workers that empty it, each a process that may be killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from contextlib import ExitStack, suppress
from pathlib import Path

from confluent_kafka import Consumer, KafkaException, TopicPartition

from tests.support import kafka

GROUP = "wattledger"
_WORKER = (Path(sys.executable).with_name("wattledger"), "worker")
_STOP_SECONDS = 40
_LEADER_SECONDS = 30


class Buffer:
    """Three brokers and a topic on them; what `stacked` ends, ends them."""

    def __init__(self, stacked: ExitStack, partitions: int, directory: Path | None = None) -> None:
        """`directory`: where their data are to be."""
        self.brokers = stacked.enter_context(kafka.brokers(directory=directory))
        self.topic = self.brokers.topic(partitions)
        self.url = self.brokers.url(self.topic)
        self._places = [TopicPartition(self.topic, number) for number in range(partitions)]

    def lag(self) -> int:
        """How many records no worker has stored yet.

        Raises KafkaException where no broker can tell within the time that a new leader takes.
        """
        deadline = time.monotonic() + _LEADER_SECONDS
        while time.monotonic() < deadline:
            with suppress(KafkaException):
                return self._lag()
            time.sleep(0.2)
        return self._lag()

    def _lag(self) -> int:
        consumer = Consumer(
            {"bootstrap.servers": self.brokers.addresses, "group.id": GROUP, "log_level": 0}
        )
        try:
            behind = 0
            for place in consumer.committed(self._places, timeout=10):
                low, high = consumer.get_watermark_offsets(place, timeout=10)
                behind += high - max(place.offset, low)
            return behind
        finally:
            consumer.close()


class Workers:
    """Processes of `wattledger worker`."""

    def __init__(self, environment: Mapping[str, str], log: Path) -> None:
        """`environment` is added to this one; all write to one log."""
        self._environment = environment
        self._log = log
        self._log.parent.mkdir(parents=True, exist_ok=True)
        self._log.write_bytes(b"")
        self.each: list[subprocess.Popen[bytes]] = []
        # a supervisor's thread may look after them
        self._lock = threading.Lock()

    def start(self) -> None:
        """Start one more."""
        with self._lock:
            self._start()

    def _start(self) -> None:
        environment = {**os.environ, **self._environment}
        with self._log.open("ab") as log:
            self.each.append(
                subprocess.Popen(_WORKER, env=environment, stdout=log, stderr=subprocess.STDOUT)
            )

    def kill(self) -> None:
        """End the oldest at once."""
        with self._lock:
            oldest = self.each.pop(0)
        oldest.kill()
        oldest.wait()

    def replace_ended(self) -> int:
        """Start as many anew as have ended, as a supervisor would; how many those are."""
        with self._lock:
            ended = [one for one in self.each if one.poll() is not None]
            for one in ended:
                self.each.remove(one)
                self._start()
        return len(ended)

    def stop(self) -> None:
        """Ask the oldest to end in order. Raises RuntimeError where it does not."""
        with self._lock:
            oldest = self.each.pop(0)
        oldest.send_signal(signal.SIGTERM)
        if (code := oldest.wait(_STOP_SECONDS)) != 0:
            raise RuntimeError(f"a worker that was told to stop ended with {code}; see {self._log}")

    def stop_all(self) -> None:
        """Ask all to end, and wait until they have."""
        for worker in self.each:
            worker.send_signal(signal.SIGTERM)
        for worker in self.each:
            try:
                worker.wait(_STOP_SECONDS)
            except subprocess.TimeoutExpired:
                worker.kill()
                worker.wait()
        self.each.clear()

    def ended(self) -> list[int]:
        """The exit codes of those that ended by themselves."""
        return [code for one in self.each if (code := one.poll()) is not None]
