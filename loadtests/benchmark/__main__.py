"""Speed of the service beside the old system's shape, a handler that does nothing, and COPY.

Starts an embedded database, the old shape and the service, measures them in turns, and prints
rates, latency, core time and ratios:

  a  the old shape: an insert and an upsert per reading, one commit each
  b  a handler of the framework that does nothing, and a bare route that does nothing
  c  POST /v1/ingest, one reading per request
  d  the same in batches of 10, 100 and 1,000, in each wire form
  e  COPY into a table of the same shape
  f  latency of a and c at 10, 50 and 90 % of their maximum, arriving on a fixed schedule

Needs wrk, and about ten minutes. Fails where any answer was not what it should be.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import psycopg
from rich.console import Console

from loadtests.benchmark import latency, old_shape, plot, report
from loadtests.benchmark.figures import Figures
from loadtests.benchmark.steps import Bench, Sample, measure, steps, summary
from loadtests.support import copying, stack, wrk
from loadtests.support.options import command_line

_console = Console(width=max(180, Console().width), record=True)


def main() -> None:
    """Parse the command line, measure, report; exit 1 where anything went wrong."""
    options = _options()
    try:
        wrk.check()
    except wrk.WrkMissing as missing:
        sys.exit(str(missing))
    os.environ["OLD_SHAPE_POOL"] = str(options.pool)
    figures = Figures(
        command=f"just bench {' '.join(sys.argv[1:])}".strip(),
        began=datetime.now(UTC).isoformat(timespec="seconds"),
        machine={"cores": str(os.cpu_count()), "Python": sys.version.split()[0]},
    )
    with _bench(options, figures.machine) as bench:
        _closed_loop(bench, options, figures)
        if "f" in options.only:
            for one in latency.measure(bench, _console.print):
                figures.open_loop.append(one)
    figures.ratios = report.ratios(figures)
    _console.export_text()  # forgets what was said on the way
    report.show(figures, _console)
    options.output.mkdir(parents=True, exist_ok=True)
    (options.output / "benchmark.txt").write_text(_console.export_text())
    (options.output / "benchmark.json").write_bytes(
        msgspec.json.format(msgspec.json.encode(figures))
    )
    (options.output / "benchmark.svg").write_text(plot.svg(figures))
    (options.output / "benchmark.html").write_text(plot.page(figures))
    _console.print(f"{options.output}/benchmark.html, .svg, .txt and .json hold the same")
    failed = sum(one.errors for one in [*figures.throughput, *figures.open_loop])
    if failed:
        sys.exit(f"{failed} answers were not what they should be")


def _options() -> argparse.Namespace:
    parser = command_line("just bench", __doc__)
    parser.add_argument(
        "--seconds", type=float, default=9, help="per measurement, in all its rounds"
    )
    parser.add_argument("--rounds", type=int, default=3, help="turns that the measurements take")
    parser.add_argument("--connections", type=int, default=300, help="that load comes over")
    parser.add_argument("--pool", type=int, default=20, help="connections of the old shape")
    parser.add_argument(
        "--only",
        type=lambda text: set(text.split(",")),
        default="a,b,c,d,e,f",
        metavar="a,c,f",
        help="these alone",
    )
    parser.add_argument(
        "--output", type=Path, default=stack.OUT, help="for benchmark.html, .svg, .txt and .json"
    )
    return parser.parse_args()


@contextmanager
def _bench(options: argparse.Namespace, machine: dict[str, str]) -> Iterator[Bench]:
    """A fresh database with both servers on it."""
    _console.print("starting a database with durable settings, the old shape and the service")
    with stack.database() as cluster:
        url = cluster.url()
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute(old_shape.SCHEMA)
            for name, query in (
                ("PostgreSQL", "SHOW server_version"),
                ("TimescaleDB", "SELECT extversion FROM pg_extension WHERE extname='timescaledb'"),
                ("fsync", "SHOW fsync"),
                ("synchronous_commit", "SHOW synchronous_commit"),
            ):
                machine[name] = str(connection.execute(query).fetchone()[0])  # type: ignore[index]
        copying.prepare(url)
        command = [sys.executable, "-m", "loadtests.benchmark.old_shape"]
        with (
            stack.server(command, url, old_shape.READY_PATH, options.output / "old.log") as old,
            stack.wattledger(
                cluster.url("wattledger_service"), options.output / "service.log"
            ) as new,
        ):
            times, pid = wrk.Times(), cluster.postmaster_pid()
            yield Bench(old, new, url, pid, times, options.connections, options.seconds)


def _closed_loop(bench: Bench, options: argparse.Namespace, figures: Figures) -> None:
    """Take the steps in turns, so that whatever else the machine does meets all of them."""
    chosen = [step for step in steps() if step.key[0] in options.only]
    samples: dict[str, list[Sample]] = {step.key: [] for step in chosen}
    for step in chosen:  # makes chunks, connections and prepared statements
        if step.key in ("a", "b", "c"):
            step.take(bench, 1)
    for turn in range(options.rounds):
        for step in chosen:
            measure(step, bench, samples[step.key], bench.seconds / options.rounds)
            taken = samples[step.key][-1]
            _console.print(
                f"round {turn + 1}/{options.rounds}: {step.name}: {taken.rate:,.0f} {step.unit}/s"
            )
    figures.throughput = [summary(step, samples[step.key]) for step in chosen]


if __name__ == "__main__":
    main()
