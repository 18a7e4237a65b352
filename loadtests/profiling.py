"""Biggest shares of time under load: the worker's by py-spy, the database's by pg_stat_statements.

Posts readings by wrk to a service of one worker on an embedded database. Prints the functions that
held the interpreter, the statements that took longest, and the cores in use. Needs wrk; uv fetches
py-spy.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

import psycopg
from rich.console import Console

from loadtests.support import processes, stack, wrk
from loadtests.support.cpu import Stopwatch
from loadtests.support.options import command_line
from loadtests.support.stack import INGEST_PATH

# `uv tool run` fetches it where it is not installed
_PY_SPY = [str(Path(sys.executable).with_name("uv")), "tool", "run", "py-spy", "record"]
# --gil: only who holds the interpreter; --nonblocking: the worker is not paused for each sample
_OPTIONS = ["--gil", "--nonblocking", "--rate", "200", "--format", "raw"]
_SETTINGS = {
    "shared_preload_libraries": "timescaledb,pg_stat_statements",
    "pg_stat_statements.track": "all",
}
_STATEMENTS = """
SELECT s.calls, s.total_exec_time, s.mean_exec_time, left(regexp_replace(s.query, '\\s+', ' ', 'g'), 90)
FROM pg_stat_statements AS s
ORDER BY s.total_exec_time DESC
LIMIT 8
"""  # noqa: E501


def main() -> None:
    """Load a service of our own, and print the biggest shares of its worker and its database."""
    parser = command_line("just measure profiling", __doc__)
    parser.add_argument(
        "--shape", default="json", choices=["json", "ndjson", "msgpack"], help="of the bodies"
    )
    parser.add_argument("--readings", type=int, default=1, help="per request")
    parser.add_argument("--connections", type=int, default=300, help="that wrk posts over")
    parser.add_argument("--seconds", type=int, default=10, help="that are watched")
    given = parser.parse_args()
    console = Console(width=max(140, Console().width))
    times = wrk.Times()
    log = stack.OUT / "service.log"
    with (
        stack.database(_SETTINGS) as cluster,
        psycopg.connect(cluster.url(), autocommit=True) as connection,
        stack.wattledger(cluster.url("wattledger_service"), log, "--workers", "1") as service,
    ):
        connection.execute("CREATE EXTENSION pg_stat_statements")

        def load(seconds: int) -> wrk.Result:
            return wrk.run(
                service.url + INGEST_PATH,
                given.shape,
                given.readings,
                times.take(),
                given.connections,
                seconds,
            )

        load(2)
        connection.execute("SELECT pg_stat_statements_reset()")
        with tempfile.TemporaryDirectory() as directory:
            stacks = Path(directory) / "stacks"
            command = [*_PY_SPY, *_OPTIONS, "--duration", str(given.seconds)]
            spy = subprocess.Popen(
                [
                    *command,
                    "--output",
                    str(stacks),
                    "--pid",
                    str(processes.workers(service.pid)[0]),
                ],
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
            )
            watch = Stopwatch(service=service.pid, database=cluster.postmaster_pid())
            result = load(given.seconds + 1)
            cores = watch.cores()
            _, said = spy.communicate(timeout=60)
            if not stacks.exists():
                sys.exit(f"py-spy failed: {said.decode()}")
            _show_worker(stacks, console)
        _show_database(connection, console)
    used = ", ".join(f"{name} {value:.2f}" for name, value in cores.items())
    rate = result.requests_per_second * given.readings
    console.print(f"{rate:,.0f} readings/s while watched; cores in use: {used}")


def _show_worker(stacks: Path, console: Console) -> None:
    """Print the functions with the biggest shares, alone and with what they call."""
    alone: Counter[str] = Counter()
    inclusive: Counter[str] = Counter()
    for line in stacks.read_text().splitlines():
        frames, _, count = line.rpartition(" ")
        names = [frame.partition(":")[0] + ")" for frame in frames.split(";")]
        alone[names[-1].replace("))", ")")] += int(count)
        for name in {name.replace("))", ")") for name in names}:
            inclusive[name] += int(count)
    total = alone.total()
    ours = Counter({name: count for name, count in inclusive.items() if "(service/" in name})
    for title, counts in (("by itself", alone), ("ours, with what it calls", ours)):
        console.print(f"[bold]worker, {title}[/bold]", highlight=False)
        for name, count in counts.most_common(18):
            console.print(f"{count / total:7.1%}  {name}", markup=False, highlight=False)


def _show_database(connection: psycopg.Connection[Any], console: Console) -> None:
    """Print the statements that took longest in all; those inside functions count twice."""
    console.print("[bold]database: calls, ms in all, ms per call, statement[/bold]")
    for calls, total, mean, query in connection.execute(_STATEMENTS):
        console.print(f"{calls:7,} {total:10,.0f} {mean:8.3f}  {query}", markup=False)


if __name__ == "__main__":
    main()
