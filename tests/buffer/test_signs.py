"""Signs of the buffered path: what a worker and the service tell of it, and what is not known."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import httpx
import psycopg
import pytest

from tests.buffer.conftest import Environment, Start
from tests.buffer.test_way import SECONDS, count, put, readings, row
from tests.support.http import wait_for
from tests.support.kafka import Brokers
from tests.support.metrics import Scrape
from tests.support.process import free_port
from tests.support.readings import NOW

Connection = psycopg.Connection[tuple[Any, ...]]


@pytest.fixture
def address(environment: Environment) -> str:
    """Where the test's first worker tells how it is."""
    address = f"127.0.0.1:{free_port()}"
    environment["WATTLEDGER_WORKER_METRICS_ADDRESS"] = address
    return f"http://{address}"


def asked(address: str, path: str) -> tuple[int, dict[str, Any]]:
    """Status and document of a worker's health; 0 where nobody answers."""
    try:
        answer = httpx.get(address + path, timeout=10)
    except httpx.TransportError:
        return 0, {}
    return answer.status_code, answer.json()


def scraped(address: str) -> Scrape:
    """The metrics of a worker."""
    return Scrape(httpx.get(f"{address}/metrics", timeout=10).text)


def test_a_worker_tells_what_it_took_and_stored_and_how_late(
    brokers: Brokers,
    topic: str,
    address: str,
    start_worker: Start,
    connection: Connection,
) -> None:
    rows = [row(f"M-{n}", ts=NOW - timedelta(seconds=n)) for n in range(5)]
    put(brokers, topic, readings(*rows), readings(*rows[:2], row("M-9", 1e9)), b"poison")
    put(brokers, topic, readings(row("M-1")), partition=3)
    worker = start_worker()
    wait_for(lambda: count(connection) == 6, SECONDS)
    wait_for(lambda: scraped(address).value("buffer_worker_records_total") == 4)
    wait_for(lambda: scraped(address).has("buffer_worker_lag_records"), SECONDS)
    wait_for(lambda: asked(address, "/health/ready") == (200, {"status": "ok"}), SECONDS)
    assert asked(address, "/health/live") == (200, {"status": "ok"})
    found = scraped(address)
    told = {
        name: found.total(f"buffer_worker_{name}")
        for name in (
            *("quarantined_total", "poison_total", "retries_total", "partitions"),
            *("delay_seconds_count", "group_readings_sum", "lag_records", "oldest_age_seconds"),
        )
    }
    assert told == {
        "quarantined_total": 2,
        "poison_total": 1,
        "retries_total": 0,
        "partitions": 4,
        "delay_seconds_count": 4,
        # and the record that is none
        "group_readings_sum": 10,
        "lag_records": 0,
        "oldest_age_seconds": 0,
    }
    assert found.total("readings_total", result="accepted") == 6
    assert found.total("readings_total", result="duplicate") == 2
    assert found.value("readings_refused_total", reason="out_of_range") == 1
    assert found.value("readings_refused_total", reason="malformed") == 1
    assert 0 < found.value("buffer_worker_delay_seconds_sum") < 4 * SECONDS
    assert found.value("buffer_worker_bytes_total") > 100
    assert found.value("buffer_worker_rebalances_total") >= 1
    assert found.value("workers") == found.value("workers_expected") == 1
    assert found.value("database_up") == 1
    assert {dict(labels)["partition"] for name, labels in found.samples if "lag_rec" in name} == {
        f"{topic}/{number}" for number in range(4)
    }
    assert "Traceback" not in worker.said()
