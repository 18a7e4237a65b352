"""What a fleet takes of cores, disk, WAL and connections, by devices, interval and batch.

Stores days of a simulated fleet: rows and bytes of each kind per device and day, bytes per reading,
and the same in the columnstore (of the tests' Community edition, which needs Node.js, else it is
left out). Then fleets post over HTTP: one reading per request, and gateways with 20. The model
through these two points predicts a third fleet, which is measured too. Prints all of it, and writes
it to --results. What is taken while nobody posts is measured first, and subtracted.
"""

from __future__ import annotations

import argparse
import asyncio
import os
from pathlib import Path

from rich.console import Console

from loadtests.sizing import points, room
from loadtests.sizing.points import Fleet, Used
from loadtests.sizing.report import Measured, page
from loadtests.support import keys, stack
from loadtests.support.options import command_line

_PAGE = Path(__file__).parents[1] / "results" / "sizing.md"
_IDLE_SECONDS = 15.0


def main() -> None:
    """Measure, print, and write the page."""
    parser = command_line("just measure sizing", __doc__)
    parser.add_argument("--seconds", type=float, default=40, help="that each fleet posts")
    parser.add_argument("--vehicles", type=int, default=100, help="of the fleet that takes room")
    parser.add_argument("--days", type=int, default=4, help="of that")
    parser.add_argument("--scale", type=float, default=1.0, help="of all rates of posting")
    parser.add_argument("--results", type=Path, default=_PAGE, help="page that is written")
    options = parser.parse_args()
    console = Console(width=max(120, Console().width))
    with stack.database() as cluster:
        taken = room.measure(cluster, options.vehicles, options.days)
    measured = asyncio.run(_post(options, taken, console))
    text = page(measured, options)
    console.print(text, markup=False, highlight=False)
    options.results.write_text(text, encoding="utf-8")


async def _post(options: argparse.Namespace, taken: room.Room, console: Console) -> Measured:
    """Each fleet on a database that the one before it has filled."""
    fleets = [
        Fleet(2_000, 1, 1_000 * options.scale),
        Fleet(20_000, 20, 5_000 * options.scale),
        Fleet(6_000, 5, 2_500 * options.scale),
    ]
    log = stack.OUT / "sizing-service.log"
    with (
        stack.database() as cluster,
        stack.wattledger(
            cluster.url("wattledger_service"), log, WATTLEDGER_ACCESS_LOG="false"
        ) as service,
    ):
        used = Used(cluster, service)
        base = await asyncio.to_thread(points.idle, used, _IDLE_SECONDS)
        found: list[points.Point] = []
        for number, fleet in enumerate(fleets):
            console.print(f"{fleet.devices:,} devices in batches of {fleet.batch}", highlight=False)
            key = os.environ[keys.VARIABLE]
            found.append(
                await points.post(
                    f"S{number}", fleet, used, service.port, key, options.seconds, base
                )
            )
        return Measured(taken, base, found[0], found[1], found[2], used.sessions())


if __name__ == "__main__":
    main()
