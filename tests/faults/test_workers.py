"""Several workers, each with its own writers, on the same devices in opposite orders."""

from __future__ import annotations

import threading
from datetime import timedelta
from random import Random
from typing import Any

import httpx
import psycopg
import pytest

from tests.support.http import meter, vehicle
from tests.support.keys import bearer
from tests.support.process import serving
from tests.support.readings import NOW

# of whole installations, each of which takes seconds to start
pytestmark = pytest.mark.slow


def test_workers_that_write_the_same_devices_do_not_deadlock_and_store_each_once(
    service_url: str, database_url: str
) -> None:
    readings = [
        make(f"D-{device}", NOW - timedelta(hours=hours))
        for make in (meter, vehicle)
        for device in range(20)
        for hours in range(0, 100, 5)
    ]
    failures: list[Any] = []
    accepted: list[int] = []

    def send(url: str, seed: int) -> None:
        shuffled = list(readings)
        Random(seed).shuffle(shuffled)
        if seed % 2:
            shuffled.sort(key=lambda reading: reading["timestamp"], reverse=seed % 4 == 1)
        for start in range(0, len(shuffled), 40):
            answer = httpx.post(
                f"{url}/v1/ingest",
                json=shuffled[start : start + 40],
                headers=bearer(),
                timeout=30,
            )
            if answer.status_code == 201:
                accepted.append(answer.json()["accepted"])
            else:
                failures.append(answer.text)

    with serving(service_url, "--workers", "3") as service:
        assert len(service.workers()) == 3
        threads = [threading.Thread(target=send, args=(service.url, seed)) for seed in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert failures == []
    assert sum(accepted) == len(readings)
    with psycopg.connect(database_url) as connection:
        row = connection.execute(
            "SELECT (SELECT count(*) FROM telemetry.meter_reading WHERE entry = 0),"
            " (SELECT count(*) FROM telemetry.vehicle_reading WHERE entry = 0), d.deadlocks"
            " FROM pg_stat_database AS d WHERE d.datname = current_database()"
        ).fetchone()
    assert row == (400, 400, 0)
