"""The buffered path through faults: is what was acknowledged stored, once?

Starts three brokers, a database, the service and two workers, and posts readings through a broker
that is killed, a worker that is killed, workers that come and go, and a database that is killed.
Then waits until the workers have stored all, and compares. `--no-faults` posts only.

`--compare` measures rates and delays instead, beside those of a service without a buffer, in turns
(needs wrk). `--spike` slows the database down, and posts ten times what the service without a
buffer takes then for a minute, to either.

Ends with 1 where a reading is lost or doubled, none was acknowledged, an answer is not as it should
be, or a worker ended by itself. What was answered with 503 may be stored; it is sent again, and is
there once.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack

from rich.console import Console

from loadtests.buffered.compare import compare
from loadtests.buffered.faults import post_through_faults
from loadtests.buffered.installation import Installation
from loadtests.buffered.load import Load
from loadtests.buffered.spike import spike
from loadtests.support import stack, wrk
from loadtests.support.options import command_line


def main() -> None:
    """Run, and print what became of the readings; exit with 1 where that is amiss."""
    options = _options()
    console = Console(width=max(120, Console().width))

    def tell(line: str) -> None:
        console.print(f"{time.strftime('%H:%M:%S')} {line}", markup=False, highlight=False)

    stack.OUT.mkdir(parents=True, exist_ok=True)
    if options.compare:
        wrk.check()
    with ExitStack() as stacked:
        tell("starting brokers, a database, the service and workers")
        installation = Installation(stacked, stack.OUT, options.partitions, options.workers)
        if options.compare:
            found, holds = compare(installation, options, tell)
            console.print(found, markup=False, highlight=False)
        elif options.spike:
            found, holds = spike(installation, options.spike_seconds, options.share, tell)
            console.print(found, markup=False, highlight=False)
        else:
            holds = _faults(installation, options, tell)
    sys.exit(0 if holds else 1)


def _options() -> argparse.Namespace:
    parser = command_line("just measure buffered", __doc__)
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--no-faults", action="store_true", help="post only")
    what.add_argument("--compare", action="store_true", help="measure both ways in turns")
    what.add_argument("--spike", action="store_true", help="more than the database takes")
    parser.add_argument("--partitions", type=int, default=6, help="of the topic")
    parser.add_argument("--workers", type=int, default=2, help="processes that store")
    faults = parser.add_argument_group("through faults")
    faults.add_argument("--minutes", type=float, default=5, help="how long to post")
    faults.add_argument("--rate", type=float, default=500, help="readings a second")
    faults.add_argument("--clients", type=int, default=50, help="connections that post")
    compared = parser.add_argument_group("--compare")
    compared.add_argument("--seconds", type=float, default=10, help="of load, per way and round")
    compared.add_argument("--rounds", type=int, default=3, help="turns that the ways take")
    compared.add_argument("--connections", type=int, default=300, help="that wrk posts over")
    compared.add_argument("--readings", type=int, default=1, help="per request")
    spiked = parser.add_argument_group("--spike")
    spiked.add_argument("--spike-seconds", type=float, default=60, help="how long it is")
    spiked.add_argument(
        "--share", type=float, default=0.03, help="of the time that the database runs meanwhile"
    )
    return parser.parse_args()


def _faults(
    installation: Installation, options: argparse.Namespace, tell: Callable[[str], None]
) -> bool:
    async def run() -> bool:
        port = installation.service.port
        load = Load(port, installation.key, options.clients, options.rate)
        seconds = options.minutes * 60
        result = await post_through_faults(
            installation, load, seconds, tell, cause_faults=not options.no_faults
        )
        return result.holds

    return asyncio.run(run())


if __name__ == "__main__":
    main()
