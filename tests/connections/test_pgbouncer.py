"""The service behind PgBouncer in transaction mode, where sessions are shared."""

from __future__ import annotations

import asyncio
import signal
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import msgspec
import psycopg
import pytest
from psycopg import conninfo

from service.database.errors import DatabaseUnavailable
from service.database.pool import Database
from service.embedded import Cluster
from service.ingest.store import Store
from service.migrate import MigrationError, differences, migrate
from service.settings import Settings
from service.upkeep import Upkeep
from tests.connections.conftest import migrated
from tests.support.http import meter, vehicle, wait_until_ready
from tests.support.keys import bearer, the_key
from tests.support.load import Load
from tests.support.pgbouncer import PgBouncer, pooling
from tests.support.process import Service, serving
from tests.support.readings import NOW


@pytest.fixture(scope="module")
def cluster(place: Path) -> Iterator[Cluster]:
    """A database whose sessions are neither durable nor in UTC unless something says so."""
    with migrated(place, synchronous_commit="off", timezone="Asia/Kathmandu") as made:
        yield made


@pytest.fixture(scope="module")
def pooler(place: Path, cluster: Cluster) -> Iterator[PgBouncer]:
    """Two sessions for all."""
    with pooling(place, cluster, 2, "postgres") as made:
        yield made


@pytest.fixture(scope="module")
def service(pooler: PgBouncer) -> Iterator[Service]:
    """Two workers with two writers each, that want more sessions than there are."""
    with serving(pooler.url(), "--workers", "2", WATTLEDGER_WRITERS="2") as started:
        yield started


def one(cluster: Cluster, query: str) -> Any:
    with psycopg.connect(cluster.url()) as connection:
        row = connection.execute(query.encode()).fetchone()
    assert row is not None
    return row[0]


def test_sessions_are_shared_as_the_pooler_has_them(cluster: Cluster, service: Service) -> None:
    assert service.status() == 200
    sessions = one(
        cluster, "SELECT count(*) FROM pg_stat_activity WHERE usename = 'wattledger_service'"
    )
    assert 1 <= sessions <= 2


@pytest.mark.slow
def test_readings_sent_at_once_are_all_stored_once(cluster: Cluster, service: Service) -> None:
    load = Load(service.url, the_key(), devices=16)
    load.start()
    load.acknowledge_more(2_000)
    load.stop()
    assert load.missing(cluster.url()) == set()
    assert set(load.statuses) == {201}


def test_reads_links_and_quarantine_work(cluster: Cluster, service: Service) -> None:
    with httpx.Client(base_url=service.url, headers=bearer(), timeout=20) as client:
        # more often than it takes psycopg to prepare a statement
        for number in range(12):
            ts = NOW - timedelta(minutes=number)
            sent = [meter("M-read", ts), vehicle("V-read", ts)]
            assert client.post("/v1/ingest", json=sent).status_code == 201
            assert client.put("/v1/links/V-read", json={"meterId": "M-read"}).status_code < 300
            state = client.get("/v1/meters/M-read").json()
            # UTC, whatever the server's zone
            assert state["timestamp"] == NOW.isoformat().replace("+00:00", "Z")
            answer = client.get("/v1/analytics/performance/V-read")
            assert answer.json()["efficiency"] == pytest.approx(0.37 / 0.42, abs=1e-6)
            refused = client.post("/v1/ingest", json=meter("M-read", ts, voltage=9e6))
            assert refused.status_code == 400
            refused = client.post("/v1/ingest", json=meter("M-read", ts, kwhConsumedAc=5))
            assert refused.json()["rejected"][0]["reason"] == "conflict"
    reasons = (
        "SELECT count(*) FROM telemetry.quarantine WHERE reason IN ('conflict', 'out_of_range')"
    )
    assert one(cluster, reasons) == 24


class Text(msgspec.Struct):
    value: str


def test_what_must_hold_holds_in_whichever_session(cluster: Cluster, pooler: PgBouncer) -> None:
    async def look() -> set[tuple[str, ...]]:
        # the session is others' too, who change something
        database = Database(pooler.url(), Settings(read_connections=4), reads_only=True)
        await database.open()
        try:
            rows = await asyncio.gather(
                *(
                    database.all(
                        Text,
                        "SELECT concat_ws(' ', current_setting('synchronous_commit'),"
                        " current_setting('timezone'), current_setting('statement_timeout'),"
                        " current_setting('default_transaction_read_only'),"
                        " current_user, pg_sleep(0.01)::text) AS value",
                    )
                    for _ in range(40)
                )
            )
        finally:
            await database.close()
        return {(row.value.strip(),) for [row] in rows}

    assert asyncio.run(look()) == {("on UTC 1min off wattledger_service",)}


def test_a_query_that_takes_too_long_is_cancelled_through_the_pooler(
    cluster: Cluster, pooler: PgBouncer
) -> None:
    async def ask() -> None:
        database = Database(pooler.url(), Settings(read_timeout_seconds=0.3))
        await database.open()
        try:
            with pytest.raises(DatabaseUnavailable, match="in time"):
                await database.all(Text, "SELECT pg_sleep(50)::text AS value")
            assert await database.all(Text, "SELECT 'next' AS value") == [Text("next")]
        finally:
            await database.close()

    asyncio.run(ask())
    running = "SELECT count(*) FROM pg_stat_activity WHERE state = 'active' AND query ~ 'sleep.50'"
    deadline = time.monotonic() + 10
    while one(cluster, running + " AND pid <> pg_backend_pid()"):
        assert time.monotonic() < deadline


def test_upkeep_works_and_leaves_the_sessions_limits_as_they_were(
    cluster: Cluster, pooler: PgBouncer
) -> None:
    runs = "SELECT total_runs FROM telemetry.maintenance"
    before = one(cluster, runs)
    asyncio.run(Upkeep(pooler.url(), 60).maintain())
    assert one(cluster, runs) == before + 1
    with psycopg.connect(pooler.url()) as connection:
        row = connection.execute("SHOW statement_timeout").fetchone()
    assert row == ("1min",)


@pytest.mark.slow
def test_restarts_of_the_pooler_lose_no_acknowledged_reading(
    cluster: Cluster, pooler: PgBouncer, service: Service
) -> None:
    load = Load(service.url, the_key())
    load.start()
    try:
        for how in (signal.SIGKILL, signal.SIGINT, signal.SIGKILL):
            load.acknowledge_more(200)
            pooler.stop(how)
            time.sleep(0.5)
            pooler.start()
        load.acknowledge_more(200)
    finally:
        load.stop()
    wait_until_ready(service.status)
    assert load.missing(cluster.url()) == set()
    assert load.without_retry_after == 0
    assert set(load.statuses) <= {201, 503}


def test_another_login_is_refused_with_the_cure(pooler: PgBouncer) -> None:
    async def connect() -> None:
        await Store(pooler.url("postgres"), Settings()).connect()

    with pytest.raises(DatabaseUnavailable) as raised:
        asyncio.run(connect())
    assert "must log in as wattledger_service, not as postgres" in str(raised.value.__cause__)


def test_migrating_through_it_is_refused_with_the_cure(pooler: PgBouncer) -> None:
    url = conninfo.make_conninfo(pooler.url("postgres"))
    with pytest.raises(MigrationError, match="names PostgreSQL itself"):
        migrate(url, lambda _: None)
    assert differences(url) == []
