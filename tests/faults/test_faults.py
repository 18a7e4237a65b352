"""Faults under load, caused for real: nothing acknowledged is lost, and it comes back alone."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import psycopg
import pytest

from service.embedded import Cluster
from tests.support.http import wait_until_ready
from tests.support.load import Load
from tests.support.process import Service

# of whole installations, each of which takes seconds to start
pytestmark = pytest.mark.slow


def test_a_killed_postmaster_costs_503s_with_retry_after_and_no_acknowledged_reading(
    cluster: Cluster, service: Service, load: Load
) -> None:
    load.acknowledge_more(200)
    os.kill(cluster.postmaster_pid(), signal.SIGKILL)
    deadline = time.monotonic() + 15
    while not load.statuses.get(503):
        assert time.monotonic() < deadline, f"no request was told to try again: {load.statuses}"
        time.sleep(0.02)
    assert service.status("/health/live") == 200
    assert service.status("/health/ready") == 503
    cluster.start()
    load.acknowledge_more(200)
    wait_until_ready(service.status)
    load.stop()
    assert load.missing(cluster.url()) == set()
    assert load.without_retry_after == 0
    assert set(load.statuses) == {201, 503}


def test_terminated_backends_are_replaced_and_no_acknowledged_reading_is_lost(
    cluster: Cluster, service: Service, load: Load
) -> None:
    with psycopg.connect(cluster.url(), autocommit=True) as connection:
        for _ in range(5):
            load.acknowledge_more(50)
            connection.execute(
                "SELECT pg_terminate_backend(a.pid) FROM pg_stat_activity AS a"
                " WHERE a.usename = 'wattledger_service'"
            )
    load.acknowledge_more(50)
    wait_until_ready(service.status)
    load.stop()
    assert load.missing(cluster.url()) == set()
    assert set(load.statuses) <= {201, 503}


def test_a_killed_worker_is_replaced_and_no_acknowledged_reading_is_lost(
    cluster: Cluster, service: Service, load: Load
) -> None:
    load.acknowledge_more(100)
    for pid in service.workers():
        os.kill(pid, signal.SIGKILL)
    load.acknowledge_more(100)
    wait_until_ready(service.status)
    load.stop()
    assert load.missing(cluster.url()) == set()
    assert set(load.statuses) <= {201, 503, 0}


def test_workers_killed_while_they_are_asked_how_they_are_are_replaced_at_once(
    cluster: Cluster, service: Service, load: Load
) -> None:
    load.acknowledge_more(50)
    workers = service.workers()
    for pid in workers:
        os.kill(pid, signal.SIGSTOP)
    time.sleep(2)  # in which the supervisor asks, and gets no answer
    for pid in workers:
        os.kill(pid, signal.SIGKILL)
    began = time.monotonic()
    wait_until_ready(service.status, seconds=25)
    load.acknowledge_more(50, seconds=25)
    # it waits for an answer for 30 seconds
    assert time.monotonic() - began < 25
    load.stop()
    assert load.missing(cluster.url()) == set()


def test_workers_end_with_a_killed_supervisor_and_no_acknowledged_reading_is_lost(
    cluster: Cluster, service: Service, load: Load
) -> None:
    load.acknowledge_more(100)
    workers = service.workers()
    service.process.kill()
    service.process.wait()
    deadline = time.monotonic() + 30
    while any(Path(f"/proc/{pid}").exists() for pid in workers):
        assert time.monotonic() < deadline, "workers live on without their supervisor"
        time.sleep(0.05)
    assert service.status() == 0
    load.stop()
    assert load.missing(cluster.url()) == set()


def test_a_stop_under_load_answers_what_it_took_and_loses_no_acknowledged_reading(
    cluster: Cluster, service: Service, load: Load
) -> None:
    load.acknowledge_more(100)
    service.process.send_signal(signal.SIGTERM)
    assert service.process.wait(30) == 0
    load.stop()
    assert load.missing(cluster.url()) == set()
    assert set(load.statuses) <= {201, 503, 0}


def test_a_service_started_before_its_database_becomes_ready_when_that_comes(
    cluster: Cluster, service: Service
) -> None:
    cluster.stop()
    assert service.status() == 503
    cluster.start()
    wait_until_ready(service.status)
