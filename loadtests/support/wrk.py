"""Closed-loop load by wrk, with readings that are never the same twice."""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import time
from pathlib import Path

from loadtests.support.options import command_line
from loadtests.support.percentiles import Latency

DEVICES = 2_000
_THREADS = 2
_SCRIPT = Path(__file__).with_name("ingest.lua")


class WrkMissing(Exception):
    """The load generator wrk is not installed."""


class Times:
    """Gives each run a range of reading times of its own: the service takes older ones for late."""

    def take(self) -> int:
        """The first time of the next run, in epoch milliseconds.

        Each device's times go on by a millisecond, which is far less than it takes to post them.
        """
        return int(time.time() * 1000)


class Result:
    """What wrk saw: requests per second, their latency, how many went wrong, and how many right."""

    def __init__(self, raw: dict[str, float]) -> None:
        self.requests_per_second = raw["requests"] / (raw["microseconds"] / 1e6)
        self.errors = int(raw["wrong"] + raw["broken"])
        self.right = int(raw["requests"] - raw["wrong"])
        self.latency = Latency(*(raw[name] / 1000 for name in ("p50", "p95", "p99", "p999")))


def check() -> None:
    """Raise WrkMissing, with how to install it, where it cannot be found."""
    if shutil.which("wrk") is None:
        raise WrkMissing(
            "wrk, the load generator, is not installed: `apt-get install -y wrk` on Debian and"
            " Ubuntu, `brew install wrk` on macOS, else https://github.com/wg/wrk"
        )


def options(command: str, description: str | None) -> argparse.Namespace:
    """Parse the command line of a command that compares variants: seconds, rounds, connections."""
    found = command_line(f"just measure {command}", description)
    found.add_argument("--seconds", type=float, default=3, help="of load, per variant and round")
    found.add_argument("--rounds", type=int, default=3, help="turns that the variants take")
    found.add_argument("--connections", type=int, default=300, help="that wrk posts over")
    return found.parse_args()


def run(
    url: str, shape: str, readings: int, first_ms: int, connections: int, seconds: float
) -> Result:
    """Post bodies of one shape for some seconds, as fast as they are answered."""
    command = ["wrk", f"-t{_THREADS}", f"-c{connections}", f"-d{max(1, round(seconds))}s"]
    command += ["--timeout", "30s", "--latency", "-s", str(_SCRIPT), url, "--"]
    arguments = [shape, readings, first_ms, DEVICES, _THREADS]
    done = subprocess.run(
        [*command, *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=seconds + 60,
        check=False,
    )
    for line in done.stdout.splitlines():
        if line.startswith("RESULT "):
            if done.stderr:
                print(done.stderr.strip())
            return Result(json.loads(line.removeprefix("RESULT ")))
    raise RuntimeError(f"wrk failed: {done.stdout}{done.stderr}")
