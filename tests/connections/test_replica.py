"""Reads on a replica: every route on a real streaming standby, and changes on its primary."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import msgspec
import psycopg
import pytest

from loadtests.support import processes
from service.database.errors import DatabaseSlow
from service.database.replica import Reader, Replica
from service.embedded import Cluster
from service.settings import Settings
from tests.connections.serving import (
    CHANGES,
    IMPATIENT,
    READ_FROM,
    SERVICE,
    SETTINGS,
    SIGN_IN,
    lag_seconds,
    open_alert,
    reads,
    routes,
    serving,
    source,
    wait_for_source,
    with_ids,
)
from tests.support.http import meter, wait_for
from tests.support.keys import bearer, make_key
from tests.support.standby import Follower


@pytest.fixture
def impatient(cluster: Cluster, standby: Follower) -> Iterator[httpx.Client]:
    """A client of a service that soon finds that the standby lags."""
    with serving(cluster, standby.cluster, IMPATIENT) as (_, opened):
        wait_for_source(opened, "standby")
        yield opened


def links(client: httpx.Client) -> list[Any]:
    return client.get("/v1/links", params={"vehicleId": "V-9"}).json()["links"]


def test_every_route_works_with_a_replica_for_reads(cluster: Cluster, standby: Follower) -> None:
    with serving(cluster, standby.cluster) as (app, client):
        changes = {one for one in routes(app) if one[0] not in ("GET", "HEAD", "OPTIONS")}
        assert changes - SIGN_IN == set(CHANGES)
        open_alert(cluster)
        for (method, path), (body, status) in CHANGES.items():
            answer = client.request(method, with_ids(path), **body)
            assert answer.status_code == status, (method, path, answer.text)
        standby.catch_up()
        for path in reads(app):
            for method in ("GET", "HEAD"):
                answer = client.request(method, with_ids(path))
                assert answer.status_code == 200, (method, path, answer.text)
                is_read = path.startswith("/v1/") or path in ("/session", "/health/reads")
                told = answer.headers.get(READ_FROM, "")
                assert told.startswith("standby; lag=" if is_read else ""), (path, told)
                assert is_read or not told
        assert client.get("/v1/meters/M-1").json()["meterId"] == "M-1"
        # also of what is not there
        assert client.get("/v1/meters/M-none").headers[READ_FROM].startswith("standby")


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
        assert READ_FROM not in ended.headers
        assert client.post("/v1/ingest", json=meter("M-9")).status_code == 201
    assert [link["meterId"] for link in links(client)] == ["M-9"]
    assert client.get("/v1/meters/M-9").status_code == 200


def test_keys_are_asked_for_at_the_primary(
    client: httpx.Client, cluster: Cluster, standby: Follower
) -> None:
    with standby.lagging():
        new = bearer(make_key(cluster.url(), "ingest read"))
        assert client.post("/v1/ingest", json=meter("M-8"), headers=new).status_code == 201
        assert client.get("/v1/meters", headers=new).status_code == 200


def test_reads_leave_a_standby_that_lags_and_come_back(
    impatient: httpx.Client, standby: Follower
) -> None:
    client = impatient
    with standby.lagging():
        assert client.post("/v1/ingest", json=meter("M-5")).status_code == 201
        wait_for_source(client, "primary")
        assert client.get("/v1/meters/M-5").status_code == 200
        warned = client.get("/health/ready").json()
        assert (warned["status"], warned["reads"]) == ("ok", "primary")
        assert "s behind" in warned["warnings"][0]
    wait_for_source(client, "standby")
    assert client.get("/v1/meters/M-5").status_code == 200
    assert client.get("/health/ready").json() == {"status": "ok", "reads": "standby"}


def test_a_primary_without_work_makes_no_lag(impatient: httpx.Client, standby: Follower) -> None:
    assert impatient.post("/v1/ingest", json=meter("M-4")).status_code == 201
    standby.catch_up()
    time.sleep(2.5)  # longer than the bound
    wait_for(lambda: lag_seconds(impatient) < 1)


def test_without_the_standby_the_primary_answers(client: httpx.Client, standby: Follower) -> None:
    standby.stop()
    try:
        # the first one too, whose connection is gone
        assert source(client) == "primary"
        assert client.post("/v1/ingest", json=meter("M-7")).status_code == 201
        body = {"meterId": "M-7"}
        assert client.put("/v1/links/V-7", json=body).status_code in (200, 201)
        assert client.get("/v1/meters/M-7").status_code == 200
        wait_for_source(client, "primary")
        ready = client.get("/health/ready")
        assert (ready.status_code, ready.json()["status"]) == (200, "ok")
        assert ready.json()["reads"] == "primary"
        assert "the standby does not answer" in ready.json()["warnings"][0]
    finally:
        standby.start()
    wait_for_source(client, "standby")
    standby.catch_up()
    assert client.get("/v1/meters/M-7").status_code == 200


def test_a_standby_that_hangs_is_left(client: httpx.Client, standby: Follower) -> None:
    postmaster = standby.cluster.postmaster_pid()
    pids = [postmaster, *processes.workers(postmaster)]
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    try:
        # the first one too, which waits for it and is not kept for as long as a read may take
        began = time.monotonic()
        assert source(client) == "primary"
        assert time.monotonic() - began < SETTINGS.read_timeout_seconds
    finally:
        for pid in pids:
            os.kill(pid, signal.SIGCONT)
    wait_for_source(client, "standby")


def test_what_is_no_standby_of_the_primary_is_not_read(
    cluster: Cluster, standby: Follower, service_url: str
) -> None:
    with serving(cluster, standby.cluster, read_url=service_url) as (_, client):
        assert source(client) == "primary"
        warnings = client.get("/health/ready").json()["warnings"]
        assert "no standby of DATABASE_URL" in warnings[0]


class Slept(msgspec.Struct):
    """A row of a query that takes its time over what it has read."""

    slept: str


SLEEP = (
    "SELECT pg_sleep(%s)::text AS slept FROM (SELECT count(*) FROM api.meter_states("
    "after => NULL::text, page_size => 1)) AS m"
)


@asynccontextmanager
async def replica(
    cluster: Cluster, standby: Follower, counts: list[str], read_timeout_seconds: float = 50.0
) -> AsyncIterator[Replica]:
    made = Replica(
        cluster.url(SERVICE),
        standby.cluster.url(SERVICE),
        Settings(read_timeout_seconds=read_timeout_seconds),
        counts.append,
    )
    await made.start()
    try:
        yield made
    finally:
        await made.stop()


def wait_for_sleeper(connection: psycopg.Connection[Any]) -> int:
    asleep = "SELECT a.pid FROM pg_stat_activity AS a WHERE a.wait_event = 'PgSleep'"
    while (row := connection.execute(asleep).fetchone()) is None:
        time.sleep(0.02)
    return row[0]


def take_the_table(cluster: Cluster, standby: Follower) -> None:
    with psycopg.connect(standby.cluster.url(), autocommit=True) as here:
        wait_for_sleeper(here)
    with psycopg.connect(cluster.url()) as there:
        there.execute("LOCK TABLE telemetry.meter_state IN ACCESS EXCLUSIVE MODE")


def cut_the_connection(_: Cluster, standby: Follower) -> None:
    with psycopg.connect(standby.cluster.url(), autocommit=True) as here:
        here.execute("SELECT pg_terminate_backend(%s)", [wait_for_sleeper(here)])


def kill_the_standby(_: Cluster, standby: Follower) -> None:
    with psycopg.connect(standby.cluster.url(), autocommit=True) as here:
        wait_for_sleeper(here)
    standby.stop()


@pytest.mark.parametrize("break_it", [take_the_table, cut_the_connection, kill_the_standby])
def test_a_read_that_breaks_on_the_standby_is_the_primarys(
    cluster: Cluster, standby: Follower, break_it: Callable[[Cluster, Follower], None]
) -> None:
    told: list[str] = []
    counted: list[str] = []

    async def read() -> None:
        async with replica(cluster, standby, counted) as both:
            reader = Reader(both, lambda source, _: told.append(source))
            reading: Awaitable[list[Slept]] = asyncio.ensure_future(reader.all(Slept, SLEEP, 2))
            await asyncio.to_thread(break_it, cluster, standby)
            assert len(await reading) == 1
            assert counted == ["primary"]

    try:
        asyncio.run(read())
    finally:
        standby.start()
    assert told == ["primary"]


def test_a_read_that_takes_too_long_is_not_repeated(cluster: Cluster, standby: Follower) -> None:
    counted: list[str] = []

    async def read() -> None:
        async with replica(cluster, standby, counted, read_timeout_seconds=0.5) as both:
            reader = Reader(both, lambda *_: None)
            with pytest.raises(DatabaseSlow):
                await reader.all(Slept, SLEEP, 60)
            assert counted == []
            # and one that the standby can answer is still its own
            assert len(await reader.all(Slept, SLEEP, 0)) == 1
            assert counted == ["standby"]

    asyncio.run(read())
