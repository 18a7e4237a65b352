"""The buffered path through faults: is what was acknowledged stored, once?

Starts three brokers, a database, the service and two workers, and posts readings through a broker
that is killed, a worker that is killed, workers that come and go, and a database that is killed.
Then waits until the workers have stored all, and compares. `--no-faults` posts only.

Ends with 1 where a reading is lost or doubled, none was acknowledged, an answer is neither 202 nor
503, or a worker ended by itself. What was answered with 503 may be stored; it is sent again, and
is there once.
"""

from __future__ import annotations

import asyncio
import sys
import time
from contextlib import ExitStack

from rich.console import Console

from loadtests.buffered.faults import post_through_faults
from loadtests.buffered.installation import Installation
from loadtests.buffered.load import Load
from loadtests.support import stack
from loadtests.support.options import command_line


def main() -> None:
    """Run, and print what became of the readings; exit with 1 where that is amiss."""
    parser = command_line("just measure buffered", __doc__)
    parser.add_argument("--minutes", type=float, default=5, help="how long to post")
    parser.add_argument("--rate", type=float, default=500, help="readings a second")
    parser.add_argument("--clients", type=int, default=50, help="connections that post")
    parser.add_argument("--partitions", type=int, default=6, help="of the topic")
    parser.add_argument("--workers", type=int, default=2, help="processes that store")
    parser.add_argument("--no-faults", action="store_true", help="post only")
    options = parser.parse_args()
    console = Console(width=max(120, Console().width))

    def tell(line: str) -> None:
        console.print(f"{time.strftime('%H:%M:%S')} {line}", markup=False, highlight=False)

    stack.OUT.mkdir(parents=True, exist_ok=True)
    with ExitStack() as stacked:
        tell("starting brokers, a database, the service and workers")
        installation = Installation(stacked, stack.OUT, options.partitions, options.workers)

        async def run() -> bool:
            load = Load(installation.service.port, installation.key, options.clients, options.rate)
            seconds = options.minutes * 60
            result = await post_through_faults(
                installation, load, seconds, tell, cause_faults=not options.no_faults
            )
            return result.holds

        holds = asyncio.run(run())
    sys.exit(0 if holds else 1)


if __name__ == "__main__":
    main()
