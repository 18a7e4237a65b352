"""A primary killed under load, and its standby promoted: nothing acknowledged is missing."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import httpx
import psycopg
import pytest

from service.embedded import Cluster, Standby
from service.migrate import differences
from tests.support.http import wait_for, wait_until_ready
from tests.support.keys import bearer, make_key
from tests.support.load import Load
from tests.support.process import Service, serving

SERVICE = "wattledger_service"


@pytest.fixture
def standby(cluster: Cluster) -> Iterator[Standby]:
    made = Standby(cluster, port=0)
    made.start()
    made.set_synchronous(True)
    yield made
    made.stop()


@pytest.fixture
def service(cluster: Cluster, standby: Standby) -> Iterator[Service]:
    read_url = standby.cluster.url(SERVICE)
    with serving(
        cluster.url(SERVICE),
        READ_DATABASE_URL=read_url,
        # so that those who wait for a standby that is away soon hear so
        WATTLEDGER_WRITE_TIMEOUT_SECONDS="2",
    ) as started:
        yield started


def kill(cluster: Cluster) -> None:
    os.kill(cluster.postmaster_pid(), signal.SIGKILL)
    wait_for(lambda: not cluster.status().running)


@pytest.mark.slow
def test_a_killed_primarys_standby_has_all_that_was_acknowledged(
    cluster: Cluster, standby: Standby, service: Service, load: Load
) -> None:
    port = standby.cluster.status().port
    reader = bearer(make_key(cluster.url(), "read"))

    def read() -> httpx.Response:
        return httpx.get(f"{service.url}/v1/meters", headers=reader, timeout=20)

    url = cluster.url()
    following = standby
    for _ in range(2):
        load.acknowledge_more(300)
        kill(cluster)
        # reads go on meanwhile
        wait_for(lambda: read().headers.get("wattledger-read-from", "").startswith("standby"))
        assert read().status_code == 200

        former = following.promote()

        # the services that run find it where the primary was
        assert cluster.url() == url
        assert former.exists()
        load.acknowledge_more(300)
        wait_until_ready(service.status, seconds=30)
        wait_for(lambda: read().headers.get("wattledger-read-from") == "primary")
        # the next one follows it, where the services look for it
        following = Standby(cluster, port=port)
        following.start()
        following.set_synchronous(True)
    load.stop()
    assert load.missing(url) == set()
    assert len(load.acknowledged) >= 1200
    assert load.without_retry_after == 0
    assert set(load.statuses) <= {0, 201, 503}
    assert differences(url) == []
    # and has them all
    with psycopg.connect(url) as there, psycopg.connect(following.cluster.url()) as here:
        count = "SELECT count(*) FROM telemetry.meter_reading"
        wanted = there.execute(count).fetchone()
        assert wanted is not None
        assert wanted[0] >= len(load.acknowledged)
        wait_for(lambda: here.execute(count).fetchone() == wanted)


@pytest.mark.slow
def test_no_reading_is_acknowledged_that_the_standby_has_not(
    cluster: Cluster, standby: Standby, service: Service, load: Load
) -> None:
    load.acknowledge_more(50)
    standby.stop()
    on_their_way = len(load.acknowledged) + 8
    waiting = (
        "SELECT a.pid FROM pg_stat_activity AS a"
        " WHERE a.wait_event = 'SyncRep' AND a.application_name = 'wattledger ingest'"
    )

    def refused() -> int:
        return load.statuses.get(503, 0)

    with psycopg.connect(cluster.url(), autocommit=True) as connection:
        # as an operator may do who finds them hanging: PostgreSQL then tells success, and warns
        wait_for(
            lambda: (
                bool(connection.execute(f"SELECT pg_cancel_backend(w.pid) FROM ({waiting}) AS w"))
                and refused() > 8
            )
        )
        count = "SELECT count(*) FROM telemetry.meter_reading"
        row = connection.execute(count).fetchone()
    # the primary has some of them by now, and each was sent again: also then nobody is told so
    assert row is not None
    assert len(load.acknowledged) < row[0]
    wait_for(lambda: refused() > 24)
    assert len(load.acknowledged) <= on_their_way

    kill(cluster)
    standby.promote()
    load.acknowledge_more(50)
    load.stop()
    assert load.missing(cluster.url()) == set()


@pytest.mark.slow
def test_no_link_is_told_set_that_the_standby_has_not(
    cluster: Cluster, standby: Standby, service: Service
) -> None:
    headers = bearer(make_key(cluster.url(), "admin"))

    def put() -> httpx.Response:
        url = f"{service.url}/v1/links/V-1"
        return httpx.put(url, json={"meterId": "M-1"}, headers=headers, timeout=60)

    # its key is known by then, whose lookup is a change too
    assert put().status_code == 201
    url = f"{service.url}/v1/links/V-1"
    assert httpx.delete(url, headers=headers, timeout=60).status_code == 200
    standby.stop()
    cancel = (
        "SELECT pg_cancel_backend(a.pid) FROM pg_stat_activity AS a"
        " WHERE a.wait_event = 'SyncRep' AND a.query LIKE '%put_charging_link%'"
    )
    with (
        ThreadPoolExecutor(1) as pool,
        psycopg.connect(cluster.url(), autocommit=True) as connection,
    ):
        answer = pool.submit(put)
        # PostgreSQL tells success then, and warns
        wait_for(lambda: connection.execute(cancel).rowcount == 1)
        assert answer.result().status_code == 503
    standby.start()
    standby.wait_until_streaming()
    assert put().status_code == 200
