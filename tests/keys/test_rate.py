"""A key's rate: a token bucket of readings, and Retry-After where it is empty."""

from __future__ import annotations

import time
from datetime import timedelta
from typing import Any

from service.keys.grant import Bucket
from tests.support.http import meter
from tests.support.keys import bearer, make_key
from tests.support.readings import NOW, Connection


def readings(count: int, first: int = 0) -> list[dict[str, Any]]:
    return [meter(ts=NOW - timedelta(seconds=first + n)) for n in range(count)]


def test_a_key_over_its_rate_is_told_when_to_come_again_and_nothing_is_stored(
    client: Any, connection: Connection, database_url: str
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
        assert answer.headers["retry-after"] in ("1", "2")
        assert answer.headers["content-type"] == "application/problem+json"
    stored = connection.execute("SELECT count(*) FROM telemetry.meter_reading").fetchone()
    assert stored == (12,)
    time.sleep(2)
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


def test_a_bucket_never_gives_more_than_its_burst_and_its_rate() -> None:
    bucket = Bucket(100, 20)
    began = time.monotonic()
    taken = 0
    while time.monotonic() - began < 0.5:
        if not bucket.wait_seconds():
            bucket.take(1)
            taken += 1
    passed = time.monotonic() - began
    assert 20 + 100 * 0.4 <= taken <= 20 + 100 * passed + 1
