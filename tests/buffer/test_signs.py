"""Signs of the buffered path: what a worker and the service tell of it, and what is not known."""

from __future__ import annotations

import re
import time
from datetime import timedelta
from typing import Any

import httpx
import psycopg
import pytest
from psycopg import sql

from tests.buffer.conftest import Environment, Start
from tests.buffer.test_way import SECONDS, count, post, put, readings, row
from tests.support.documents import DOCS
from tests.support.http import meter, wait_for
from tests.support.kafka import Brokers
from tests.support.metrics import PREFIX, Scrape, Series, scrape
from tests.support.monitoring import BUFFER, RUNBOOKS, dashboard_expressions, metrics, rules
from tests.support.process import Service, free_port
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


def buffer_of(service: Service) -> dict[str, Any]:
    """What the service's page of health says of the buffer."""
    answer = httpx.get(f"{service.url}/health/ready", timeout=10)
    assert answer.status_code == 200
    return answer.json()["buffer"]


def lags(found: Scrape, name: str) -> list[float]:
    """What waits in each partition but the first, which has the service's empty records, too."""
    by_partition = {
        dict(labels)["partition"]: value
        for (of, labels), value in found.samples.items()
        if of == PREFIX + name
    }
    return [by_partition[one] for one in sorted(by_partition)][1:]


@pytest.mark.slow
def test_the_service_and_a_worker_tell_what_waits_and_what_became_of_it(
    brokers: Brokers,
    topic: str,
    service: Service,
    address: str,
    start_worker: Start,
    connection: Connection,
) -> None:
    began = time.time()
    assert post(service, [meter("M-1"), meter("M-2")]).status_code == 202
    rows = [row(f"M-{n}", ts=NOW - timedelta(seconds=n)) for n in range(3, 8)]
    put(brokers, topic, readings(*rows), readings(*rows[:2], row("M-9", 1e9)), b"poison")
    wait_for(lambda: (buffer_of(service)["lag_records"] or 0) >= 4, SECONDS)
    told = buffer_of(service)
    assert (told["connected"], told["workers"]) == (True, 0)
    assert 0 < told["delay_seconds"] <= time.time() - began + 5
    ready = httpx.get(f"{service.url}/health/ready", timeout=10).json()
    assert ready["warnings"] == ["no worker stores what the buffer holds"]
    check_sent(scrape(service.url), told["lag_records"])
    worker = start_worker()
    wait_for(lambda: count(connection) == 7, SECONDS)
    wait_for(lambda: scraped(address).has("buffer_worker_lag_records"), SECONDS)
    wait_for(lambda: scraped(address).total("buffer_worker_lag_records") == 0)
    wait_for(lambda: asked(address, "/health/ready") == (200, {"status": "ok"}), SECONDS)
    assert asked(address, "/health/live") == (200, {"status": "ok"})
    check_stored(scraped(address), topic, time.time() - began)
    nothing = {"connected": True, "lag_records": 0, "delay_seconds": 0.0, "workers": 1}
    wait_for(lambda: buffer_of(service) == nothing, SECONDS)
    assert scrape(service.url).value("buffer_workers") == 1
    check_names({*scrape(service.url).samples, *scraped(address).samples})
    assert "Traceback" not in worker.said()


def check_names(series: set[Series]) -> None:
    """All that rules, dashboard, runbooks and the guide name of a buffer is there, and told of."""
    rules_and_panels = "\n".join([*(rule["expr"] for rule in rules()), *dashboard_expressions()])
    guide = (DOCS / "operations.md").read_text(encoding="utf-8").partition("\n## Metrics\n")[2]
    told = set(re.findall(rf"`({BUFFER}[a-z_]+)", guide))
    named = metrics(rules_and_panels + RUNBOOKS.read_text(encoding="utf-8"))
    there = {name.removeprefix(PREFIX) for name, _ in series}
    assert len(told) > 20
    families = {re.sub("_(bucket|sum|count)$", "", n) for n in there if n.startswith(BUFFER)}
    assert families == told
    assert {name for name in named if name.startswith(BUFFER)} - there == set()


def check_sent(found: Scrape, lag_records: int) -> None:
    """What the service counts of a request's readings that are sent, and knows of the topic."""
    assert found.total("buffer_lag_records") == lag_records
    acknowledged = found.value("buffer_records_total", result="acknowledged")
    assert acknowledged >= 1
    assert found.value("buffer_acknowledgement_seconds_count") == acknowledged
    assert found.value("buffer_bytes_total") > 0
    values = {
        name: found.value(f"buffer_{name}")
        for name in (
            *("connected", "sending_records", "replicas", "in_sync_replicas"),
            *("min_in_sync_replicas", "retention_seconds", "workers"),
        )
    }
    assert values == {
        "connected": 1,
        "sending_records": 0,
        "replicas": 3,
        "in_sync_replicas": 3,
        "min_in_sync_replicas": 2,
        "retention_seconds": 7 * 24 * 3600,
        "workers": 0,
    }


