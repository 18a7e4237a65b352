"""The way of a reading through the buffer: acknowledged by brokers, stored by a worker."""

from __future__ import annotations

import signal
import time
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import msgspec
import psycopg
import pytest
from confluent_kafka import Producer

from service.buffer.partitions import partition_of
from tests.buffer.conftest import Environment, Start
from tests.support.http import meter, vehicle, wait_for
from tests.support.kafka import Brokers
from tests.support.keys import bearer
from tests.support.process import Service
from tests.support.readings import NOW

Connection = psycopg.Connection[tuple[Any, ...]]
SECONDS = 60


def post(service: Service, body: Any, **options: Any) -> httpx.Response:
    """The answer to a body of JSON, or to bytes."""
    sent = {"content": body} if isinstance(body, bytes) else {"json": body}
    headers = {"Content-Type": "application/json", **bearer()}
    return httpx.post(f"{service.url}/v1/ingest", headers=headers, timeout=30, **sent, **options)


def count(connection: Connection) -> int:
    """How many readings are stored."""
    row = connection.execute(
        "SELECT (SELECT count(*) FROM telemetry.meter_reading WHERE entry = 0)"
        " + (SELECT count(*) FROM telemetry.vehicle_reading WHERE entry = 0)"
    ).fetchone()
    assert row is not None
    return row[0]


def quarantined(connection: Connection) -> list[tuple[Any, ...]]:
    """What is in quarantine, in order: place, reason, device, whether of the buffer, raw form."""
    return connection.execute(
        "SELECT q.reading_index, q.reason, q.device_id, q.source IS NOT NULL, q.raw"
        " FROM ops.quarantine AS q ORDER BY q.quarantine_id"
    ).fetchall()


def put(brokers: Brokers, topic: str, *values: bytes, partition: int = 0) -> None:
    """Put records into a partition, as somebody else might."""
    producer = Producer({"bootstrap.servers": brokers.addresses, "log_level": 0})
    for value in values:
        producer.produce(topic, value=value, partition=partition)
    assert producer.flush(30) == 0


def readings(*rows: tuple[Any, ...], key_id: str | None = None) -> bytes:
    """A record of meters' rows."""
    return msgspec.msgpack.encode(["readings/1", [[key_id, rows, []]]])


def row(meter_id: str, kwh: float = 0.42, ts: datetime | None = None) -> tuple[Any, ...]:
    """A row of a meter."""
    return (meter_id, ts or datetime.now(UTC), None, kwh, None, None, 230.0)


def test_a_reading_is_acknowledged_by_the_brokers_and_stored_by_a_worker(
    service: Service, start_worker: Start, connection: Connection
) -> None:
    answer = post(service, meter())
    assert (answer.status_code, answer.json()) == (202, {"accepted": 1})
    batch = [meter(f"M-{n}", NOW - timedelta(hours=n)) for n in range(50)]
    batch += [vehicle(f"V-{n}") for n in range(50)]
    answer = post(service, batch)
    assert (answer.status_code, answer.json()) == (202, {"accepted": 100})
    assert count(connection) == 0
    worker = start_worker()
    wait_for(lambda: count(connection) == 101, SECONDS)
    worker.process.send_signal(signal.SIGTERM)
    assert worker.process.wait(20) == 0, worker.said()
    # another one goes on where it ended
    post(service, meter("M-last"))
    other = start_worker()
    wait_for(lambda: count(connection) == 102, SECONDS)
    assert quarantined(connection) == []
    assert "Traceback" not in worker.said() + other.said()


def test_what_is_refused_at_the_door_or_in_the_ledger_is_quarantined(
    service: Service, start_worker: Start, connection: Connection
) -> None:
    answer = post(service, [meter(), meter("M-2", voltage="high"), meter("M-3", kwhConsumedAc=1e9)])
    assert answer.status_code == 207
    told = answer.json()
    assert told["accepted"] == 2
    assert [one["index"] for one in told["rejected"]] == [1]
    assert "duplicates" not in told
    assert post(service, b"{").status_code == 400
    start_worker()
    wait_for(lambda: len(quarantined(connection)) == 3, SECONDS)
    assert count(connection) == 1
    door, body, ledger = quarantined(connection)
    assert (door[:4], body[:4]) == ((1, "malformed", None, False), (None, "malformed", None, False))
    assert ledger[1:4] == ("out_of_range", "M-3", True)
    assert msgspec.json.decode(ledger[4])["kwhConsumedAc"] == 1e9
    keys = connection.execute("SELECT DISTINCT key_id IS NULL FROM ops.quarantine").fetchall()
    assert keys == [(False,)]


def test_a_batch_larger_than_a_record_is_stored_whole(
    service: Service, start_worker: Start, connection: Connection
) -> None:
    start_worker()
    name = "M" * 100
    batch = [
        meter(f"{name}{n % 40}", NOW - timedelta(seconds=n), session=f"{n}{name}")
        for n in range(15_000)
    ]
    answer = post(service, batch)
    assert (answer.status_code, answer.json()) == (202, {"accepted": 15_000})
    wait_for(lambda: count(connection) == 15_000, SECONDS)
    assert quarantined(connection) == []


