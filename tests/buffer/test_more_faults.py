"""Lost brokers, and partitions that change hands: what was acknowledged is stored, once."""

from __future__ import annotations

import signal
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import httpx
import psycopg
import pytest

from tests.buffer.conftest import Environment, Start
from tests.buffer.test_way import SECONDS, count, post, put, quarantined, readings, row
from tests.support.http import meter, wait_for
from tests.support.kafka import Brokers
from tests.support.process import Service, serving
from tests.support.readings import NOW

pytestmark = pytest.mark.slow
Connection = psycopg.Connection[tuple[Any, ...]]
PARTITIONS = 4


def stored(connection: Connection) -> list[str]:
    """The meters of all readings that are stored, in order."""
    found = connection.execute(
        "SELECT m.meter_id FROM telemetry.meter_reading AS m ORDER BY 1"
    ).fetchall()
    return [meter_id for (meter_id,) in found]


def waiting(connection: Connection) -> int:
    """How many others wait for a lock in this database."""
    found = connection.execute(
        "SELECT count(DISTINCT l.pid) FROM pg_locks AS l"
        " JOIN pg_database AS d ON d.oid = l.database"
        " WHERE NOT l.granted AND d.datname = current_database()"
    ).fetchone()
    assert found is not None
    return found[0]


def is_ready(service: Service) -> bool:
    return httpx.get(f"{service.url}/health/ready", timeout=30).status_code == 200


def test_without_two_of_three_brokers_nothing_acknowledged_is_lost_and_nothing_is_acknowledged(
    brokers: Brokers,
    service_url: str,
    environment: Environment,
    start_worker: Start,
    connection: Connection,
) -> None:
    before = [f"before-{n:02}" for n in range(40)]
    after = [f"after-{n:02}" for n in range(40)]
    # what is under way is given up sooner than by default
    settings = {**environment, "WATTLEDGER_WRITE_TIMEOUT_SECONDS": "5"}
    with serving(service_url, "--workers", "1", **settings) as service:
        for meter_id in before:
            assert post(service, meter(meter_id)).status_code == 202
        for broker in brokers.each[:2]:
            broker.stop()
        for _ in range(3):
            answer = post(service, meter("away"))
            assert answer.status_code == 503
            assert answer.headers["retry-after"].isdecimal()
        assert not is_ready(service)
        # a worker that starts now waits for them, too
        worker = start_worker()
        brokers.start()
        wait_for(lambda: is_ready(service), SECONDS)
        assert post(service, meter("away")).status_code == 202
        for meter_id in after:
            assert post(service, meter(meter_id)).status_code == 202
    wait_for(lambda: stored(connection) == sorted([*before, "away", *after]), SECONDS)
    assert worker.process.poll() is None
    assert quarantined(connection) == []


def test_a_service_that_nobody_posts_to_sees_that_two_of_three_brokers_are_away(
    brokers: Brokers, service: Service
) -> None:
    assert is_ready(service)
    for broker in brokers.each[:2]:
        broker.stop()
    wait_for(lambda: not is_ready(service), SECONDS)
    brokers.start()
    wait_for(lambda: is_ready(service), SECONDS)
    assert post(service, meter()).status_code == 202


@pytest.mark.parametrize("end", ["kill", "terminate"])
def test_a_worker_that_joins_while_another_stores_makes_no_reading_lost_or_doubled(
    brokers: Brokers, topic: str, start_worker: Start, connection: Connection, end: str
) -> None:
    first = start_worker()
    put(brokers, topic, readings(row("M-first")))
    wait_for(lambda: count(connection) == 1, SECONDS)
    with connection.transaction():
        # the worker's transaction waits for this one, so that it is in the middle of a batch
        connection.execute("LOCK TABLE telemetry.meter_reading IN EXCLUSIVE MODE")
        for partition in range(PARTITIONS):
            for number in range(5):
                rows = [
                    row(f"M-{partition}-{number}", ts=NOW - timedelta(hours=n)) for n in range(40)
                ]
                refused = row(f"M-{partition}-{number}-refused", 1e9)
                put(brokers, topic, readings(*rows, refused), partition=partition)
        wait_for(lambda: waiting(connection) == 1, SECONDS)
        second = start_worker()
        wait_for(lambda: "gave up the partitions" in first.said(), SECONDS)
        # what the first one has not committed comes to the second one, which stores it too
        wait_for(lambda: waiting(connection) == 2, SECONDS)
    wait_for(lambda: count(connection) == 1 + PARTITIONS * 5 * 40, SECONDS)
    getattr(first.process, end)()
    for partition in range(PARTITIONS):
        put(brokers, topic, readings(row(f"M-last-{partition}")), partition=partition)
    wait_for(lambda: count(connection) == 1 + PARTITIONS * (5 * 40 + 1), SECONDS)
    wait_for(lambda: len(quarantined(connection)) == PARTITIONS * 5, SECONDS)
    # corrections would be entries of their own
    assert len(stored(connection)) == count(connection)
    assert {reason for _, reason, *_ in quarantined(connection)} == {"out_of_range"}
    assert second.process.poll() is None
    assert "Traceback" not in first.said() + second.said()


@pytest.mark.parametrize("count", [2, 3])
def test_a_service_ends_in_time_while_brokers_are_away(
    brokers: Brokers, service: Service, count: int
) -> None:
    assert post(service, meter()).status_code == 202
    for broker in brokers.each[:count]:
        broker.stop()
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(post, service, meter("away"))
        assert waiting.result().status_code == 503
        wait_for(lambda: not is_ready(service), SECONDS)
        # time for that record to be sent
        time.sleep(2)
        began = time.monotonic()
        service.process.send_signal(signal.SIGTERM)
        assert service.process.wait(60) == 0
        # the empty record by which it looks whether they are back would take 15 seconds
        assert time.monotonic() - began < 8
