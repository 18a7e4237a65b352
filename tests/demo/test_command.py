"""`wattledger demo`, as a person calls it."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import psycopg
import pytest
from click.testing import CliRunner, Result

from service.cli import main
from service.demo import database, posting
from service.demo.plan import Plan
from service.demo.simulation import Simulation
from service.embedded import Cluster
from tests.support.documents import DOCS
from tests.support.readings import NOW, MeterReading, ingest_meters

START = f"{NOW - timedelta(days=2):%Y-%m-%d}"
SMALL = ("demo", "--vehicles", "20", "--days", "1", "--start", START, "--no-live")


def call(*arguments: str, **environment: str | None) -> Result:
    return CliRunner().invoke(main, arguments, env=environment)


@pytest.fixture
def home(directory: Path) -> Iterator[dict[str, str | None]]:
    """An environment with an embedded server of its own."""
    yield {"WATTLEDGER_HOME": str(directory), "WATTLEDGER_DB_PORT": "0", "DATABASE_URL": None}
    Cluster(directory / "postgresql").stop()


def test_an_empty_database_is_filled_and_refused_after_that(database_url: str):
    done = call(*SMALL, DATABASE_URL=database_url)
    assert done.exit_code == 0, done.output
    with psycopg.connect(database_url) as connection:
        counted = connection.execute(
            "SELECT (SELECT count(*) FROM telemetry.vehicle_state),"
            " (SELECT count(*) FROM telemetry.settle_queue AS q WHERE q.due_at <= now())"
        ).fetchone()
    assert counted is not None
    assert counted[0] > 10
    assert counted[1] == 0
    again = call(*SMALL, DATABASE_URL=database_url)
    assert again.exit_code == 1
    assert "holds a demonstration already (seed 1, 20 vehicles" in again.output


def test_a_database_with_other_devices_is_refused_and_left_alone(database_url: str):
    with psycopg.connect(database_url, autocommit=True) as connection:
        ingest_meters(connection, [MeterReading(meter_id="M-THEIRS")])
    refused = call(*SMALL, DATABASE_URL=database_url)
    assert refused.exit_code == 1
    assert "holds 1 devices, such as M-THEIRS" in refused.output
    assert "unset DATABASE_URL" in refused.output
    with psycopg.connect(database_url) as connection:
        assert connection.execute(
            "SELECT m.meter_id FROM telemetry.meter_state AS m"
        ).fetchall() == [("M-THEIRS",)]
    assert database.read_mark(database_url) is None


def test_a_database_that_was_named_is_never_removed(database_url: str):
    refused = call("demo", "--destroy", DATABASE_URL=database_url)
    assert refused.exit_code == 1
    assert "not the demonstration's to remove" in refused.output


def test_its_own_database_is_made_and_removed_beside_the_other(home: dict[str, str | None]):
    assert "there is no wattledger_demo" in call("demo", "--destroy", **home).output
    done = call(*SMALL, **home)
    assert done.exit_code == 0, done.output
    again = call(*SMALL, **home)
    assert again.exit_code == 1
    assert "remove it by `wattledger demo --destroy`" in again.output
    assert call("demo", "--destroy", **home).output == "removed wattledger_demo\n"
    directory = home["WATTLEDGER_HOME"]
    assert directory is not None
    with psycopg.connect(Cluster(Path(directory) / "postgresql").url(database="postgres")) as admin:
        names = {name for (name,) in admin.execute("SELECT datname FROM pg_database")}
    assert "wattledger" in names
    assert database.NAME not in names


def test_the_present_is_posted_until_it_is_stopped(database_url: str):
    begun = subprocess.Popen(
        [sys.executable, "-c", "from service.cli import main; main()", *SMALL[:-1]],
        env={**os.environ, "DATABASE_URL": database_url, "PYTHONUNBUFFERED": "1"},
        stdout=subprocess.PIPE,
        text=True,
    )
    with begun:
        assert begun.stdout is not None
        for line in begun.stdout:
            if "The fleet goes on" in line:
                begun.send_signal(signal.SIGINT)
                break
        assert "the database stays" in begun.stdout.read()
    assert begun.returncode == 0


def test_what_arrives_later_waits():
    plan = Plan(NOW.replace(hour=0, minute=0) - timedelta(days=3), seed=3, vehicles=10, days=1)
    for number, hour in enumerate(Simulation(plan).run()):
        middle = hour.number * 3600 + 1800
        now, later = posting.parted(hour, middle)
        assert len(now.meters) + len(later.meters) == len(hour.meters)
        assert all(sent.at <= middle for sent in now.meters + now.vehicles), number
        assert all(sent.at > middle for sent in later.meters + later.vehicles), number
        assert (now.links, later.links) == (hour.links, [])


def test_the_commands_of_the_guide_work(home: dict[str, str | None], tmp_path: Path):
    guide = (DOCS / "demo.md").read_text(encoding="utf-8")
    (block,) = re.findall(r"```sh\n(.*?)```", guide, re.DOTALL)
    given = {name: value for name, value in home.items() if value is not None}
    bin_directory = Path(sys.executable).parent
    done = subprocess.run(
        ["sh", "-e", "-c", block.replace(".venv/bin", str(bin_directory))],
        env={name: value for name, value in os.environ.items() if name != "DATABASE_URL"} | given,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "removed wattledger_demo" in done.stdout
    assert (tmp_path / "truth.jsonl").read_text().count("\n") > 50


def test_the_truth_is_printed_as_lines_of_json():
    printed = call("demo", "--truth", "--vehicles", "20", "--days", "1", "--start", START)
    lines = [json.loads(line) for line in printed.output.splitlines()]
    assert {line["truth"] for line in lines} == {"fault", "device", "session"}
    for line in lines:
        if line["truth"] == "device":
            assert sum(line["hours_mwh"].values()) == line["flowed_mwh"]
