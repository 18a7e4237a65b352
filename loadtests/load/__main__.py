"""Load scenarios in locust: a simulated fleet, and those of the old system with its claims.

Runs locust against a service on an embedded database, or at --host. Prints requests per second,
failures and latency, and which cores were in use; locust's own report goes to --output.

dual-stream: 300 users, each alternating a meter's and a vehicle's reading, for 60 s.
vehicle-ingestion: up to 100 users in 10 s, 500 for 30 s, down in 10 s; vehicles' readings.
steady-fleet: an evening's hour of 2,000 simulated vehicles and their chargers in a minute.
"""

from __future__ import annotations

import argparse
import csv
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console
from rich.table import Table

from loadtests.support import stack
from loadtests.support.cpu import Stopwatch
from loadtests.support.options import command_line

# users that there are at once, and for how long; none where the scenario has stages of its own
_SCENARIOS: dict[str, list[str]] = {
    "dual-stream": ["--users", "300", "--spawn-rate", "300", "--run-time", "60s"],
    "vehicle-ingestion": [],
    "steady-fleet": ["--users", "100", "--spawn-rate", "100", "--run-time", "60s"],
}
_CLAIMED = ("about 3,000", "0 %", "78 ms", "160 ms")


def main() -> None:
    """Start what is to be loaded unless told where it is, run locust, exit as it does."""
    parser = command_line("just load", __doc__)
    parser.add_argument("scenario", choices=_SCENARIOS, help="which one")
    parser.add_argument(
        "--host",
        help="a service that runs already, such as http://host:3000; WATTLEDGER_KEY is its key",
    )
    parser.add_argument("--processes", type=int, default=2, help="of locust")
    parser.add_argument(
        "--run-time", help="of all but vehicle-ingestion, such as 20s: instead of 60s"
    )
    parser.add_argument("--output", type=Path, default=stack.OUT, help="for reports")
    options = parser.parse_args()
    console = Console(width=max(120, Console().width))
    with _target(options.host, options.output) as (host, roots):
        console.print(f"{options.scenario} on {host}, {options.processes} processes of locust")
        watch = Stopwatch(**roots)
        code, log = _locust(options, host)
        cores = watch.cores()
    report = options.output / f"{options.scenario}.html"
    if not _show(options, cores, log, console):
        sys.exit(f"locust made no figures; it said: {log[-2000:]}")
    console.print(f"{report} has locust's report")
    sys.exit(code)


@contextmanager
def _target(host: str | None, output: Path) -> Iterator[tuple[str, dict[str, int]]]:
    """What to load: its address, and the processes of it that run here."""
    if host:
        yield host, {}
        return
    with stack.database() as cluster:
        url = cluster.url("wattledger_service")
        with stack.wattledger(url, output / "service.log") as service:
            yield service.url, {"service": service.pid, "database": cluster.postmaster_pid()}


def _locust(options: argparse.Namespace, host: str) -> tuple[int, str]:
    """Run locust to its end; return its exit code and what it said."""
    name = options.scenario.replace("-", "_")
    prefix = options.output / options.scenario
    options.output.mkdir(parents=True, exist_ok=True)
    for kind in ("stats", "failures"):  # a run that fails must not show those of the one before
        Path(f"{prefix}_{kind}.csv").unlink(missing_ok=True)
    arguments = list(_SCENARIOS[options.scenario])
    if options.run_time and arguments:
        arguments[-1] = options.run_time
    command = [sys.executable, "-m", "locust", "--headless", "--only-summary", "--host", host]
    command += ["-f", str(Path(__file__).with_name(f"{name}.py"))]
    command += ["--processes", str(options.processes), "--exit-code-on-error", "1"]
    command += ["--html", f"{prefix}.html", "--csv", str(prefix), *arguments]
    done = subprocess.run(
        command,
        env={
            **os.environ,
            "LOADTEST_PROCESSES": str(options.processes),
            "PYTHONPATH": str(Path(__file__).parents[2]),
        },
        capture_output=True,
        text=True,
        check=False,
        timeout=600,
    )
    return done.returncode, done.stdout + done.stderr


def _show(options: argparse.Namespace, cores: dict[str, float], log: str, console: Console) -> bool:
    """Print our figures beside the claimed ones; return whether there are any."""
    path = options.output / f"{options.scenario}_stats.csv"
    rows = list(csv.DictReader(path.open())) if path.exists() else []
    total = next((row for row in rows if row["Name"] == "Aggregated"), None)
    if total is None or not int(total["Request Count"]):
        return False
    failed = int(total["Failure Count"]) / int(total["Request Count"])
    ours = (
        f"{float(total['Requests/s']):,.0f}",
        f"{failed:.2%}",
        f"{float(total['Average Response Time']):,.0f} ms",
        f"{float(total['95%']):,.0f} ms",
    )
    table = Table(title=f"{options.scenario}: {int(total['Request Count']):,} requests")
    table.add_column("")
    # the old system was never given the simulated fleet
    claimed = ("",) * len(ours) if options.scenario == "steady-fleet" else _CLAIMED
    for column in ("claimed for the old system", "Wattledger, here"):
        table.add_column(column, justify="right")
    names = ("requests/s", "failures", "average", "p95")
    for name, old, new in zip(names, claimed, ours, strict=True):
        table.add_row(name, old, new)
    console.print(table)
    if failed:
        for line in csv.DictReader((options.output / f"{options.scenario}_failures.csv").open()):
            console.print(f"{line['Occurrences']} times: {line['Error']}", markup=False)
    used = ", ".join(f"{name} {value:.2f}" for name, value in cores.items())
    console.print(f"cores in use on average: {used} (generator: locust)")
    served = cores.get("service", 0.0) + cores.get("database", 0.0)
    if "CPU usage" in log or (served and cores["generator"] > served):
        console.print(
            "Locust itself is the limit: it took more of the processor than what it measured."
            " `just bench` has the service's own limits."
        )
    return True


if __name__ == "__main__":
    main()