def test_a_record_that_cannot_be_read_or_stored_stops_no_partition(
    brokers: Brokers, topic: str, start_worker: Start, connection: Connection
) -> None:
    put(
        brokers,
        topic,
        b"",
        b"\xff no record",
        b'{"meterId":"M-1"}',
        msgspec.msgpack.encode(["readings/2", []]),
        readings(row("M-1"), row("M-\0"), row("M-2")),
        readings(row("M-" * 200)),
        readings(row("M-3", float("nan"))),
        readings(row("M-4"), key_id="a\0key"),
        readings(row("M-5", 1e9), key_id="a\0key"),
        msgspec.msgpack.encode(["refused/1", "k", [[7, "malformed", "d", "text/plain", b"raw"]]]),
        readings(row("M-last")),
    )
    worker = start_worker()
    wait_for(lambda: count(connection) == 4, SECONDS)
    wait_for(lambda: len(quarantined(connection)) == 9, SECONDS)
    stored = connection.execute(
        "SELECT m.meter_id FROM telemetry.meter_reading AS m WHERE m.entry = 0 ORDER BY 1"
    ).fetchall()
    assert stored == [("M-1",), ("M-2",), ("M-4",), ("M-last",)]
    offsets = connection.execute(
        "SELECT split_part(q.source, '/', 3) FROM ops.quarantine AS q ORDER BY 1"
    ).fetchall()
    assert [offset for (offset,) in offsets] == sorted(map(str, [0, 1, 2, 3, 4, 5, 6, 8, 9]))
    assert worker.process.poll() is None


def test_a_record_that_comes_twice_is_stored_and_quarantined_once(
    brokers: Brokers,
    topic: str,
    environment: Environment,
    start_worker: Start,
    connection: Connection,
) -> None:
    put(brokers, topic, readings(row("M-1"), row("M-2", 1e9)), b"poison")
    start_worker()
    wait_for(lambda: len(quarantined(connection)) == 2, SECONDS)
    # another group begins at the beginning
    environment["WATTLEDGER_BUFFER_GROUP"] = "again"
    put(brokers, topic, readings(row("M-3")))
    start_worker()
    wait_for(lambda: count(connection) == 2, SECONDS)
    time.sleep(1)
    put(brokers, topic, readings(row("M-4")))
    wait_for(lambda: count(connection) == 3, SECONDS)
    assert len(quarantined(connection)) == 2


def test_readings_ahead_of_the_clock_and_late_ones_go_as_they_do_directly(
    service: Service, start_worker: Start, connection: Connection
) -> None:
    now = datetime.now(UTC)
    odd = [
        meter("M-1", now + timedelta(hours=2)),
        meter("M-2", now - timedelta(days=3)),
        meter("M-3", timestamp="0001-01-01T00:00:00+14:00"),
        meter("M-4", timestamp="9999-12-31T23:59:59-14:00"),
        meter("M-5", now),
    ]
    assert post(service, odd).json() == {"accepted": 5}
    start_worker()
    wait_for(lambda: count(connection) == 2 and len(quarantined(connection)) == 3, SECONDS)
    reasons = {device: reason for _, reason, device, *_ in quarantined(connection)}
    assert reasons == {"M-1": "future", "M-3": "too_old", "M-4": "future"}
    awaits = connection.execute(
        "SELECT q.device_id FROM ops.quarantine AS q WHERE q.awaits_time"
    ).fetchall()
    assert awaits == [("M-1",)]


@pytest.mark.slow
def test_readings_are_taken_while_the_database_is_away_and_stored_when_it_is_back(
    service: Service, start_worker: Start, connection: Connection, database_url: str
) -> None:
    worker = start_worker()
    assert post(service, meter("M-before")).status_code == 202
    wait_for(lambda: count(connection) == 1, SECONDS)
    name = connection.info.dbname
    with psycopg.connect(database_url, dbname="postgres", autocommit=True) as other:
        other.execute(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS false')
        try:
            other.execute(
                "SELECT pg_terminate_backend(a.pid) FROM pg_stat_activity AS a"
                " WHERE a.datname = %s AND a.pid <> %s",
                [name, connection.info.backend_pid],
            )
            # longer than a key is known without asking
            until = time.monotonic() + 8
            sent = 0
            while time.monotonic() < until:
                answer = post(service, [meter(f"M-{sent}"), meter(f"V-{sent}", voltage="high")])
                assert (answer.status_code, answer.json()["accepted"]) == (207, 1)
                sent += 1
            ready = httpx.get(f"{service.url}/health/ready", timeout=30)
            assert (ready.status_code, len(ready.json()["warnings"])) == (200, 1)
            assert post(service, b"[").status_code == 400
        finally:
            other.execute(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS true')
    wait_for(lambda: count(connection) == sent + 1, SECONDS)
    wait_for(lambda: len(quarantined(connection)) == sent + 1, SECONDS)
    assert {entry[1] for entry in quarantined(connection)} == {"malformed"}
    assert "cannot store readings, trying on" in worker.said()
    assert worker.said().endswith("readings are stored again\n")


@pytest.mark.parametrize("device_id", ["M-1", "é", "a" * 128])
def test_whoever_produces_with_the_device_as_the_key_meets_its_partition(
    brokers: Brokers, topic: str, device_id: str
) -> None:
    met: list[int | None] = []
    producer = Producer({"bootstrap.servers": brokers.addresses, "log_level": 0})
    producer.produce(
        topic, value=b"v", key=device_id, on_delivery=lambda _, sent: met.append(sent.partition())
    )
    producer.flush(30)
    assert met == [partition_of(device_id, 4)]
