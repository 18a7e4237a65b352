"""A primary that is away: its standby answers all reads, by their keys, and nothing is changed."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

import httpx
import msgspec
import psycopg
import pytest

from service.embedded import Cluster
from tests.connections.serving import (
    CHANGES,
    IMPATIENT,
    READ_FROM,
    SERVICE,
    SETTINGS,
    lag_seconds,
    open_alert,
    reads,
    serving,
    source,
    wait_for_source,
    with_ids,
)
from tests.support.http import meter, vehicle, wait_for, wait_until_ready
from tests.support.keys import bearer, key_id, make_key, the_key
from tests.support.process import serving as serving_process
from tests.support.standby import Follower

LIMITED = "meter:M-1"


@contextmanager
def away(cluster: Cluster) -> Iterator[None]:
    """Stop the primary, and start it again at the end."""
    cluster.stop()
    try:
        yield
    finally:
        cluster.start()


@pytest.fixture(scope="module", autouse=True)
def readings(cluster: Cluster, standby: Follower) -> None:
    """A reading of either side, and a link, so that there is something to read."""
    with serving(cluster, standby.cluster) as (_, client):
        wait_until_ready(lambda: client.get("/health/ready").status_code)
        open_alert(cluster)
        for (method, path), (body, _status) in CHANGES.items():
            client.request(method, with_ids(path), **body).raise_for_status()
    standby.catch_up()


@pytest.mark.slow
def test_every_read_is_answered_and_every_change_is_503(
    cluster: Cluster, standby: Follower
) -> None:
    with serving(cluster, standby.cluster, IMPATIENT) as (app, client):
        wait_until_ready(lambda: client.get("/health/ready").status_code)
        with away(cluster):
            for path in reads(app):
                for method in ("GET", "HEAD"):
                    answer = client.request(method, with_ids(path))
                    status = 503 if path == "/health/ready" else 200
                    assert answer.status_code == status, (method, path, answer.text)
                    if path.startswith("/v1/"):
                        assert answer.headers[READ_FROM].startswith("standby; lag=")
            for (method, path), (body, _status) in CHANGES.items():
                answer = client.request(method, with_ids(path), **body)
                assert answer.status_code == 503, (method, path, answer.text)
                assert answer.headers["retry-after"] == "1"
            ready = client.get("/health/ready").json()
            assert (ready["status"], ready["reads"]) == ("unavailable", "standby")
            assert client.get("/health/reads").json() == {"status": "ok", "reads": "standby"}
            # how old it is, which is beyond the bound by now
            wait_for(lambda: lag_seconds(client) > IMPATIENT.standby_lag_seconds)
            assert source(client) == "standby"
        wait_for(lambda: client.post("/v1/ingest", json=meter("M-2")).status_code == 201)
        wait_until_ready(lambda: client.get("/health/ready").status_code)
        standby.catch_up()
        wait_for(lambda: lag_seconds(client) < 1)
        assert client.get("/v1/meters/M-2").status_code == 200
        for (method, path), (body, status) in CHANGES.items():
            answer = client.request(method, with_ids(path), **body)
            assert answer.status_code in (200, status), (method, path, answer.text)


@pytest.mark.slow
def test_a_service_that_starts_meanwhile_answers_reads(cluster: Cluster, standby: Follower) -> None:
    url = cluster.url(SERVICE)
    with away(cluster), _process(url, standby) as client:
        assert source(client) == "standby"
        assert client.post("/v1/ingest", json=vehicle()).status_code == 503


@contextmanager
def _process(url: str, standby: Follower) -> Iterator[httpx.Client]:
    with (
        serving_process(
            url,
            *("--workers", "1"),
            wait_for_path="/health/reads",
            READ_DATABASE_URL=standby.cluster.url(SERVICE),
        ) as service,
        httpx.Client(base_url=service.url, headers=bearer(), timeout=60) as client,
    ):
        yield client


def statuses(client: httpx.Client, key: str, *paths: str) -> list[int]:
    return [client.get(path, headers=bearer(key)).status_code for path in paths]


def revoke(cluster: Cluster, key: str) -> None:
    with psycopg.connect(cluster.url(), autocommit=True) as connection:
        connection.execute("SELECT ops.revoke_key(%s)", [key_id(key)])


@pytest.mark.slow
def test_keys_that_the_service_never_saw_are_looked_up_at_the_standby(
    client: httpx.Client, cluster: Cluster, standby: Follower
) -> None:
    reader = make_key(cluster.url(), "read")
    limited = make_key(cluster.url(), "read", devices=[LIMITED, "vehicle:V-*"])
    device = make_key(cluster.url(), "ingest")
    revoked = make_key(cluster.url(), "read")
    revoke(cluster, revoked)
    standby.catch_up()
    unknown = f"wl_{'0' * 12}_{'0' * 64}"
    with away(cluster):
        assert statuses(client, reader, "/v1/meters") == [200]
        assert statuses(client, limited, "/v1/meters/M-1", "/v1/meters/M-2") == [200, 403]
        # by a pattern, which the database is asked about
        assert statuses(client, limited, "/v1/vehicles/V-1") == [200]
        assert statuses(client, device, "/v1/meters") == [403]
        assert statuses(client, revoked, "/v1/meters") == [401]
        assert statuses(client, unknown, "/v1/meters") == [401]
        assert client.get("/v1/meters", headers={"Authorization": ""}).status_code == 401
        # a device hears nothing that is final
        sent = client.post("/v1/ingest", json=meter(), headers=bearer(device))
        assert (sent.status_code, sent.headers["retry-after"]) == (503, "1")
    wait_for(
        lambda: client.post("/v1/ingest", json=meter(), headers=bearer(device)).status_code == 201
    )


def test_a_key_that_was_refused_stays_so_whatever_the_standby_says(
    cluster: Cluster, standby: Follower
) -> None:
    settings = msgspec.structs.replace(SETTINGS, key_cache_seconds=0.1)
    with serving(cluster, standby.cluster, settings) as (_, client):
        wait_until_ready(lambda: client.get("/health/ready").status_code)
        key = make_key(cluster.url(), "read")
        with standby.lagging():
            revoke(cluster, key)
            assert statuses(client, key, "/v1/meters") == [401]
            with away(cluster):
                time.sleep(0.2)  # until what was said of it is forgotten
                assert statuses(client, key, "/v1/meters") == [401]
                # while of one that nobody asked about only the standby can tell
                assert statuses(client, the_key(), "/v1/meters") == [200]


def test_keys_are_not_looked_up_at_a_standby_that_is_too_old(
    cluster: Cluster, standby: Follower
) -> None:
    settings = msgspec.structs.replace(SETTINGS, standby_keys_seconds=1.5, key_cache_seconds=0.1)
    with serving(cluster, standby.cluster, settings) as (_, client):
        wait_until_ready(lambda: client.get("/health/ready").status_code)
        wait_for_source(client, "standby")
        with away(cluster):
            wait_for(lambda: client.get("/v1/meters").status_code == 503)
            answer = client.get("/v1/meters")
            assert "what its standby knows of keys is too old" in answer.json()["detail"]
            assert answer.headers["retry-after"] == "1"
        wait_for(lambda: client.get("/v1/meters").status_code == 200)
