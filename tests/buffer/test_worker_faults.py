"""Topics that lose or change what they hold, and workers that are to end in the middle."""

from __future__ import annotations

import signal
import time
from typing import Any

import httpx
import psycopg
import pytest
from confluent_kafka import Consumer as Client
from confluent_kafka import TopicPartition
from confluent_kafka.admin import NewPartitions, NewTopic
from psycopg.conninfo import make_conninfo

from tests.buffer.conftest import Environment, Start, Worker
from tests.buffer.test_way import SECONDS, count, put, quarantined, readings, row
from tests.support.http import wait_for
from tests.support.kafka import Brokers
from tests.support.process import free_port

Connection = psycopg.Connection[tuple[Any, ...]]


def ended(worker: Worker) -> None:
    """Have a worker end in order."""
    worker.process.send_signal(signal.SIGTERM)
    assert worker.process.wait(30) == 0, worker.said()


def committed(brokers: Brokers, topic: str) -> int:
    """Where the group is in the first partition."""
    client = Client({"bootstrap.servers": brokers.addresses, "group.id": "wattledger"})
    try:
        [found] = client.committed([TopicPartition(topic, 0)], 30)
    finally:
        client.close()
    return found.offset


@pytest.mark.slow
def test_records_that_retention_removed_unread_are_counted_loudly(
    brokers: Brokers,
    topic: str,
    environment: Environment,
    start_worker: Start,
    connection: Connection,
) -> None:
    address = f"127.0.0.1:{free_port()}"
    environment["WATTLEDGER_WORKER_METRICS_ADDRESS"] = address
    put(brokers, topic, readings(row("M-0")))
    worker = start_worker()
    wait_for(lambda: count(connection) == 1, SECONDS)
    ended(worker)
    assert committed(brokers, topic) == 1
    put(brokers, topic, *(readings(row(f"M-{n}")) for n in range(1, 6)))
    removed = brokers.admin.delete_records([TopicPartition(topic, 0, 4)])
    for one in removed.values():
        one.result(30)
    worker = start_worker()
    wait_for(lambda: count(connection) == 3, SECONDS)
    assert f"READINGS ARE LOST: 3 records of {topic}/0, from 1 on" in worker.said()
    page = httpx.get(f"http://{address}/metrics", timeout=10).text
    assert "wattledger_buffer_worker_lost_records_total 3\n" in page
    ended(worker)
    # what is not lost is not told of
    put(brokers, topic, readings(row("M-6")))
    worker = start_worker()
    wait_for(lambda: count(connection) == 4, SECONDS)
    assert "LOST" not in worker.said()
    # without an end that it is told of
    wait_for(lambda: committed(brokers, topic) == 7, SECONDS)


@pytest.mark.slow
def test_a_topic_that_is_made_again_is_read_from_its_start(
    brokers: Brokers, topic: str, start_worker: Start, connection: Connection
) -> None:
    put(brokers, topic, *(readings(row(f"M-{n}")) for n in range(3)), b"poison")
    worker = start_worker()
    wait_for(lambda: count(connection) == 3, SECONDS)
    brokers.admin.delete_topics([topic])[topic].result(30)
    time.sleep(1)
    brokers.admin.create_topics([NewTopic(topic, 4, 3)])[topic].result(30)
    brokers.wait(3)
    put(brokers, topic, readings(row("M-3")), b"poison of another kind")
    wait_for(lambda: count(connection) == 4, SECONDS)
    wait_for(lambda: len(quarantined(connection)) == 2, SECONDS)
    assert worker.process.poll() is None
    ended(worker)
    put(brokers, topic, readings(row("M-4")))
    worker = start_worker()
    wait_for(lambda: count(connection) == 5, SECONDS)
    assert len(quarantined(connection)) == 2


@pytest.mark.slow
def test_a_worker_that_waits_for_the_database_ends_when_told_to(
    brokers: Brokers,
    topic: str,
    environment: Environment,
    start_worker: Start,
    connection: Connection,
) -> None:
    environment["WATTLEDGER_WRITE_TIMEOUT_SECONDS"] = "2"
    worker = start_worker()
    put(brokers, topic, readings(row("M-1")))
    wait_for(lambda: count(connection) == 1, SECONDS)
    with connection.transaction():
        connection.execute("LOCK TABLE telemetry.meter_reading IN EXCLUSIVE MODE")
        put(brokers, topic, *(readings(row(f"M-{n}"), row(f"V-{n}", 1e9)) for n in range(2, 8)))
        wait_for(lambda: "cannot store readings, trying on" in worker.said(), SECONDS)
        began = time.monotonic()
        worker.process.send_signal(signal.SIGTERM)
        time.sleep(0.1)
        worker.process.send_signal(signal.SIGTERM)
        assert worker.process.wait(30) == 0, worker.said()
        assert time.monotonic() - began < 15
    assert count(connection) == 1
    start_worker()
    wait_for(lambda: (count(connection), len(quarantined(connection))) == (7, 6), SECONDS)


def test_a_worker_with_a_wrong_password_says_so_and_stores_nothing_away(
    brokers: Brokers,
    topic: str,
    environment: Environment,
    service_url: str,
    start_worker: Start,
    connection: Connection,
) -> None:
    put(brokers, topic, readings(row("M-1")), b"poison")
    environment["DATABASE_URL"] = make_conninfo(service_url, password="a-wrong-one")
    worker = start_worker()
    wait_for(lambda: "password authentication failed" in worker.said(), SECONDS)
    assert worker.said().count("cannot store readings, trying on") == 1
    assert "a-wrong-one" not in worker.said()
    ended(worker)
    del environment["DATABASE_URL"]
    start_worker()
    wait_for(lambda: (count(connection), len(quarantined(connection))) == (1, 1), SECONDS)


@pytest.mark.slow
def test_partitions_that_are_added_are_read_from_their_start(
    brokers: Brokers, topic: str, start_worker: Start, connection: Connection
) -> None:
    put(brokers, topic, readings(row("M-0")))
    start_worker()
    wait_for(lambda: count(connection) == 1, SECONDS)
    brokers.admin.create_partitions([NewPartitions(topic, 6)])[topic].result(30)
    brokers.wait(3)
    for partition in (4, 5):
        put(brokers, topic, readings(row(f"M-{partition}")), partition=partition)
    wait_for(lambda: count(connection) == 3, SECONDS)


@pytest.mark.slow
def test_a_worker_ends_in_time_while_brokers_are_away(
    brokers: Brokers, topic: str, start_worker: Start, connection: Connection
) -> None:
    worker = start_worker()
    put(brokers, topic, readings(row("M-1")))
    wait_for(lambda: count(connection) == 1, SECONDS)
    for broker in brokers.each:
        broker.stop()
    time.sleep(1)
    began = time.monotonic()
    worker.process.send_signal(signal.SIGTERM)
    assert worker.process.wait(60) == 0, worker.said()
    assert time.monotonic() - began < 30
    # each kind of trouble is told once, not with every attempt
    assert worker.said().count("the buffer cannot be read well") < 6
