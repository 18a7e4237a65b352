"""Load scenarios in locust: simulated fleets as they live, and those of the old system.

Runs locust against a service on an embedded database, or at --host. Prints what each kind of
request took, what the answers counted, which cores were in use, and whether each objective was
kept: where one was not, it ends with 1. The times of readings count from when they were due.
Locust's own report goes to --output.

steady-fleet: --devices that each read once in --interval, with jitter. Some are offline for a
    while and post what they kept as one batch, newest or oldest first; some post twice, which must
    count as duplicates; some clocks are wrong, a few so far ahead that their readings must be
    refused. What is put off (503, no answer) is posted again, the same. All readings are from the
    simulation, each vehicle charging at a meter that it is linked to.
morning-spike: such a fleet was cut off for --night: all post it --within seconds, and live on.
read-mix: --readers look at vehicles, meters, the fleet and sessions of a filled history, beside
    such a fleet. At --host that history is whatever is there, such as of `wattledger demo`.
dual-stream: 300 users, each alternating a meter's and a vehicle's reading, for 60 s.
vehicle-ingestion: up to 100 users in 10 s, 500 for 30 s, down in 10 s; vehicles' readings.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from pathlib import Path

from rich.console import Console

from loadtests.load.options import Options
from loadtests.load.report import Files, show
from loadtests.load.scenarios import SCENARIOS, Scenario
from loadtests.load.target import target
from loadtests.support import stack
from loadtests.support.cpu import Stopwatch
from loadtests.support.options import command_line
from service.embedded import ports

_MACHINES = """
over several machines, each with this repository, and WATTLEDGER_KEY set to a key of scope admin:
  just load steady-fleet --host http://service:3000 --devices 200000 --master 8   on one of them
  just load steady-fleet --worker THAT_ONE --processes 4                          on two others
