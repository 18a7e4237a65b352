"""Metrics of a standby: whether it answers, how old what it has is, and which database reads."""

from __future__ import annotations

import io

import httpx
import pytest

from service.app import create_app, logged
from service.cli.serve import PROTOCOL
from service.embedded import Cluster
from tests.connections.serving import SERVICE, SETTINGS, serving, wait_for_source
from tests.support.http import wait_for
from tests.support.in_process import listening
from tests.support.keys import bearer
from tests.support.metrics import Scrape
from tests.support.monitoring import STANDBY
from tests.support.standby import Follower

pytestmark = pytest.mark.slow

STATE = "/v1/vehicles"


def scraped(client: httpx.Client) -> Scrape:
    return Scrape(client.get("/metrics").raise_for_status().text)


def read(client: httpx.Client, times: int) -> None:
    for _ in range(times):
        client.get(STATE).raise_for_status()


def test_reads_are_counted_by_the_database_that_answered(
    cluster: Cluster, standby: Follower
) -> None:
    with serving(cluster, standby.cluster) as (_, client):
        wait_for_source(client, "standby")
        before = scraped(client)
        read(client, 3)
        after = scraped(client)
        grown = {
            name: after.value("reads_total", database=name)
            - before.value("reads_total", database=name)
            for name in ("standby", "primary")
        }
        assert grown == {"standby": 3, "primary": 0}
        # all that alerts and pictures name
        wait_for(lambda: all(scraped(client).has(name) for name in STANDBY))
        assert scraped(client).value("standby_up") == 1
        assert 0 <= scraped(client).value("standby_lag_seconds") < 30
        standby.cluster.stop()
        try:
            wait_for(lambda: scraped(client).value("standby_up") == 0, seconds=30)
            assert not scraped(client).has("standby_lag_seconds")
            read(client, 2)
            last = scraped(client)
            assert last.value("reads_total", database="primary") >= 2
            assert last.went_back_since(after) == []
        finally:
            standby.start()


def test_a_standby_is_told_of_while_its_primary_is_away(
    cluster: Cluster, standby: Follower
) -> None:
    with serving(cluster, standby.cluster) as (_, client):
        wait_for(lambda: scraped(client).has("standby_up"), seconds=20)
        cluster.stop()
        try:
            wait_for(lambda: scraped(client).value("database_up") == 0, seconds=30)
            assert scraped(client).value("standby_up") == 1
            assert scraped(client).value("standby_lag_seconds") >= 0
            assert not scraped(client).has("database_size_bytes")
        finally:
            cluster.start()


def test_there_are_none_without_a_standby(cluster: Cluster) -> None:
    app = create_app(cluster.url(SERVICE), SETTINGS)
    with (
        listening(logged(app, SETTINGS, io.StringIO()), PROTOCOL) as port,
        httpx.Client(base_url=f"http://127.0.0.1:{port}", headers=bearer(), timeout=60) as client,
    ):
        wait_for(lambda: scraped(client).value("database_up") == 1)
        assert [name for name in STANDBY if scraped(client).has(name)] == []
