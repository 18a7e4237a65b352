"""Metrics of the service: what is counted of requests, readings and keys, and who may see it."""

from __future__ import annotations

import io
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from itertools import product
from typing import Any

import httpx
import psycopg
import pytest

from service.app import create_app, logged
from service.cli.serve import PROTOCOL
from service.http.connection import Connection
from service.http.counts import STATUSES
from service.keys.grant import REFUSALS
from service.settings import Settings
from tests.support.http import meter, vehicle, wait_for, wait_until_ready
from tests.support.in_process import Peer, listening
from tests.support.keys import bearer, make_key
from tests.support.metrics import Scrape, scrape
from tests.support.readings import NOW


@contextmanager
def serving(url: str, protocol: type[Connection] = PROTOCOL, **options: Any) -> Iterator[str]:
    """The service as its workers run it, in this process: its address."""
    settings = Settings(access_log=False, **options)
    app = logged(create_app(url, settings), settings, io.StringIO())
    with listening(app, protocol) as port:
        address = f"http://127.0.0.1:{port}"
        wait_until_ready(lambda: httpx.get(f"{address}/health/ready").status_code)
        yield address


@pytest.fixture(params=dict.fromkeys([PROTOCOL, Connection]))
def address(service_url: str, request: pytest.FixtureRequest) -> Iterator[str]:
    """A service with the fast lane, and one without."""
    with serving(service_url, request.param) as started:
        yield started


def post(address: str, *readings: Any, key: str | None = None) -> httpx.Response:
    return httpx.post(f"{address}/v1/ingest", json=list(readings), headers=bearer(key), timeout=20)


def series_of(found: Scrape) -> set[tuple[str, ...]]:
    """All routes and methods that there are, whatever was counted of them."""
    return {
        (labels["method"], labels["route"])
        for labels in (dict(labels) for name, labels in found.samples if "http_requests" in name)
    }


def test_readings_are_counted_once_by_what_became_of_them(address: str) -> None:
    ahead = meter("M-2", NOW + timedelta(days=2))
    assert post(address, meter(), vehicle(), vehicle("V-2")).status_code == 201
    assert post(address, meter(), vehicle()).status_code == 201
    assert post(address, meter(kwhConsumedAc=7.0), meter("M-3")).status_code == 207
    assert post(address, ahead, {"x": 1}).status_code == 400
    assert httpx.post(f"{address}/v1/ingest", content=b"{", headers=bearer()).status_code == 400
    found = scrape(address)
    counted = {
        (side, result): found.value("readings_total", type=side, result=result)
        for side in ("meter", "vehicle")
        for result in ("accepted", "duplicate")
    }
    assert counted == {
        ("meter", "accepted"): 2,
        ("meter", "duplicate"): 1,
        ("vehicle", "accepted"): 2,
        ("vehicle", "duplicate"): 1,
    }
    reasons = {"conflict": 1, "future": 1, "malformed": 2, "too_old": 0, "out_of_range": 0}
    assert {r: found.value("readings_refused_total", reason=r) for r in reasons} == reasons
    assert found.total("readings_refused_total") == 4
    assert found.value("commit_duration_seconds_count", line="live") == 3 + 1
    assert found.value("group_readings_sum", line="live") == 3 + 2 + 2 + 2
    assert found.value("group_readings_count", line="late") == 0


def test_late_readings_are_of_their_own_line(address: str) -> None:
    assert post(address, meter(ts=NOW - timedelta(hours=3))).status_code == 201
    found = scrape(address)
    assert found.value("commit_duration_seconds_count", line="late") == 1
    assert found.value("group_readings_bucket", line="late", le="1") == 1
    assert found.value("commit_duration_seconds_count", line="live") == 0


def test_requests_are_counted_by_method_route_and_status(address: str) -> None:
    def asked(method: str, path: str, times: int = 1, **options: Any) -> None:
        for _ in range(times):
            httpx.request(method, address + path, headers=bearer(), **options)

    asked("POST", "/v1/ingest", 3, json=meter())
    asked("GET", "/v1/meters/M-1", 2)
    asked("HEAD", "/v1/meters/M-1")
    asked("GET", "/v1/meters/M-404")
    asked("GET", "/v1/analytics/performance/V-1/hourly")
    found = scrape(address)

    def counted(method: str, route: str, status: int) -> float:
        labels = {"method": method, "route": route}
        total = found.value("http_requests_total", **labels, status=str(status))
        assert total <= found.value("http_request_duration_seconds_count", **labels)
        assert found.value("http_request_duration_seconds_sum", **labels) > 0
        return total

    assert counted("POST", "/v1/ingest", 201) == 3
    assert counted("GET", "/v1/meters/{meter_id}", 200) == 2
    assert counted("HEAD", "/v1/meters/{meter_id}", 200) == 1
    assert counted("GET", "/v1/meters/{meter_id}", 404) == 1
    assert counted("GET", "/v1/analytics/performance/{vehicle_id}/hourly", 200) == 1


def test_what_is_watched_for_errors_is_shown_before_anything_came(address: str) -> None:
    found = scrape(address)
    for status in ("201", "500", "503"):
        labels = {"method": "POST", "route": "/v1/ingest", "status": status}
        assert found.value("http_requests_total", **labels) == 0


