"""Installation with a buffer: brokers and workers beside the rest, started again when they end."""

from __future__ import annotations

import shutil
import tempfile
import time
from contextlib import ExitStack, suppress
from pathlib import Path

import psycopg
from confluent_kafka import KafkaException

from loadtests.chaos.installation import Installation, Waited
from loadtests.support import small_disk
from loadtests.support.buffer import Buffer, Workers

PARTITIONS = 6
_WORKERS = 2
# more than an hour of load takes
_DISK_BYTES = 1 << 30
_STORED_SECONDS = 900.0
_DATABASE_SECONDS = 90.0
_LOOK_SECONDS = 0.2
_COUNT = """
SELECT
    (SELECT count(*) FROM telemetry.meter_reading)
    + (SELECT count(*) FROM telemetry.vehicle_reading)
"""


class BufferedInstallation(Installation):
    """The service with three brokers before the database, and two workers that store."""

    def __init__(
        self, write_timeout: float, disk_bytes: int | None, log: Path, *, away_seconds: float
    ) -> None:
        """`away_seconds`: how long the database is away where that is the fault."""
        super().__init__(write_timeout, disk_bytes, log)
        self.away_seconds = away_seconds
        self._logs = log.parent
        self._stacked = ExitStack()
        self._small = False
        self._supervised = False
        self.broker_restarts = 0

    def __enter__(self) -> BufferedInstallation:
        directory = Path(tempfile.mkdtemp(prefix="wattledger-chaos-kafka-"))
        # first, so that it is the last to be done: what is mounted in it cannot be removed
        self._stacked.callback(shutil.rmtree, directory)
        self.small_disk = directory / "0"
        self.small_disk.mkdir()
        self.has_small_broker_disk = small_disk.mount(self.small_disk, _DISK_BYTES)
        if self.has_small_broker_disk:
            self._stacked.callback(small_disk.unmount, self.small_disk)
        self.buffer = Buffer(self._stacked, PARTITIONS, directory)
        self.environment = {"WATTLEDGER_BUFFER": self.buffer.url}
        super().__enter__()
        log = self._logs / "chaos-workers.log"
        self.storing = Workers({"DATABASE_URL": self.database_url, **self.environment}, log)
        for _ in range(_WORKERS):
            self.storing.start()
        self._supervised = True
        return self

    def __exit__(self, *error: object) -> None:
        self._supervised = False
        try:
            super().__exit__(*error)
            if hasattr(self, "storing"):
                self.storing.stop_all()
        finally:
            self._stacked.close()

    def look_after(self) -> None:
        """Start workers and brokers again that have ended by themselves, or were killed."""
        if not self._supervised:
            return
        for broker in self.buffer.brokers.each:
            self.broker_restarts += broker.start_again_if_ended()
        self.storing.replace_ended()

    def wait_for_brokers(self, seconds: float) -> None:
        """Return when all are part of the cluster again. Raises TimeoutError."""
        brokers = self.buffer.brokers
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            with suppress(KafkaException):
                found = brokers.admin.list_topics(self.buffer.topic, timeout=5)
                partitions = found.topics[self.buffer.topic].partitions.values()
                if partitions and all(len(one.isrs) == len(brokers.each) for one in partitions):
                    return
            time.sleep(0.2)
        raise TimeoutError(f"not all brokers have everything after {seconds:g} s")

    def wait_until_stored(self) -> Waited:
        """Wait until no record waits. Raises TimeoutError, OperationalError."""
        self._wait_for_database()
        began = time.monotonic()
        with self.connect() as connection:
            before = _count(connection.execute(_COUNT).fetchone())
            while self.buffer.lag():
                if time.monotonic() - began > _STORED_SECONDS:
                    raise TimeoutError("the workers do not store what waits")
                time.sleep(_LOOK_SECONDS)
            took = time.monotonic() - began
            return Waited(_count(connection.execute(_COUNT).fetchone()) - before, took)

    def _wait_for_database(self) -> None:
        """The service is well without it."""
        deadline = time.monotonic() + _DATABASE_SECONDS
        while time.monotonic() < deadline:
            with suppress(psycopg.OperationalError), self.connect():
                return
            time.sleep(_LOOK_SECONDS)


def _count(row: tuple[object, ...] | None) -> int:
    assert row is not None
    return int(str(row[0]))
