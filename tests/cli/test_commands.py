"""The command line as a user meets it: real processes, real output."""

from __future__ import annotations

import os
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import psycopg
import pytest

from service.migrate import runner
from tests.support.http import wait_until_ready
from tests.support.keys import bearer
from tests.support.process import COMMAND, Service, free_port, serving
from tests.support.readings import NOW, MeterReading, ingest_meters
from tests.support.server import Server

README = Path(__file__).parents[2] / "README.md"


def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [COMMAND, *arguments],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def blocks_of_readme() -> list[str]:
    return re.findall(r"^```sh\n(.*?)^```", README.read_text(), re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize(
    "command",
    [
        "",
        "up",
        "serve",
        "migrate",
        "maintain",
        "verify",
        "config",
        "key",
        "key create",
        "key list",
        "key revoke",
        "key rotate",
        "webhook",
        "webhook set",
        "webhook list",
        "webhook remove",
        "webhook retry",
        "webhook test",
        "webhook deliver",
        "db",
        "db start",
        "db psql",
        "db destroy",
    ],
)
def test_help_says_what_a_command_does(command: str) -> None:
    answer = run(*command.split(), "--help")
    assert answer.returncode == 0
    assert len(answer.stdout.splitlines()) >= 5


def test_config_prints_every_setting_with_its_variable() -> None:
    answer = run("config", WATTLEDGER_PORT="3210")
    assert "WATTLEDGER_PORT=3210" in answer.stdout
    assert "WATTLEDGER_QUEUE_READINGS=" in answer.stdout


@pytest.mark.parametrize(
    ("variable", "value"),
    [("WATTLEDGER_PORT", "http"), ("WATTLEDGER_PORT", "70000"), ("WATTLEDGER_WORKERS", "0")],
)
def test_a_setting_that_cannot_be_used_is_named(variable: str, value: str) -> None:
    answer = run("config", **{variable: value})
    assert answer.returncode == 1
    assert f"{variable}='{value}' cannot be used" in answer.stderr
    assert "Traceback" not in answer.stderr


def test_migrate_check_fails_before_and_passes_after(database_server: Server) -> None:
    with database_server.empty() as url:
        before = run("migrate", "--check", DATABASE_URL=url)
        assert before.returncode == 1
        assert "0001.schemas-and-roles is pending" in before.stderr
        assert run("migrate", DATABASE_URL=url).returncode == 0
        after = run("migrate", "--check", DATABASE_URL=url)
        assert (after.returncode, after.stdout) == (0, "the database is current\n")


def test_migrating_gives_up_after_the_span_given_without_a_traceback(database_url: str) -> None:
    refused = run("migrate", "--wait", "soon", DATABASE_URL=database_url)
    assert (refused.returncode, "such as 90s, 5m or 1h" in refused.stderr) == (2, True)
    with psycopg.connect(database_url) as holder:
        holder.execute("SELECT pg_advisory_lock(%s)", [runner.LOCK])
        answer = run("migrate", "--wait", "0s", DATABASE_URL=database_url)
    assert answer.returncode == 1
    assert "gave up after" in answer.stderr
    assert "waits for the end of another migration" in answer.stderr
    assert "Traceback" not in answer.stderr


def test_migrating_without_a_server_says_so_without_a_traceback() -> None:
    answer = run("migrate", DATABASE_URL="postgresql://nobody@127.0.0.1:1/none")
    assert answer.returncode == 1
    assert "cannot connect" in answer.stderr
    assert "Traceback" not in answer.stderr


def test_maintain_says_what_it_dropped(database_url: str) -> None:
    old = datetime.now(UTC) - timedelta(days=20)
    with psycopg.connect(database_url, autocommit=True) as connection:
        ingest_meters(connection, [MeterReading(ts=old), MeterReading()])
        connection.execute("UPDATE telemetry.dataset SET keep = '5 days' WHERE dataset ~ 'reading'")
    first = run("maintain", DATABASE_URL=database_url)
    assert first.returncode == 0
    # besides what it refreshes and compresses, where the edition does
    dropped = [line for line in first.stdout.splitlines() if line.startswith("dropped")]
    assert len(dropped) == 1
    assert re.fullmatch(
        r"dropped _timescaledb_internal\._hyper_\d+_\d+_chunk of meter_reading", dropped[0]
    )
    assert first.stdout.endswith("\nhistory is in shape\n")
    again = run("maintain", DATABASE_URL=database_url)
    assert again.returncode == 0
    assert "dropped" not in again.stdout
    assert again.stdout.endswith("history is in shape\n")


def test_maintain_settles_what_is_due_and_says_so(database_url: str) -> None:
    hour = NOW.replace(minute=0) - timedelta(hours=3)
    levels = [(hour - timedelta(minutes=10), 100.0), (hour + timedelta(minutes=10), 102.0)]
    hours = "SELECT energy_kwh FROM bi.meter_energy_hourly ORDER BY bucket"
    with psycopg.connect(database_url, autocommit=True) as connection:
        for ts, level in levels:
            ingest_meters(connection, [MeterReading("M-1", ts, level, kind="lifetime_register")])
        assert [row[0] for row in connection.execute(hours)] == [0, 2]
        answer = run("maintain", DATABASE_URL=database_url)
        assert answer.returncode == 0
        assert "settled 1 device(s)\n" in answer.stdout
        assert [row[0] for row in connection.execute(hours)] == [1, 1]
        due = "SELECT count(*) FROM telemetry.settle_queue WHERE due_at <= now()"
        assert connection.execute(due).fetchone() == (0,)


def test_verify_says_what_differs_and_exits_with_1_only_then(database_url: str) -> None:
    with psycopg.connect(database_url, autocommit=True) as connection:
        ingest_meters(connection, [MeterReading()])
        answer = run("verify", DATABASE_URL=database_url)
        assert (answer.returncode, answer.stdout) == (0, "all agrees\n")
        connection.execute("UPDATE telemetry.meter_state SET energy_mwh = 7")
    for since in ("1 day", "infinity"):
        answer = run("verify", "--since", since, DATABASE_URL=database_url)
        assert answer.returncode == 1
        assert re.match(r"meter_state M-1: is \(.*,7,.*\), should be \(.*,420000,", answer.stdout)
        assert "1 differences" in answer.stderr
    answer = run("verify", "--since", "soon", DATABASE_URL=database_url)
    assert (answer.returncode, "nothing was compared" in answer.stderr) == (1, True)


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("postgresql://nobody@127.0.0.1:1/none", "Connection refused"),
        ("no login of ours may do it", "permission denied"),
    ],
)
def test_a_failed_maintenance_says_why_without_a_traceback(
    url: str, says: str, service_url: str
) -> None:
    answer = run("maintain", DATABASE_URL=url if "://" in url else service_url)
    assert answer.returncode == 1
    assert answer.stderr.startswith("Error: the maintenance failed: ")
    assert says in answer.stderr
    assert "Traceback" not in answer.stderr