def test_no_client_can_make_labels(address: str) -> None:
    targets = ("/nothing/%s", "/v1/meters/%s/more", "/v1/%s", "/docs/%s", "/v1/meters/M-%s")
    with httpx.Client(base_url=address, headers=bearer()) as client:
        for target, method in product(targets, ("GET", "POST", "BREW", "OPTIONS")):
            client.request(method, target % 1)
        before = scrape(address)
        for target, number in product(targets, range(2, 12)):
            for method in ("GET", "POST", "BREW", "OPTIONS", f"M{number}"):
                client.request(method, target % number)
        after = scrape(address)
    # what was asked for by the scrape itself came by then
    assert series_of(after) - series_of(before) <= {("GET", "/metrics")}
    assert after.total("http_requests_total", route="other") >= 4 * 10
    assert after.total("http_requests_total", method="other") >= 10


def test_what_the_connection_turns_away_is_counted(address: str) -> None:
    port = httpx.URL(address).port
    assert port is not None
    for data, status in (
        (b"no HTTP\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nX: " + b"x" * 70_000, 431),
    ):
        with Peer(port) as peer:
            peer.send(data)
            assert peer.answer()[0] == status
        labels = {"method": "other", "route": "other", "status": str(status)}
        assert scrape(address).value("http_requests_total", **labels) == 1


def test_every_status_of_the_api_has_a_series_of_its_own(address: str) -> None:
    document = httpx.get(f"{address}/docs/openapi.json").json()
    told = {
        int(status)
        for item in document["paths"].values()
        for operation in item.values()
        if isinstance(operation, dict)
        for status in operation["responses"]
    }
    assert told - set(STATUSES) == set()


def test_refusals_of_keys_are_counted_by_why(address: str, database_url: str) -> None:
    reader, limited = make_key(database_url, "read"), make_key(database_url, "read", devices=["M"])
    poor = make_key(database_url, "ingest", readings_per_second=0.001, burst_readings=1.0)
    unknown = f"wl_{'0' * 12}_{'0' * 64}"
    httpx.post(f"{address}/v1/ingest", json=meter())
    post(address, meter(), key=unknown)
    post(address, meter(), key=reader)
    post(address, meter("M-1"), meter("M-2"), key=poor)
    post(address, meter("M-3"), key=poor)
    httpx.get(f"{address}/v1/meters", headers=bearer(limited))
    httpx.get(f"{address}/v1/meters/M-1", headers=bearer(limited))
    found = scrape(address)
    counted = {reason: found.value("key_refusals_total", reason=reason) for reason in REFUSALS}
    once = {"missing", "unknown", "scope", "rate", "fleet", "device"}
    assert counted == {reason: float(reason in once) for reason in REFUSALS}


def test_a_full_queue_is_counted(service_url: str, database_url: str) -> None:
    options = {"queue_readings": 1, "group_readings": 1, "writers": 1}
    with (
        serving(service_url, **options) as address,
        psycopg.connect(database_url) as blocker,
        httpx.Client(base_url=address, headers=bearer(), timeout=30) as client,
    ):
        assert client.post("/v1/ingest", json=meter()).status_code == 201
        blocker.execute("LOCK TABLE telemetry.meter_state IN ACCESS EXCLUSIVE MODE")
        threads = [threading.Thread(target=post, args=(address, meter(f"M-{n}"))) for n in (1, 2)]
        for thread in threads:
            thread.start()
        wait_for(lambda: scrape(address).value("queue_readings", line="live") == 1)
        assert client.post("/v1/ingest", json=meter("M-3")).status_code == 503
        found = scrape(address)
        assert found.value("queue_refused_total") == 1
        assert found.value("queue_bytes", line="live") > 0
        assert found.value("queue_limit_readings") == 1
        blocker.rollback()
        for thread in threads:
            thread.join()
        wait_for(lambda: scrape(address).value("queue_readings", line="live") == 0)


def test_pools_memory_and_build_are_shown(address: str) -> None:
    found = scrape(address)
    assert found.value("pool_connections_limit", pool="reads") == Settings().read_connections
    assert found.has("pool_connections")
    assert found.has("pool_requests_waiting")
    assert found.value("workers") == found.value("worker_starts_total") == 1
    assert found.value("worker_resident_memory_bytes") > 10_000_000
    assert found.total("build_info") == 1


def test_the_databases_gauges_come_with_it(address: str) -> None:
    post(address, meter(), vehicle())
    wait_for(lambda: scrape(address).has("newest_reading_timestamp_seconds"))
    found = scrape(address)
    assert found.value("database_up") == 1
    assert found.value("newest_reading_timestamp_seconds", type="meter") == NOW.timestamp()
    assert found.value("settling_queue_devices") >= 0


def test_metrics_need_a_key_with_their_scope(address: str, database_url: str) -> None:
    def status(key: str) -> int:
        return httpx.get(f"{address}/metrics", headers=bearer(key)).status_code

    assert httpx.get(f"{address}/metrics").status_code == 401
    assert status(make_key(database_url, "metrics")) == 200
    assert status(make_key(database_url, "ingest read")) == 403
    assert status(make_key(database_url, "metrics", devices=["M-1"])) == 403
    key = bearer(make_key(database_url, "metrics"))
    assert httpx.get(f"{address}/v1/meters", headers=key).status_code == 403
    assert httpx.post(f"{address}/v1/ingest", json=meter(), headers=key).status_code == 403


def test_head_has_the_headers_of_get_alone(address: str) -> None:
    answer = httpx.head(f"{address}/metrics", headers=bearer())
    assert answer.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    assert (answer.status_code, answer.content) == (200, b"")