def check_stored(found: Scrape, topic: str, seconds: float) -> None:
    """What a worker counts of what the test put into the topic, within so many seconds."""
    values = {
        name: found.total(f"buffer_worker_{name}")
        for name in (
            *("quarantined_total", "poison_total", "retries_total", "partitions"),
            *("lag_records", "oldest_age_seconds"),
        )
    }
    assert values == {
        "quarantined_total": 2,
        "poison_total": 1,
        "retries_total": 0,
        "partitions": 4,
        "lag_records": 0,
        "oldest_age_seconds": 0,
    }
    # and the record that is none
    assert found.value("buffer_worker_group_readings_sum") == 2 + 5 + 3 + 1
    taken = found.value("buffer_worker_records_total")
    assert taken >= 4
    assert found.value("buffer_worker_delay_seconds_count") == taken
    assert 0 < found.value("buffer_worker_delay_seconds_sum") <= taken * (seconds + 5)
    assert found.value("buffer_worker_bytes_total") > 100
    assert found.value("buffer_worker_rebalances_total") >= 1
    assert found.total("readings_total", result="accepted") == 7
    assert found.total("readings_total", result="duplicate") == 2
    assert found.value("readings_refused_total", reason="out_of_range") == 1
    assert found.value("readings_refused_total", reason="malformed") == 1
    assert found.value("workers") == found.value("workers_expected") == 1
    assert found.value("database_up") == 1
    lag = [dict(labels) for name, labels in found.samples if name.endswith("lag_records")]
    assert {labels["partition"] for labels in lag} == {f"{topic}/{number}" for number in range(4)}


@pytest.mark.slow
def test_while_the_database_is_away_lag_and_age_grow_and_the_worker_is_not_ready(
    brokers: Brokers,
    topic: str,
    service: Service,
    address: str,
    start_worker: Start,
    connection: Connection,
    database_url: str,
) -> None:
    start_worker()
    assert post(service, meter("M-before")).status_code == 202
    wait_for(lambda: count(connection) == 1, SECONDS)
    wait_for(lambda: asked(address, "/health/ready")[0] == 200, SECONDS)
    name = sql.Identifier(connection.info.dbname)
    with psycopg.connect(database_url, dbname="postgres", autocommit=True) as other:
        other.execute(sql.SQL("ALTER DATABASE {} ALLOW_CONNECTIONS false").format(name))
        try:
            other.execute(
                "SELECT pg_terminate_backend(a.pid) FROM pg_stat_activity AS a"
                " WHERE a.datname = %s AND a.pid <> %s",
                [connection.info.dbname, connection.info.backend_pid],
            )
            # more than a worker has room for, so that it stops to take any
            many = [row(f"M-{n % 50}", ts=NOW - timedelta(seconds=n)) for n in range(4_000)]
            for partition in range(4):
                put(brokers, topic, *[readings(*many)] * 8, partition=partition)
            wait_for(lambda: asked(address, "/health/ready")[0] == 503, SECONDS)
            assert asked(address, "/health/live") == (200, {"status": "ok"})
            wait_for(lambda: (buffer_of(service)["lag_records"] or 0) >= 32, SECONDS)
            of_service, of_worker = "buffer_lag_records", "buffer_worker_lag_records"
            wait_for(lambda: lags(scrape(service.url), of_service) == [8, 8, 8], SECONDS)
            wait_for(lambda: lags(scraped(address), of_worker) == [8, 8, 8], SECONDS)
            put(brokers, topic, readings(row("M-last")), partition=3)
            wait_for(lambda: lags(scraped(address), of_worker) == [8, 8, 9], SECONDS)
            wait_for(lambda: (buffer_of(service)["delay_seconds"] or 0) > 10, SECONDS)
            found = scraped(address)
            assert found.value("database_up") == 0
            assert found.value("buffer_worker_oldest_age_seconds") > 8
            assert found.value("buffer_worker_retries_total") >= 1
            assert buffer_of(service)["workers"] == 1
        finally:
            other.execute(sql.SQL("ALTER DATABASE {} ALLOW_CONNECTIONS true").format(name))
    wait_for(lambda: buffer_of(service)["lag_records"] == 0, SECONDS)
    wait_for(lambda: scraped(address).total("buffer_worker_lag_records") == 0, SECONDS)
    assert asked(address, "/health/ready")[0] == 200
    assert scraped(address).value("buffer_worker_oldest_age_seconds") == 0


@pytest.mark.slow
def test_what_brokers_do_not_tell_is_not_told(
    brokers: Brokers, service: Service, address: str, start_worker: Start
) -> None:
    start_worker()
    wait_for(lambda: buffer_of(service)["workers"] == 1, SECONDS)
    wait_for(lambda: scraped(address).has("buffer_worker_lag_records"), SECONDS)
    for broker in brokers.each:
        broker.stop()

    def unknown() -> bool:
        told = httpx.get(f"{service.url}/health/ready", timeout=10).json()["buffer"]
        return all(told[name] is None for name in ("lag_records", "delay_seconds", "workers"))

    wait_for(unknown, SECONDS)
    for name in ("lag_records", "delay_seconds", "workers"):
        assert not scrape(service.url).has(f"buffer_{name}")
    brokers.start()
    wait_for(lambda: not unknown(), SECONDS)
