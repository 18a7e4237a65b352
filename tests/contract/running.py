"""Run schemathesis against a service that has readings and links to find."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

import httpx

from tests.support.http import meter, vehicle
from tests.support.keys import bearer
from tests.support.readings import NOW

_CONFIGURATION = Path(__file__).with_name("schemathesis.toml")
# its answer has no end
ENDLESS = "/v1/events"
_COMMAND = Path(sys.executable).with_name("schemathesis")


def seed(url: str) -> None:
    """Store an hour of readings of two linked pairs, so that there is something to be found."""
    readings = [
        make(f"{letter}-{number}", NOW - timedelta(minutes=minute))
        for make, letter in ((meter, "M"), (vehicle, "V"))
        for number in (1, 2)
        for minute in range(60)
    ]
    httpx.post(f"{url}/v1/ingest", json=readings, headers=bearer()).raise_for_status()
    for number in (1, 2):
        link = {"meterId": f"M-{number}"}
        httpx.put(f"{url}/v1/links/V-{number}", json=link, headers=bearer()).raise_for_status()


def schemathesis(url: str, *options: str, seconds: float | None = None) -> tuple[int, str]:
    """Call every operation of the document in many ways; return the exit status and what it says.

    The status is 0 only where no answer broke the document.
    """
    done = subprocess.run(
        command(url, *options),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=seconds,
        check=False,
    )
    return done.returncode, done.stdout


def command(url: str, *options: str) -> Sequence[str]:
    """The command that `schemathesis` runs."""
    return [
        str(_COMMAND),
        "--config-file",
        str(_CONFIGURATION),
        "run",
        f"{url}/docs/openapi.json",
        "--exclude-path",
        ENDLESS,
        "--header",
        f"Authorization: {bearer()['Authorization']}",
        *options,
    ]
