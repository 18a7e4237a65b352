"""Cost of refreshes where a share of the fleet uploads hours of backlog, and what lowers it.

Fills two days of history into a new database of a Community edition server, stops its jobs, causes
backlog in several ways, refreshes after each, and prints seconds, processor seconds and WAL of
each step, and how long reads take meanwhile. The database is dropped at the end. Processor time
is 0 where the server is on another machine.
"""

from __future__ import annotations

import argparse
import sys
from datetime import UTC, datetime, timedelta

import psycopg
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from loadtests.late.backlog import Backlog
from loadtests.late.cost import Cost, Meter
from loadtests.late.steps import DAYS, Steps, refresh
from loadtests.support import history
from loadtests.support.options import command_line
from loadtests.support.place import on_server

_EDITION = "SELECT telemetry.has_policies()"
_NO_JOBS = """
SELECT a.job_id
FROM timescaledb_information.jobs AS j
CROSS JOIN LATERAL public.alter_job(j.job_id, scheduled => FALSE) AS a
"""
_BURSTS = 4


def main() -> None:
    """Fill a history, cause backlog, refresh, and print what each step costs."""
    parser = command_line("just measure late", __doc__)
    parser.add_argument(
        "--database-url",
        required=True,
        help="a superuser's, of any database of a server of the Community edition: it gets another"
        " one for the time, and should have nothing else to do",
    )
    parser.add_argument(
        "--devices", type=int, default=10_000, help="half of them meters, half vehicles"
    )
    parser.add_argument("--share", type=float, default=0.01, help="of the fleet that was offline")
    parser.add_argument("--hours", type=int, default=8, help="for which it was offline, up to 11")
    options = parser.parse_args()
    console = Console(width=max(120, Console().width))
    with on_server(options.database_url, keep=False) as place, Progress(console=console) as bar:
        with psycopg.connect(place.admin_url, autocommit=True) as connection:
            if connection.execute(_EDITION).fetchone() != (True,):
                sys.exit("nothing is refreshed on this edition: every write keeps the rollups")
            connection.execute(_NO_JOBS)
            until = _fill(connection, options.devices // 2, bar)
        tables = _measure(Meter(place.admin_url), options, until, console)
    for table in tables:
        console.print(table)


def _fill(connection: psycopg.Connection, vehicles: int, progress: Progress) -> datetime:
    """Two whole days and today; return the whole hour with which it ends."""
    until = datetime.now(UTC).replace(minute=0, second=0, microsecond=0) - timedelta(hours=1)
    since = until.replace(hour=0) - timedelta(days=1)
    connection.execute("SET synchronous_commit = off")
    history.fill(connection, [history.Part(1, vehicles, since, until)], progress, "history")
    connection.execute("ANALYZE")
    return until


def _measure(
    meter: Meter, options: argparse.Namespace, until: datetime, console: Console
) -> list[Table]:
    costs = Table(title=f"{options.devices:,} devices, {options.share:.0%} of them late")
    costs.add_column("")
    for column in ("seconds", "CPU seconds", "WAL MB"):
        costs.add_column(column, justify="right")

    def tell(name: str, cost: Cost) -> None:
        costs.add_row(name, f"{cost.seconds:.2f}", f"{cost.cpu_seconds:.2f}", f"{cost.wal_mb:.1f}")
        console.print(f"{name}: {cost.cpu_seconds:.2f} CPU seconds, {cost.wal_mb:.1f} MB")

    steps = Steps(meter, Backlog(options.devices // 2, options.share), until, tell)
    hours = options.hours
    steps.covered(hours)
    far = steps.reads()
    steps.first(hours)
    near = steps.reads()
    today = until.replace(hour=0)
    meter.statements(refresh(DAYS, today - timedelta(days=2), today))
    steps.bursts(hours, _BURSTS)
    steps.days(hours)
    steps.groups()
    reads = Table(title="milliseconds of reads")
    reads.add_column("")
    for column in (f"{hours} hours and more by real time", "all from stored hours"):
        reads.add_column(column, justify="right")
    for name, before in far.items():
        reads.add_row(name, f"{before:.1f}", f"{near[name]:.1f}")
    return [costs, reads]


if __name__ == "__main__":
    main()