"""
# beside the time that was asked for: to start, and for what is due at the end
_PATIENCE_SECONDS = 400


def _bound(text: str) -> tuple[str, float]:
    name, _, number = text.rpartition("=")
    return name, float(number)


def _seconds(text: str) -> int:
    units = {"s": 1, "m": 60, "h": 3600}
    return int(float(text[:-1]) * units[text[-1]]) if text[-1] in units else int(text)


def _parser() -> argparse.ArgumentParser:
    parser = command_line("just load", __doc__, _MACHINES)
    parser.add_argument("scenario", choices=SCENARIOS, help="which one")
    add = parser.add_argument
    add(
        "--host",
        help="a service that runs already, such as http://host:3000; WATTLEDGER_KEY is its key",
    )
    add("--processes", type=int, default=2, help="of locust")
    add("--run-time", type=_seconds, help="such as 20s or 10m: instead of the scenario's own")
    add("--output", type=Path, default=stack.OUT, help="for reports")
    fleet = parser.add_argument_group("of a fleet")
    add = fleet.add_argument
    known = Options()
    add("--devices", type=int, help="half meters, half vehicles; 5000, of a spike 1000")
    add("--interval", type=float, default=known.interval_seconds, help="seconds between readings")
    add("--batch", type=int, default=1, help="devices per gateway, which posts for all at once")
    add("--connections", type=int, default=known.connections, help="that all post over")
    add("--offline", type=float, default=known.offline, help="share of devices that is away")
    add("--twice", type=float, default=known.twice, help="share of posts that are sent twice")
    add("--skewed", type=float, default=known.skewed, help="share of clocks that are wrong")
    add("--ahead", type=float, default=known.ahead, help="… so that readings must be refused")
    add("--night", type=float, default=known.night_minutes / 60, help="hours that a spike kept")
    add("--within", type=float, default=known.within_seconds, help="seconds in which all return")
    add("--readers", type=int, default=known.readers, help="that ask once a second in a read-mix")
    add("--history-days", type=int, default=7, help="of 200 vehicles, filled in for a read-mix")
    judged = parser.add_argument_group("objectives; those of a scenario stand unless given here")
    add = judged.add_argument
    add(
        "--fail-above", type=float, default=0.0, help="share of requests that may fail, put off too"
    )
    for name in ("--p95-ms", "--p99-ms"):
        add(
            name,
            type=_bound,
            action="append",
            metavar="[REQUEST=]MS",
            help="bound for all kinds of requests, or for one, such as live=200; may be repeated",
        )
    spread = parser.add_argument_group("over several machines")
    add = spread.add_argument
    add("--master", type=int, metavar="N", help="lead N processes that run elsewhere, none here")
    add("--worker", metavar="HOST", help="run --processes that the master on HOST leads")
    add("--master-port", type=int, default=5557, help="of the master, on both sides")
    return parser


def main() -> None:
    """Start what is to be loaded unless told where it is, run locust, exit as it does."""
    parser = _parser()
    asked = parser.parse_args()
    if asked.master and not asked.host:
        parser.error("--master needs --host: workers on other machines must reach the service")
    scenario = SCENARIOS[asked.scenario]
    if asked.worker:
        sys.exit(subprocess.run([*_locust(asked), *_elsewhere(asked)], check=False).returncode)
    console = Console(width=max(120, Console().width))
    asked.output.mkdir(parents=True, exist_ok=True)
    files = Files(asked.output, asked.scenario)
    # a run that fails must not show those of the one before
    files.remove()
    days = asked.history_days if scenario.is_filled else 0
    with target(asked.host, asked.output, days, console) as (host, roots):
        count = asked.master or asked.processes
        console.print(f"{asked.scenario} on {host}, {count} processes of locust")
        watch = Stopwatch(**roots)
        code, log = _run(asked, scenario, host, files)
        cores = watch.cores()
    if not show(files, cores, log, console):
        sys.exit(f"locust made no figures; it said: {log[-2000:]}")
    console.print(f"{files.html} has locust's report")
    sys.exit(code)


def _locust(asked: argparse.Namespace) -> list[str]:
    name = asked.scenario.replace("-", "_")
    return [sys.executable, "-m", "locust", "-f", str(Path(__file__).with_name(f"{name}.py"))]


def _elsewhere(asked: argparse.Namespace) -> list[str]:
    found = ["--worker", "--master-host", asked.worker, "--master-port", str(asked.master_port)]
    return [*found, "--processes", str(asked.processes)]


def _run(asked: argparse.Namespace, scenario: Scenario, host: str, files: Files) -> tuple[int, str]:
    """Run locust to its end; return its exit code and what it said."""
    options = _options(asked, scenario, files)
    seconds = asked.run_time or scenario.seconds
    readers = options.readers if scenario.is_filled else 0
    users = scenario.users or options.connections + readers
    command = [*_locust(asked), "--headless", "--only-summary", "--host", host]
    command += ["--html", str(files.html), "--csv", str(files.csv), "--scenario", str(options)]
    if not scenario.is_shaped:
        command += ["--users", str(users), "--spawn-rate", str(users), "--run-time", f"{seconds}s"]
    if asked.master:
        command += ["--master", "--master-bind-port", str(asked.master_port)]
        command += ["--expect-workers", str(asked.master)]
    else:
        # another run on this machine has a master of its own
        port = str(ports.free_port())
        command += ["--processes", str(asked.processes)]
        command += ["--master-bind-port", port, "--master-port", port]
    if scenario.has_fleet:
        # those that post are waited for, and then all that is due is posted
        command += ["--stop-timeout", "5"]
    done = subprocess.run(
        command,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
        capture_output=True,
        text=True,
        check=False,
        timeout=seconds + _PATIENCE_SECONDS,
    )
    return done.returncode, done.stdout + done.stderr


def _options(asked: argparse.Namespace, scenario: Scenario, files: Files) -> Options:
    p95, p99 = dict(asked.p95_ms or ()), dict(asked.p99_ms or ())
    return Options(
        processes=asked.master or asked.processes,
        # a fleet of its own each time: registers that start anew would be faults
        run=f"{int(time.time()):x}",
        devices=asked.devices or scenario.devices,
        interval_seconds=asked.interval,
        batch=asked.batch,
        connections=asked.connections,
        readers=asked.readers,
        offline=asked.offline,
        twice=asked.twice,
        skewed=asked.skewed,
        ahead=asked.ahead,
        night_minutes=round(asked.night * 60),
        within_seconds=asked.within,
        fail_above=asked.fail_above,
        # a bound for all is for those that have one of their own here, too
        p95_ms=p95 if "" in p95 else scenario.p95_ms | p95,
        p99_ms=p99 if "" in p99 else scenario.p99_ms | p99,
        verdict=str(files.verdict),
    )


if __name__ == "__main__":
    main()
