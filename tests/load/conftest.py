"""A service on a database of the test's own, and runs of `just load` against it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import psycopg
import pytest

from tests.packaging.places import ROOT
from tests.support.keys import the_key
from tests.support.process import Service, serving
from tests.support.server import Server, as_service

# of a machine that does much else meanwhile
_PATIENCE_SECONDS = 240
_STORED = """
SELECT count(*) FROM (
    SELECT FROM telemetry.meter_reading AS m WHERE m.entry = 0
    UNION ALL
    SELECT FROM telemetry.vehicle_reading AS v WHERE v.entry = 0
) AS r
"""


class Outcome(NamedTuple):
    """What a run ended with, said and wrote."""

    code: int
    said: str
    verdict: dict[str, Any]
    requests: set[str]

    @property
    def readings(self) -> dict[str, int]:
        """Readings by what became of them."""
        names = ("sent", "accepted", "duplicates", "refused", "twice", "put_off", "wrong")
        return {name: self.verdict["readings"].get(name, 0) for name in names}


class Runs:
    """Starts scenarios with two processes of locust, and looks at what was stored."""

    def __init__(self, database_url: str, service: Service, output: Path) -> None:
        self.database_url = database_url
        self.url = service.url
        self._output = output

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        """Start `just load`."""
        return subprocess.Popen(
            [sys.executable, "-m", "loadtests.load", *arguments],
            cwd=ROOT,
            env={**os.environ, "WATTLEDGER_KEY": the_key()},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def start_here(self, scenario: str, *arguments: str) -> subprocess.Popen[str]:
        """Start a scenario against the test's service."""
        return self.start(scenario, "--host", self.url, "--output", str(self._output), *arguments)

    def outcome(self, process: subprocess.Popen[str], scenario: str) -> Outcome:
        """Wait for the end of a run that was started here."""
        said, _ = process.communicate(timeout=_PATIENCE_SECONDS)
        written = self._output / f"{scenario}_verdict.json"
        assert written.exists(), said
        lines = (self._output / f"{scenario}_stats.csv").read_text().splitlines()[1:]
        requests = {line.split(",")[1] for line in lines}
        return Outcome(process.returncode, said, json.loads(written.read_text()), requests)

    def run(self, scenario: str, *arguments: str) -> Outcome:
        """Run a scenario to its end."""
        # nothing is promised of how fast a machine is that runs tests
        slow = ("--p95-ms", "60000", "--p99-ms", "60000")
        return self.outcome(self.start_here(scenario, *slow, *arguments), scenario)

    def stored(self) -> int:
        """How many readings the database has."""
        with psycopg.connect(self.database_url) as connection:
            row = connection.execute(_STORED).fetchone()
        assert row is not None
        return row[0]


@pytest.fixture
def fill() -> Callable[[str], None]:
    """What is put into the database before the service starts; a module may override it."""
    return lambda _: None


@pytest.fixture
def runs(database_server: Server, fill: Callable[[str], None], tmp_path: Path) -> Iterator[Runs]:
    """Runs against a service with one worker, on an empty database."""
    with database_server.clone() as url:
        fill(url)
        with serving(as_service(url), "--workers", "1") as service:
            yield Runs(url, service, tmp_path)