@pytest.mark.usefixtures("needs_apache")
def test_moving_up_without_the_editions_licence_says_what_to_set(database_url: str) -> None:
    answer = run("migrate", "--to-community", DATABASE_URL=database_url)
    assert answer.returncode == 1
    assert "timescaledb.license" in answer.stderr
    assert "Traceback" not in answer.stderr
    assert run("migrate", "--check", DATABASE_URL=database_url).returncode == 0


def test_serving_on_a_taken_port_says_which_and_what_to_do(service_url: str) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        answer = run("serve", "--port", port, DATABASE_URL=service_url)
    assert answer.returncode == 1
    assert f"cannot listen on 127.0.0.1:{port}" in answer.stderr
    assert "--port" in answer.stderr


def test_the_embedded_database_is_started_migrated_and_served_by_commands_of_their_own() -> None:
    # not in pytest's own directory, which the server's unprivileged user could not enter
    home = Path(tempfile.mkdtemp(prefix="wattledger-home-"))
    home.chmod(0o755)
    place = {"WATTLEDGER_HOME": str(home), "WATTLEDGER_DB_PORT": "0"}
    try:
        for command in ("db start", "migrate", "key create --scope ingest"):
            done = run(*command.split(), **place)
            assert done.returncode == 0
        with serving("", **place) as service:
            answer = httpx.post(
                f"{service.url}/v1/ingest",
                json={"meterId": "M-1", "kwhConsumedAc": 1, "timestamp": round(time.time() * 1000)},
                headers=bearer(done.stdout.strip()),
            )
            assert answer.status_code == 201
    finally:
        run("db", "destroy", "--yes", **place)
        shutil.rmtree(home, ignore_errors=True)


