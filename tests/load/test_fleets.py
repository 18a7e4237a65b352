"""Fleets of `just load`: every reading is counted by an answer, and what is posted is stored."""

from __future__ import annotations

import time

import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict

from tests.load.conftest import Runs
from tests.support.process import free_port


@pytest.mark.slow
def test_a_steady_fleet_is_counted_by_the_answers_to_the_last_reading(runs: Runs):
    outcome = runs.run(
        # so many turns that some who were away are back
        *("steady-fleet", "--devices", "120", "--interval", "1", "--run-time", "10s"),
        *("--offline", "0.3", "--twice", "0.2", "--skewed", "0.1", "--ahead", "0.05"),
    )
    readings = outcome.readings
    assert outcome.code == 0, outcome.said
    assert {"live", "late batch", "sent twice", "link"} <= outcome.requests
    assert readings["duplicates"] == readings["twice"] > 0
    assert readings["refused"] > 0
    assert readings["sent"] == sum(readings[name] for name in ("accepted", "duplicates", "refused"))
    assert runs.stored() == readings["accepted"]


@pytest.mark.slow
def test_gateways_post_the_readings_of_many_devices_at_once(runs: Runs):
    outcome = runs.run(
        *("steady-fleet", "--devices", "200", "--interval", "3", "--run-time", "6s"),
        *("--batch", "20", "--twice", "0", "--offline", "0", "--ahead", "0.05"),
    )
    assert outcome.code == 0, outcome.said
    # at the first and the second turn
    assert 200 <= outcome.readings["sent"] <= 400
    assert outcome.readings["sent"] % 20 == 0
    assert runs.stored() == outcome.readings["accepted"]


@pytest.mark.slow
def test_a_fleet_that_comes_back_posts_its_night_and_lives_on(runs: Runs):
    outcome = runs.run(
        *("morning-spike", "--devices", "60", "--interval", "4", "--night", "0.05"),
        *("--within", "2", "--run-time", "8s", "--offline", "0", "--ahead", "0.1"),
    )
    assert outcome.code == 0, outcome.said
    assert {"live", "backlog"} <= outcome.requests
    # three minutes by four seconds
    assert outcome.readings["sent"] > 60 * 45
    assert outcome.readings["refused"] > 45
    assert runs.stored() == outcome.readings["accepted"]


@pytest.mark.slow
def test_readings_that_are_put_off_are_posted_again_until_they_are_stored(runs: Runs):
    process = runs.start_here(
        *("steady-fleet", "--devices", "200", "--interval", "2", "--run-time", "14s"),
        *("--fail-above", "1", "--p95-ms", "60000", "--p99-ms", "60000", "--twice", "0"),
    )
    dbname = conninfo_to_dict(runs.database_url)["dbname"]
    name = sql.Identifier(str(dbname))
    with psycopg.connect(runs.database_url, dbname="postgres", autocommit=True) as server:
        while not runs.stored():
            assert process.poll() is None
            time.sleep(0.1)
        server.execute(sql.SQL("ALTER DATABASE {} ALLOW_CONNECTIONS FALSE").format(name))
        try:
            server.execute(
                "SELECT pg_terminate_backend(a.pid) FROM pg_stat_activity AS a"
                " WHERE a.datname = %s",
                [dbname],
            )
            time.sleep(2)
        finally:
            server.execute(sql.SQL("ALTER DATABASE {} ALLOW_CONNECTIONS TRUE").format(name))
    outcome = runs.outcome(process, "steady-fleet")
    assert outcome.readings["put_off"] > 0, outcome.said
    assert "kept: readings that no answer counted: 0" in outcome.said
    assert outcome.readings["wrong"] == 0, outcome.said
    assert runs.stored() == outcome.readings["sent"] - outcome.readings["refused"]


@pytest.mark.slow
def test_processes_on_another_machine_share_one_fleet(runs: Runs):
    port = str(free_port())
    worker = runs.start(
        "steady-fleet", "--worker", "127.0.0.1", "--master-port", port, "--processes", "2"
    )
    outcome = runs.run(
        *("steady-fleet", "--master", "2", "--master-port", port, "--devices", "100"),
        *("--interval", "3", "--run-time", "6s", "--offline", "0", "--twice", "0"),
    )
    worker.communicate(timeout=60)
    assert outcome.code == 0, outcome.said
    assert 100 <= outcome.readings["sent"] <= 200
    assert runs.stored() == outcome.readings["accepted"]
