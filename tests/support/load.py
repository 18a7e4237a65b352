"""Devices that post without pause, and remember what was acknowledged."""

from __future__ import annotations

import threading
import time
from datetime import timedelta

import httpx
import psycopg

from tests.support.http import meter
from tests.support.keys import bearer
from tests.support.readings import NOW


class Load:
    """Threads that each post one meter's readings, one a request, and again after a failure."""

    def __init__(self, url: str, key: str, devices: int = 8) -> None:
        self.acknowledged: set[tuple[str, float]] = set()
        self.statuses: dict[int, int] = {}
        self.without_retry_after = 0
        self._url = url
        self._key = key
        self._stopping = threading.Event()
        self._lock = threading.Lock()
        self._threads = [
            threading.Thread(target=self._post, args=(f"M-{number}",)) for number in range(devices)
        ]

    def start(self) -> None:
        """Begin to post."""
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """End, each device after its present request."""
        self._stopping.set()
        for thread in self._threads:
            thread.join()

    def acknowledge_more(self, count: int, seconds: float = 60.0) -> None:
        """Wait until that many further readings are acknowledged."""
        wanted = len(self.acknowledged) + count
        deadline = time.monotonic() + seconds
        while len(self.acknowledged) < wanted:
            assert time.monotonic() < deadline, f"too few were acknowledged: {self.statuses}"
            time.sleep(0.02)

    def missing(self, database_url: str) -> set[tuple[str, float]]:
        """What was acknowledged and is not stored exactly once."""
        with psycopg.connect(database_url) as connection:
            rows = connection.execute(
                "SELECT m.meter_id, extract(EPOCH FROM m.ts)::float8, count(*)"
                " FROM telemetry.meter_reading AS m GROUP BY 1, 2"
            ).fetchall()
        stored = {(meter_id, ts) for meter_id, ts, count in rows if count == 1}
        return self.acknowledged - stored

    def _post(self, meter_id: str) -> None:
        number = 0
        while not self._stopping.is_set():
            try:
                with httpx.Client(
                    base_url=self._url, headers=bearer(self._key), timeout=20
                ) as client:
                    while not self._stopping.is_set():
                        ts = NOW - timedelta(milliseconds=number)
                        answer = client.post("/v1/ingest", json=meter(meter_id, ts))
                        self._count(answer)
                        if answer.status_code in (201, 202):
                            with self._lock:
                                self.acknowledged.add((meter_id, ts.timestamp()))
                            number += 1
                        else:
                            time.sleep(0.05)
            except httpx.TransportError:
                self._count(None)
                time.sleep(0.05)

    def _count(self, answer: httpx.Response | None) -> None:
        status = answer.status_code if answer is not None else 0
        with self._lock:
            self.statuses[status] = self.statuses.get(status, 0) + 1
            if answer is not None and status == 503 and "retry-after" not in answer.headers:
                self.without_retry_after += 1
