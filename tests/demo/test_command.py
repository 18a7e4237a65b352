"""`wattledger demo`, as a person calls it."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import psycopg
import pytest
from click.testing import CliRunner, Result

from service.cli import main
from service.demo import database, posting
from service.demo.mark import Mark
from service.demo.plan import Plan
from service.demo.simulation import Hour, Simulation
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


def counted(url: str) -> tuple[int, ...]:
    """Vehicles, readings, links, and what is due to be settled."""
    with psycopg.connect(url) as connection:
        row = connection.execute(
            "SELECT (SELECT count(*) FROM telemetry.vehicle_state),"
            " (SELECT count(*) FROM telemetry.meter_reading AS m WHERE m.entry = 0),"
            " (SELECT count(*) FROM telemetry.charging_link),"
            " (SELECT count(*) FROM telemetry.settle_queue AS q WHERE q.due_at <= now())"
        ).fetchone()
    assert row is not None
    return row


def test_an_empty_database_is_filled_and_the_same_again_changes_nothing(database_url: str):
    done = call(*SMALL, DATABASE_URL=database_url)
    assert done.exit_code == 0, done.output
    before = counted(database_url)
    assert before[0] > 10
    assert before[3] == 0
    again = call(*SMALL, DATABASE_URL=database_url)
    assert again.exit_code == 0, again.output
    assert "has this fleet up to" in again.output
    assert counted(database_url) == before


@pytest.mark.parametrize("other", [("--seed", "2"), ("--days", "2"), ("--all-faults",)])
def test_another_fleet_than_the_one_begun_is_refused_with_a_way_out(
    database_url: str, other: tuple[str, ...]
):
    begin(database_url)
    refused = call(*SMALL, *other, DATABASE_URL=database_url)
    assert refused.exit_code == 1
    assert f"wattledger demo --seed 1 --start {START} --days 1 --vehicles 20\n" in refused.output
    assert "drop that database" in refused.output


def test_the_same_fleet_is_found_on_a_later_day(database_url: str):
    begin(database_url)
    # not told when it starts, it would be yesterday
    done = call("demo", "--vehicles", "20", "--days", "1", "--no-live", DATABASE_URL=database_url)
    assert done.exit_code == 0, done.output
    assert f"since {START}" in done.output


def first_day() -> datetime:
    return datetime.strptime(START, "%Y-%m-%d").replace(tzinfo=UTC)


def begin(url: str) -> None:
    """Leave a fleet as a run does that was killed after its first reading."""
    mark = Mark(1, 20, 1, first_day(), False, first_day())
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DATABASE_URL", url)
        database.prepare(mark, print, any_start=False).close()
    with posting.connect(url) as connection:
        hour = next(hour for hour in Simulation(mark.plan()).hours() if hour.meters)
        posting.post_now(connection, Hour(hour.number, hour.meters[:1]))


@pytest.mark.slow
def test_one_that_was_killed_is_gone_on_with(database_url: str):
    size = ("--vehicles", "30", "--days", "3", "--all-faults", "--no-live")
    arguments = ("demo", *size, "--start", f"{NOW - timedelta(days=4):%Y-%m-%d}")
    begun = run(arguments, database_url)
    with begun, psycopg.connect(database_url, autocommit=True) as connection:
        # some is posted, and some is not
        while (mark := Mark.read(database.read_mark(database_url))) is None or (
            mark.posted == mark.start
        ):
            assert begun.poll() is None
        begun.kill()
        assert mark.posted < mark.start + timedelta(days=3)
        done = call(*arguments, DATABASE_URL=database_url)
        assert done.exit_code == 0, done.output
        assert "going on" in done.output
        simulation = Simulation(mark.plan())
        simulation.run()
        found = dict(
            connection.execute(
                "SELECT 'meter:' || m.meter_id, sum(m.energy_mwh)::bigint"
                " FROM telemetry.meter_reading AS m GROUP BY 1"
            ).fetchall()
        )
        (recorded,) = connection.execute("SELECT count(*) FROM bi.ledger_record").fetchone()
    rest = {sent.row[0] for hour in simulation.rest() for sent in hour.meters}
    # all that arrived: what is under way when the days end never did
    for (side, name), device in simulation.truth.devices.items():
        if side == "meter" and name not in rest:
            assert found.get(f"meter:{name}", 0) == device.told, name
    assert recorded == 1


def test_two_at_once_are_refused(database_url: str):
    with psycopg.connect(database_url) as other:
        other.execute("SELECT pg_advisory_lock(hashtextextended('wattledger demo', 0))")
        refused = call(*SMALL, DATABASE_URL=database_url)
    assert refused.exit_code == 1
    assert "another `wattledger demo` is at work" in refused.output


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


def run(arguments: tuple[str, ...], url: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", "from service.cli import main; main()", *arguments],
        env={**os.environ, "DATABASE_URL": url, "PYTHONUNBUFFERED": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


@pytest.mark.slow
@pytest.mark.parametrize(
    "sent", [signal.SIGINT, pytest.param(signal.SIGTERM, marks=pytest.mark.slow)]
)
def test_the_present_is_posted_to_a_service_until_it_is_stopped(
    database_url: str, sent: signal.Signals
):
    begun = run(SMALL[:-1], database_url)
    with begun:
        assert begun.stdout is not None
        told = ""
        for line in begun.stdout:
            told += line
            if "Ctrl-C stops it" in line:
                break
        (url, key) = re.findall(r"by (http://\S+)\n.*KEY=(\S+)", told, re.DOTALL)[0]
        answer = httpx.get(f"{url}/v1/meters", headers={"Authorization": f"Bearer {key}"})
        assert len(answer.json()["meters"]) > 10
        begun.send_signal(sent)
        rest = begun.stdout.read()
    assert begun.returncode == 0
    assert "posted over HTTP" in rest
    assert "the database stays" in rest
    with pytest.raises(httpx.ConnectError):
        httpx.get(f"{url}/health/live")
    with psycopg.connect(database_url) as connection:
        assert connection.execute(
            "SELECT k.status FROM ops.keys AS k WHERE k.note = 'made by wattledger demo'"
        ).fetchall() == [("revoked",)]


def test_what_arrives_later_waits():
    plan = Plan(NOW.replace(hour=0, minute=0) - timedelta(days=3), seed=3, vehicles=10, days=1)
    for number, hour in enumerate(Simulation(plan).run()):
        middle = hour.number * 3600 + 1800
        now, later = posting.parted(hour, middle)
        assert len(now.meters) + len(later.meters) == len(hour.meters)
        assert all(sent.at <= middle for sent in now.meters + now.vehicles), number
        assert all(sent.at > middle for sent in later.meters + later.vehicles), number
        assert (now.links, later.links) == (hour.links, [])


@pytest.mark.slow
def test_the_commands_of_the_guide_work_beside_the_other_databases(
    home: dict[str, str | None], tmp_path: Path
):
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
    with psycopg.connect(
        Cluster(Path(given["WATTLEDGER_HOME"]) / "postgresql").url(database="postgres")
    ) as admin:
        names = {name for (name,) in admin.execute("SELECT datname FROM pg_database")}
    assert "wattledger" in names
    assert database.NAME not in names
    assert "there is no wattledger_demo" in call("demo", "--destroy", **home).output


def test_the_truth_is_printed_as_lines_of_json():
    printed = call("demo", "--truth", "--vehicles", "20", "--days", "1", "--start", START)
    lines = [json.loads(line) for line in printed.output.splitlines()]
    assert {line["truth"] for line in lines} == {"fault", "device", "session", "day"}
    for line in lines:
        if line["truth"] == "device":
            assert sum(line["hours_mwh"].values()) == line["flowed_mwh"]
