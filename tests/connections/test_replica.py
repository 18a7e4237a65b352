"""Reads on a replica: every route on a real streaming standby, and changes on its primary."""

from __future__ import annotations

import asyncio
import io
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import msgspec
import psycopg
import pytest
from litestar import Litestar
from litestar.routes import ASGIRoute, HTTPRoute

from service.app import create_app, logged
from service.cli.serve import PROTOCOL
from service.database.errors import DatabaseUnavailable
from service.database.pool import Database
from service.embedded import Cluster
from service.settings import Settings
from tests.support.http import meter, vehicle, wait_until_ready
from tests.support.in_process import listening
from tests.support.keys import bearer, make_key
from tests.support.standby import Follower

SETTINGS = Settings(access_log=False, read_timeout_seconds=5.0)
IDS = {"vehicle_id": "V-1", "meter_id": "M-1", "file_path": "swagger-ui.css"}
# what a method that changes something is sent, in this order, and answers
CHANGES: dict[tuple[str, str], tuple[dict[str, Any], int]] = {
    ("POST", "/v1/ingest"): ({"json": [meter(), vehicle()]}, 201),
    ("PUT", "/v1/links/{vehicle_id:str}"): ({"json": {"meterId": "M-1"}}, 201),
    ("DELETE", "/v1/links/{vehicle_id:str}"): ({}, 200),
}
# of no document
NOT_THERE = {"/docs/{path:str}", "/docs/assets"}


@pytest.fixture(scope="module")
def standby(place: Path, cluster: Cluster) -> Iterator[Follower]:
    made = Follower(cluster, place / "standby")
    yield made
    made.stop()


@contextmanager
def serving(cluster: Cluster, standby: Follower) -> Iterator[tuple[Litestar, httpx.Client]]:
    """The service with the standby for reads, and a client with a key for everything."""
    login = "wattledger_service"
    app = create_app(cluster.url(login), SETTINGS, standby.cluster.url(login))
    with (
        listening(logged(app, SETTINGS, io.StringIO()), PROTOCOL) as port,
        httpx.Client(base_url=f"http://127.0.0.1:{port}", headers=bearer(), timeout=60) as client,
    ):
        wait_until_ready(lambda: client.get("/health/ready").status_code)
        yield app, client


@pytest.fixture
def client(cluster: Cluster, standby: Follower) -> Iterator[httpx.Client]:
    with serving(cluster, standby) as (_, opened):
        yield opened


def routes(app: Litestar) -> Iterator[tuple[str, str]]:
    """Every method and path of the route table."""
    for route in app.routes:
        if isinstance(route, HTTPRoute):
            yield from ((method, route.path) for method in sorted(route.methods))
        elif isinstance(route, ASGIRoute):
            yield "POST", route.path


def with_ids(path: str) -> str:
    return re.sub(r"\{(\w+):\w+\}", lambda match: IDS.get(match[1], "x"), path)


def links(client: httpx.Client) -> list[Any]:
    return client.get("/v1/links", params={"vehicleId": "V-9"}).json()["links"]


def test_every_route_works_with_a_replica_for_reads(cluster: Cluster, standby: Follower) -> None:
    with serving(cluster, standby) as (app, client):
        table = set(routes(app))
        assert {one for one in table if one[0] not in ("GET", "HEAD", "OPTIONS")} == set(CHANGES)
        for (method, path), (body, status) in CHANGES.items():
            answer = client.request(method, with_ids(path), **body)
            assert answer.status_code == status, (method, path, answer.text)
        standby.catch_up()
        reads = sorted(one for one in table if one[0] == "GET" and one[1] not in NOT_THERE)
        assert len(reads) > 10
        for _, path in reads:
            for method in ("GET", "HEAD"):
                answer = client.request(method, with_ids(path))
                assert answer.status_code == 200, (method, path, answer.text)
        assert client.get("/v1/meters/M-1").json()["meterId"] == "M-1"


def test_reads_are_the_replicas_and_changes_the_primarys(
    client: httpx.Client, standby: Follower
) -> None:
    with standby.lagging():
        body = {"meterId": "M-9", "from": "2026-01-01T00:00:00Z"}
        assert client.put("/v1/links/V-9", json=body).status_code == 201
        # it is there, and said so to who puts it again; a read may not see it yet
        assert client.put("/v1/links/V-9", json=body).status_code == 200
        assert links(client) == []
        ended = client.delete("/v1/links/V-9", params={"at": "2026-02-01T00:00:00Z"})
        assert ended.status_code == 200
        assert client.post("/v1/ingest", json=meter("M-9")).status_code == 201
        assert client.get("/v1/meters/M-9").status_code == 404
    assert [link["meterId"] for link in links(client)] == ["M-9"]
    assert client.get("/v1/meters/M-9").status_code == 200


def test_keys_are_asked_for_at_the_primary(
    client: httpx.Client, cluster: Cluster, standby: Follower
) -> None:
    with standby.lagging():
        new = bearer(make_key(cluster.url(), "ingest read"))
        assert client.post("/v1/ingest", json=meter("M-8"), headers=new).status_code == 201
        assert client.get("/v1/meters", headers=new).status_code == 200


class Slept(msgspec.Struct):
    """A row of a query that takes its time over what it has read."""

    slept: str


def test_a_read_in_the_way_of_what_is_replayed_is_503(cluster: Cluster, standby: Follower) -> None:
    query = (
        "SELECT pg_sleep(60)::text AS slept FROM (SELECT count(*) FROM api.meter_states("
        "after => NULL::text, page_size => 1)) AS m"
    )

    def take_the_table() -> None:
        with psycopg.connect(standby.cluster.url(), autocommit=True) as here:
            asleep = "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep'"
            while here.execute(asleep).fetchone() != (1,):
                time.sleep(0.02)
        with psycopg.connect(cluster.url()) as there:
            there.execute("LOCK TABLE telemetry.meter_state IN ACCESS EXCLUSIVE MODE")

    async def read() -> None:
        url = standby.cluster.url("wattledger_service")
        database = Database(url, Settings(read_timeout_seconds=50.0), reads_only=True)
        await database.open()
        try:
            reading = asyncio.create_task(database.all(Slept, query))
            await asyncio.to_thread(take_the_table)
            with pytest.raises(DatabaseUnavailable, match="same rows"):
                await reading
        finally:
            await database.close()

    asyncio.run(read())


def test_without_the_replica_readings_are_taken_and_readiness_warns(
    client: httpx.Client, standby: Follower
) -> None:
    standby.cluster.stop()
    try:
        assert client.post("/v1/ingest", json=meter("M-7")).status_code == 201
        body = {"meterId": "M-7"}
        assert client.put("/v1/links/V-7", json=body).status_code in (200, 201)
        answer = client.get("/v1/meters/M-7")
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")
        ready = client.get("/health/ready")
        assert (ready.status_code, ready.json()["status"]) == (200, "ok")
        assert "what is read is answered with 503" in ready.json()["warnings"][0]
    finally:
        standby.cluster.start()
    standby.catch_up()
    wait_until_ready(lambda: client.get("/v1/meters/M-7").status_code, seconds=60)
    assert client.get("/health/ready").json() == {"status": "ok"}
