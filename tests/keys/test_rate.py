"""A key's rate: a token bucket of readings, and Retry-After where it is empty."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from litestar.testing import TestClient

from service.app import create_app
from service.ingest.writer import QueueFull
from service.keys.grant import Bucket
from service.settings import Settings
from tests.support.http import meter, wait_until_ready
from tests.support.keys import bearer, key_id, make_key
from tests.support.readings import NOW, Connection


def readings(count: int, first: int = 0) -> list[dict[str, Any]]:
    return [meter(ts=NOW - timedelta(seconds=first + n)) for n in range(count)]


class Clock:
    """The time by which rates are kept, which the test moves on."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr("service.keys.grant.monotonic", made)
    return made


def test_a_key_over_its_rate_is_told_when_to_come_again_and_nothing_is_stored(
    client: Any, connection: Connection, database_url: str, clock: Clock
) -> None:
    headers = bearer(
        make_key(database_url, "ingest read", readings_per_second=2.0, burst_readings=10.0)
    )
    assert client.post("/v1/ingest", json=readings(12), headers=headers).status_code == 201
    for answer in (
        client.post("/v1/ingest", json=readings(1, first=50), headers=headers),
        client.get("/v1/meters", headers=headers),
    ):
        assert answer.status_code == 429
        assert answer.headers["retry-after"] == "2"
        assert answer.headers["content-type"] == "application/problem+json"
    stored = connection.execute("SELECT count(*) FROM telemetry.meter_reading").fetchone()
    assert stored == (12,)
    clock.now += 2
    answer = client.post("/v1/ingest", json=readings(1, first=50), headers=headers)
    assert answer.status_code == 201


def test_one_keys_rate_is_no_others(client: Any, database_url: str) -> None:
    slow, other = (
        bearer(make_key(database_url, "ingest", readings_per_second=0.1, burst_readings=1.0))
        for _ in range(2)
    )
    assert client.post("/v1/ingest", json=meter(), headers=slow).status_code == 201
    assert client.post("/v1/ingest", json=meter(), headers=slow).status_code == 429
    assert client.post("/v1/ingest", json=meter(), headers=other).status_code == 201


def test_a_bucket_never_gives_more_than_its_burst_and_its_rate(clock: Clock) -> None:
    bucket = Bucket(100, 20)
    taken = 0
    for _ in range(500):
        while not bucket.wait_seconds():
            bucket.take(1)
            taken += 1
        clock.now += 0.001
    # a burst, and half a second's worth
    assert 20 + 49 <= taken <= 20 + 50


REFUSED: dict[str, tuple[int, dict[str, Any]]] = {
    "no JSON": (400, {"content": b"{"}),
    "nothing": (400, {"content": b""}),
    "no reading that can be read": (400, {"json": {"x": 1}}),
    "no reading that is in range": (400, {"json": meter(kwhConsumedAc=-1)}),
    "a damaged body": (400, {"content": b"\x1f\x8b", "headers": {"Content-Encoding": "gzip"}}),
    "an unknown encoding": (415, {"content": b"x", "headers": {"Content-Encoding": "br"}}),
    "an unknown type": (415, {"content": b"x", "headers": {"Content-Type": "text/csv"}}),
    "too much": (413, {"content": b"x" * 200_001}),
    "too much, not announced": (413, {"content": [b"x" * 1000] * 500}),
    "too many": (413, {"json": [meter()] * 51}),
    "a foreign device": (403, {"json": meter("X-1")}),
}


@pytest.fixture
def bounded(service_url: str) -> Iterator[Any]:
    """A client without a key, of an application that takes little."""
    options = Settings(max_body_bytes=200_000, max_readings=50)
    with TestClient(create_app(service_url, options)) as opened:
        wait_until_ready(lambda: opened.get("/health/ready").status_code)
        yield opened


@pytest.mark.parametrize("name", REFUSED)
def test_a_request_costs_a_token_whatever_its_body_is(
    bounded: Any, database_url: str, name: str
) -> None:
    status, request = REFUSED[name]
    key = make_key(
        database_url, "ingest", devices=["M-*"], readings_per_second=0.001, burst_readings=2.0
    )
    headers = {**request.get("headers", {}), **bearer(key)}
    first = bounded.post("/v1/ingest", **{**request, "headers": headers})
    assert first.status_code == status
    assert bounded.post("/v1/ingest", json=meter(), headers=bearer(key)).status_code == 201
    assert bounded.post("/v1/ingest", content=b"{", headers=bearer(key)).status_code == 429


def test_another_method_costs_a_token_too(bounded: Any, database_url: str) -> None:
    key = make_key(database_url, "ingest", readings_per_second=0.001, burst_readings=1.0)
    assert bounded.get("/v1/ingest", headers=bearer(key)).status_code == 405
    assert bounded.post("/v1/ingest", json=meter(), headers=bearer(key)).status_code == 429


def test_a_batch_costs_as_many_tokens_as_it_has_readings(bounded: Any, database_url: str) -> None:
    key = make_key(database_url, "ingest", readings_per_second=0.001, burst_readings=4.0)
    for count, status in ((1, 201), (2, 201), (1, 201), (1, 429)):
        answer = bounded.post("/v1/ingest", json=readings(count), headers=bearer(key))
        assert answer.status_code == status


def test_what_there_is_no_room_for_costs_nothing(
    bounded: Any, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = make_key(database_url, "ingest", readings_per_second=0.001, burst_readings=2.0)
    writer = bounded.app.state.writer
    admit = writer.admit

    def full(size_bytes: int, readings: int = 1) -> None:
        raise QueueFull

    def too_many(size_bytes: int, readings: int = 1) -> None:
        if readings > 1:
            raise QueueFull

    # before the body is read, and once it is known how many readings it has
    for refuse, cost in ((full, 0), (too_many, 1)):
        monkeypatch.setattr(writer, "admit", refuse)
        for _ in range(3 if cost == 0 else 1):
            answer = bounded.post("/v1/ingest", json=readings(2), headers=bearer(key))
            assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")
    monkeypatch.setattr(writer, "admit", admit)
    assert bounded.post("/v1/ingest", json=meter(), headers=bearer(key)).status_code == 201
    assert bounded.post("/v1/ingest", json=meter(), headers=bearer(key)).status_code == 429


def test_what_a_key_sent_is_kept_as_that_keys(
    bounded: Any, connection: Connection, database_url: str
) -> None:
    keys = [make_key(database_url, "ingest") for _ in range(2)]
    for key in keys:
        bounded.post("/v1/ingest", content=b"rubbish", headers=bearer(key))
        bounded.post("/v1/ingest", json=meter(kwhConsumedAc=-1), headers=bearer(key))
    rows = connection.execute(
        "SELECT key_id, reason FROM ops.quarantine ORDER BY quarantine_id"
    ).fetchall()
    assert rows == [
        (key_id(key), reason) for key in keys for reason in ("malformed", "out_of_range")
    ]
