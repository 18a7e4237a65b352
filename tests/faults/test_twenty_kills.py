"""Twenty kills in the middle of load, of the service and of database backends in turn."""

from __future__ import annotations

import os
import signal

import psycopg
import pytest

from service.embedded import Cluster
from tests.support.http import wait_until_ready
from tests.support.load import Load
from tests.support.process import Service


def kill_a_backend(cluster: Cluster) -> None:
    """Kill one that writes readings; PostgreSQL then restarts all others too."""
    with psycopg.connect(cluster.url(), autocommit=True) as connection:
        row = connection.execute(
            "SELECT a.pid FROM pg_stat_activity AS a"
            " WHERE a.application_name = 'wattledger ingest' LIMIT 1"
        ).fetchone()
    if row is not None:
        os.kill(row[0], signal.SIGKILL)


@pytest.mark.slow
def test_twenty_kills_lose_no_acknowledged_reading_and_store_none_twice(
    cluster: Cluster, service: Service, load: Load
) -> None:
    for number in range(20):
        load.acknowledge_more(40)
        if number % 2:
            kill_a_backend(cluster)
        else:
            for pid in service.workers():
                os.kill(pid, signal.SIGKILL)
    load.acknowledge_more(40)
    wait_until_ready(service.status)
    load.stop()
    assert load.missing(cluster.url()) == set()
    assert len(load.acknowledged) >= 21 * 40