class Upped(Service):
    """What `wattledger up` started, and the database that it was given."""

    def __init__(self, process: subprocess.Popen[bytes], port: int, database_url: str) -> None:
        super().__init__(process, port)
        self.database_url = database_url


@pytest.fixture
def upped(database_server: Server) -> Iterator[Upped]:
    """`wattledger up` on an empty database, its output in a file beside."""
    port = free_port()
    with database_server.empty() as url:
        process = subprocess.Popen(
            [COMMAND, "up", "--port", str(port)],
            env={**os.environ, "DATABASE_URL": url},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        service = Upped(process, port, url)
        try:
            wait_until_ready(service.status, seconds=60)
            yield service
        finally:
            process.send_signal(signal.SIGINT)
            process.communicate(timeout=30)


def test_up_migrates_serves_prints_a_key_once_and_says_what_to_try(upped: Upped) -> None:
    assert httpx.get(f"{upped.url}/v1/meters").status_code == 401
    upped.process.send_signal(signal.SIGINT)
    assert upped.process.wait(30) == 0
    assert upped.process.stdout is not None
    output = upped.process.stdout.read().decode()
    assert "applied migration 0001.schemas-and-roles" in output
    assert f"curl {upped.url}/v1/ingest" in output
    (key,) = re.findall(r"export KEY=(wl_\w+)", output)

    again = subprocess.Popen(
        [COMMAND, "up", "--port", str(free_port())],
        env={**os.environ, "DATABASE_URL": upped.database_url, "PYTHONUNBUFFERED": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    assert again.stdout is not None
    with again:
        told = ""
        while "Ctrl-C" not in told:
            told += again.stdout.readline().decode()
        port = re.search(r"listens on http://127.0.0.1:(\d+)", told)
        assert port is not None
        service = Service(again, int(port[1]))
        wait_until_ready(service.status, seconds=60)
        # with the superuser's login, the service still has no more rights than its role
        answer = httpx.post(
            f"{service.url}/v1/ingest",
            json={"meterId": "M-1", "kwhConsumedAc": 1, "timestamp": 1},
            headers=bearer(key),
        )
        again.send_signal(signal.SIGINT)
    assert answer.json()["rejected"][0]["reason"] == "too_old"
    assert "wl_" not in told
    assert "wattledger key list" in told


def test_the_readmes_curl_works_as_it_stands(upped: Upped) -> None:
    commands = blocks_of_readme()[2].replace("localhost:3000", upped.url.removeprefix("http://"))
    answer = subprocess.run(
        ["sh", "-euc", commands.replace(".venv/bin/wattledger", str(COMMAND))],
        env={**os.environ, "DATABASE_URL": upped.database_url},
        capture_output=True,
        text=True,
        check=True,
        timeout=30,
    )
    receipt, state, link, performance = answer.stdout.splitlines()
    assert receipt == '{"accepted":2,"duplicates":0}'
    assert '"soc":81.5' in state
    assert link == '{"vehicleId":"V-1","meterId":"M-1","from":null,"to":null}'
    assert '"efficiency":0.880952' in performance
    assert '"status":"insufficient"' in performance


def test_the_readme_has_its_commands_in_order() -> None:
    first, second, third = blocks_of_readme()[:3]
    assert "just up" in first
    assert "just test" in second
    assert "curl" in third
