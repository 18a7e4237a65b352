"""Load, jobs, analysts, DBAs and changing retention at once: is all that was acknowledged counted?

Fills a history, then posts live, late, repeated and contradicting readings while every job runs
every ten seconds, analysts query, links change and retention moves. Some devices have registers
that fall every hour. At the end compares each device's days with what was acknowledged, and its
whole energy with that, or with its register and what events explain. Prints and writes a report;
fails where anything differs.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

import psycopg
import uvloop
from rich.console import Console

from loadtests.soak import report
from loadtests.soak.plan import Plan
from loadtests.soak.run import Soak
from loadtests.support import stack
from loadtests.support.options import command_line
from loadtests.support.place import Place, embedded, on_server

_VERSIONS = (
    "SELECT format('PostgreSQL %s, TimescaleDB %s, %s', split_part(current_setting("
    "'server_version'), ' ', 1), e.extversion, CASE current_setting('timescaledb.license')"
    " WHEN 'apache' THEN 'Apache edition' ELSE 'Community edition' END)"
    " FROM pg_extension AS e WHERE e.extname = 'timescaledb'"
)


def main() -> None:
    """Run, print the report and write it to a file; exit with 1 where anything is amiss."""
    usual = Plan(seconds=15 * 60)
    parser = command_line("just soak", __doc__)
    parser.add_argument(
        "--minutes", type=float, default=usual.seconds / 60, help="how long to load"
    )
    parser.add_argument(
        "--database-url",
        help="a superuser's, of any database of the server: it gets another one for the time;"
        " without: an embedded server",
    )
    parser.add_argument(
        "--keep", action="store_true", help="leave that database as it is at the end"
    )
    parser.add_argument("--rate", type=float, help="readings per second [as measured]")
    parser.add_argument(
        "--share", type=float, default=usual.share, help="of the highest rate, as load"
    )
    parser.add_argument(
        "--devices", type=int, default=usual.devices, help="half of them meters, half vehicles"
    )
    parser.add_argument("--clients", type=int, default=usual.clients, help="connections that post")
    parser.add_argument("--days", type=int, default=usual.history_days, help="days of history")
    parser.add_argument(
        "--retention-every",
        type=float,
        default=usual.retention_seconds,
        help="seconds from one change of the retention to the next",
    )
    parser.add_argument(
        "--report", type=Path, default=stack.OUT / "soak.md", help="file to write it to"
    )
    options = parser.parse_args()
    sys.exit(0 if _run(options) else 1)


def _run(options: argparse.Namespace) -> bool:
    console = Console(width=max(120, Console().width))

    def tell(line: str) -> None:
        console.print(f"{time.strftime('%H:%M:%S')} {line}", markup=False, highlight=False)

    plan = Plan(
        seconds=options.minutes * 60,
        rate=options.rate,
        share=options.share,
        devices=options.devices // 2 * 2,
        clients=min(options.clients, options.devices // 2 * 2),
        history_days=options.days,
        retention_seconds=options.retention_every,
    )
    url, log = options.database_url, stack.OUT / "soak-service.log"
    tell(f"starting a database and a service; its log is {log}")
    with (
        on_server(url, keep=options.keep) if url else embedded() as place,
        stack.wattledger(place.service_url, log, WATTLEDGER_ACCESS_LOG="false") as service,
    ):
        soak = Soak(place, service.port, plan, tell)
        soak.prepare()
        uvloop.run(_soak(soak))
        with psycopg.connect(place.admin_url) as connection:
            findings = soak.check(connection)
        found = report.text(soak, findings, _server(place))
        good = report.is_good(soak, findings)
    options.report.parent.mkdir(parents=True, exist_ok=True)
    options.report.write_text(found)
    console.print(found, markup=False, highlight=False, soft_wrap=True)
    console.print(f"{options.report} has this too")
    return good


async def _soak(soak: Soak) -> None:
    try:
        await soak.load()
        await soak.settle()
    finally:
        await soak.close()


def _server(place: Place) -> str:
    with psycopg.connect(place.admin_url) as connection:
        row = connection.execute(_VERSIONS).fetchone()
    assert row is not None
    return row[0]


if __name__ == "__main__":
    main()
