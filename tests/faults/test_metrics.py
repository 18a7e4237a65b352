"""Metrics while workers are killed and the database is away: counters never go back."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import httpx
import psycopg
import pytest

from service.embedded import Cluster
from tests.support.http import wait_for, wait_until_ready
from tests.support.keys import bearer, make_key
from tests.support.load import Load
from tests.support.metrics import Scrape, scrape
from tests.support.process import Service, free_port, serving

# of whole installations, each of which takes seconds to start
pytestmark = pytest.mark.slow

WORKERS = 3
KILLS = 9


@pytest.fixture
def own_address() -> str:
    """Where the supervisor answers with the metrics."""
    return f"127.0.0.1:{free_port()}"


@pytest.fixture
def service(cluster: Cluster, own_address: str) -> Iterator[Service]:
    """A service with several workers, and an address of its own for metrics."""
    environment = {"WATTLEDGER_METRICS_ADDRESS": own_address}
    url = cluster.url("wattledger_service")
    with serving(url, "--workers", str(WORKERS), **environment) as started:
        wait_for(lambda: at(own_address).value("workers") == WORKERS)
        yield started


def at(address: str) -> Scrape:
    """Scrape without a key."""
    answer = httpx.get(f"http://{address}/metrics", timeout=20)
    assert answer.status_code == 200
    return Scrape(answer.text)


def test_workers_that_are_killed_take_nothing_that_was_counted_with_them(
    cluster: Cluster, service: Service, load: Load, own_address: str
) -> None:
    scrapes: list[Scrape] = []
    ended = threading.Event()

    def scrape_for_ever() -> None:
        while not ended.wait(0.02):
            scrapes.append(at(own_address))

    scraper = threading.Thread(target=scrape_for_ever)
    scraper.start()
    for number in range(KILLS):
        load.acknowledge_more(40)
        wait_for(lambda: at(own_address).value("workers") == WORKERS)
        workers = service.workers()
        os.kill(workers[number % len(workers)], signal.SIGKILL)
    load.acknowledge_more(40)
    wait_until_ready(service.status)
    load.stop()
    wait_for(lambda: at(own_address).value("workers") == WORKERS)
    ended.set()
    scraper.join()
    assert len(scrapes) > KILLS
    assert [later.went_back_since(before) for before, later in pairwise(scrapes)] == [[]] * (
        len(scrapes) - 1
    )
    found = at(own_address)
    assert found.value("workers_expected") == WORKERS
    assert found.value("worker_starts_total") >= WORKERS + KILLS
    target = {"method": "POST", "route": "/v1/ingest"}
    for status, seen in load.statuses.items():
        # what was answered to a client was counted before
        if status:
            assert found.value("http_requests_total", **target, status=str(status)) >= seen
    accepted = found.total("readings_total", result="accepted")
    told = accepted + found.total("readings_total", result="duplicate")
    assert told >= load.statuses[201]
    with psycopg.connect(cluster.url()) as connection:
        row = connection.execute("SELECT count(*) FROM telemetry.meter_reading").fetchone()
    assert row is not None
    # of each kill at most what was committed and not counted yet is missing
    assert row[0] - KILLS * 8 <= accepted <= row[0]


def test_who_asks_whichever_worker_is_told_the_same(service: Service, cluster: Cluster) -> None:
    key = make_key(cluster.url(), "metrics")
    for _ in range(12):
        # each on a connection of its own, which any worker may take
        httpx.get(f"{service.url}/v1/meters", headers=bearer(key))
    labels = {"method": "GET", "route": "/v1/meters", "status": "403"}
    for _ in range(12):
        assert scrape(service.url, key).value("http_requests_total", **labels) == 12


def test_without_the_database_the_metrics_say_so_and_are_there(
    cluster: Cluster, service: Service, own_address: str
) -> None:
    key, unknown = make_key(cluster.url(), "metrics"), f"wl_{'0' * 12}_{'0' * 64}"
    wait_for(lambda: at(own_address).has("devices"))
    # one connection, to one worker, however long it is idle
    limits = httpx.Limits(keepalive_expiry=None)
    headers = bearer(key)
    with httpx.Client(base_url=service.url, headers=headers, timeout=20, limits=limits) as client:
        assert client.get("/metrics").status_code == 200
        os.kill(cluster.postmaster_pid(), signal.SIGKILL)
        wait_for(lambda: at(own_address).value("database_up") == 0)
        # the worker knew the key, though longer ago than it remembers one otherwise
        for _ in range(3):
            answer = client.get("/metrics")
            assert answer.status_code == 200
            found = Scrape(answer.text)
            assert found.value("database_up") == 0
            assert not found.has("devices")
            assert not found.has("database_size_bytes")
            assert found.value("workers") == WORKERS
        assert client.get("/metrics", headers=bearer(unknown)).status_code == 503
        assert client.get("/metrics", headers={"Authorization": ""}).status_code == 401
        # it counts on for metrics alone
        assert client.get("/v1/meters").status_code == 503
    cluster.start()
    wait_for(lambda: at(own_address).value("database_up") == 1)
    wait_for(lambda: at(own_address).has("devices"))


def test_nothing_is_left_over_of_a_service_that_stops(cluster: Cluster) -> None:
    with serving(cluster.url("wattledger_service"), "--workers", "2") as service:
        # not of other services, which start and stop beside this test
        files = Path(f"/proc/{service.process.pid}/fd").iterdir()
        folders = {file.readlink().parent for file in files}
        boards = [one for one in folders if one.name.startswith("wattledger-metrics-")]
        assert [board.is_dir() for board in boards] == [True]
    assert [board.exists() for board in boards] == [False]
