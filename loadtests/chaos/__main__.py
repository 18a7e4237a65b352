"""Faults in turn, under load, on an installation of its own: is anything lost?

Starts an embedded database and the service, both under a supervisor, measures how much they take,
goes on at a share of that and causes a fault at every turn. After each compares what the database
has of every device with what was acknowledged to it. Prints and writes a report; fails where a
reading is lost, stored twice or off by a milliwatt-hour, where a register that falls now and then
is not counted as a plain fold counts it, or `ops.verify` finds a difference.

With `--buffer` three brokers of Apache Kafka and two workers are before the database: there are
faults of theirs, what is acknowledged counts as lost only where the workers do not store it, and
the report says how fast they store what waits.
"""

from __future__ import annotations

import argparse
import itertools
import sys
import time
from pathlib import Path

import uvloop
from rich.console import Console

from loadtests.chaos import report
from loadtests.chaos.buffer_faults import BUFFER_ONLY, WITH_A_BUFFER
from loadtests.chaos.buffered import BufferedInstallation
from loadtests.chaos.faults import ALL
from loadtests.chaos.fleet import Fleet
from loadtests.chaos.installation import Installation
from loadtests.chaos.run import Run
from loadtests.support import stack
from loadtests.support.keys import make_key
from loadtests.support.options import command_line

_NO_DISK = "Without root there is no disk to fill."


def main() -> None:
    """Run, print the report and write it to a file; exit with 1 where anything is amiss."""
    known = (*ALL, *BUFFER_ONLY)
    names = [fault.name for fault in known]
    told = (f"  {one.name}{' (--buffer)' if one in BUFFER_ONLY else ''}" for one in known)
    more = "\n".join(["faults:", *told, _NO_DISK])
    parser = command_line("just chaos", __doc__, more)
    parser.add_argument("--minutes", type=float, default=60, help="how long, all faults together")
    parser.add_argument("--every", type=float, default=60, help="seconds from fault to fault")
    parser.add_argument("--share", type=float, default=0.5, help="of the highest rate, as load")
    parser.add_argument(
        "--fault",
        action="append",
        choices=names,
        metavar="NAME",
        help="only this one; may be repeated",
    )
    parser.add_argument(
        "--write-timeout", type=float, default=8, help="seconds; the service's for the database"
    )
    parser.add_argument("--buffer", action="store_true", help="with a buffer and its faults")
    parser.add_argument(
        "--away", type=float, default=20, help="seconds; of the fault `database away`"
    )
    parser.add_argument("--devices", type=int, default=2_000, help="300 at least")
    parser.add_argument("--clients", type=int, default=200, help="connections that post")
    parser.add_argument(
        "--disk", type=float, default=8, help="GB that the database may fill, in memory"
    )
    parser.add_argument(
        "--report", type=Path, default=stack.OUT / "chaos.md", help="file to write it to"
    )
    options = parser.parse_args()
    sys.exit(0 if uvloop.run(_run(options)) else 1)


async def _run(options: argparse.Namespace) -> bool:
    console = Console(width=max(120, Console().width))
    known = WITH_A_BUFFER if options.buffer else ALL
    chosen = [fault for fault in known if not options.fault or fault.name in options.fault]
    if not chosen:
        raise SystemExit("none of these faults can be caused so: some are with --buffer only")
    count = max(1, round(options.minutes * 60 / options.every))
    faults = list(itertools.islice(itertools.cycle(chosen), count))
    log = stack.OUT / "chaos-service.log"

    def tell(line: str) -> None:
        console.print(f"{time.strftime('%H:%M:%S')} {line}", markup=False, highlight=False)

    tell(f"starting a database and a service; its log is {log}")
    disk = round(options.disk * 2**30)
    with (
        BufferedInstallation(options.write_timeout, disk, log, away_seconds=options.away)
        if options.buffer
        else Installation(options.write_timeout, disk, log)
    ) as installation:
        key = make_key(installation.admin_url)
        fleet = Fleet(installation.port, key, options.devices, options.clients)
        run = Run(installation, fleet, tell)
        began = time.monotonic()
        fleet.start()
        await run.measure(options.share)
        await run.cause(faults, options.every)
        await run.conclude()
        minutes = (time.monotonic() - began) / 60
        found = report.text(run, fleet, minutes, installation.restarts)
        if isinstance(installation, BufferedInstallation):
            found += (
                f"\nBrokers that ended and were started again: {installation.broker_restarts}.\n"
            )
    options.report.parent.mkdir(parents=True, exist_ok=True)
    options.report.write_text(found)
    console.print(found, markup=False, highlight=False)
    console.print(f"{options.report} has this too")
    return report.is_good(run)


if __name__ == "__main__":
    main()
