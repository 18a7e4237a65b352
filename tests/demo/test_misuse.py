"""`wattledger demo` as it was not meant, or interrupted by others: it ends with a sentence."""

from __future__ import annotations

import socket
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import psycopg
import pytest

from service.demo import live
from tests.demo.test_command import SMALL, START, call, counted, run
from tests.support.readings import NOW
from tests.support.server import Server


def test_a_database_with_tables_of_others_is_refused_and_left_alone(database_server: Server):
    with database_server.empty() as url, psycopg.connect(url, autocommit=True) as connection:
        connection.execute("CREATE TABLE customers (name text)")
        refused = call(*SMALL, DATABASE_URL=url)
        assert refused.exit_code == 1
        assert "is not empty: it has public.customers" in refused.output
        assert connection.execute("SELECT to_regclass('telemetry.meter_state')").fetchone() == (
            None,
        )


def test_a_port_that_is_taken_is_refused_before_anything_is_done(database_url: str):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        refused = call(*SMALL[:-1], "--port", port, DATABASE_URL=database_url)
    assert refused.exit_code == 1
    assert f"port {port} of 127.0.0.1 cannot be had: Address already in use" in refused.output
    assert counted(database_url)[:2] == (0, 0)


def test_a_service_that_ends_says_why(database_url: str):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with (
            pytest.raises(live.Failed, match=f"the service ended: .*{port}"),
            live.Service(database_url, "no-key", port),
        ):
            pass


def test_a_database_that_is_removed_meanwhile_ends_it_with_a_sentence(database_url: str):
    size = ("demo", "--vehicles", "30", "--days", "3", "--no-live")
    begun = run((*size, "--start", f"{NOW - timedelta(days=4):%Y-%m-%d}"), database_url)
    with begun, psycopg.connect(database_url, autocommit=True) as connection:
        while connection.execute(
            "SELECT count(pg_terminate_backend(a.pid)) FROM pg_stat_activity AS a"
            " WHERE a.application_name = 'wattledger demo' AND a.datname = current_database()"
            " AND a.state = 'active' AND a.query ~ 'api.ingest'"
        ).fetchone() == (0,):
            assert begun.poll() is None
        assert begun.stdout is not None
        told = begun.stdout.read()
    assert begun.returncode == 1
    assert told.splitlines()[-1] == (
        "Error: the database was removed, or its server stopped, while this was at work"
    )


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--truth", "--destroy"), "are two commands"),
        (("--truth", "--start", "1969-12-31"), "time is counted from 1970-01-01 on"),
        (("--truth", "--start", "9999-12-31"), "that day is yet to come"),
    ],
)
def test_what_cannot_be_meant_is_refused(arguments: tuple[str, ...], said: str):
    refused = call("demo", *arguments)
    assert refused.exit_code == 2
    assert said in refused.output


def test_a_truth_that_cannot_be_written_ends_with_a_sentence():
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [
                *(sys.executable, "-c", "from service.cli import main; main()"),
                *("demo", "--truth", "--vehicles", "1", "--days", "1", "--start", START),
            ],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    assert done.returncode == 1
    assert done.stderr == "Error: the truth cannot be written: No space left on device\n"
