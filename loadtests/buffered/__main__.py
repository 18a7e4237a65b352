"""The buffered path through faults: is what was acknowledged stored, once?

Starts three brokers, a database, the service and two workers, and posts readings through a broker
that is killed, a worker that is killed, workers that come and go, and a database that is killed.
Then waits until the workers have stored all, and compares. Fails where a reading is lost or
doubled. `--no-faults` posts only.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack

from rich.console import Console

from loadtests.buffered.installation import Installation
from loadtests.buffered.load import Account, Load, account
from loadtests.support import stack
from loadtests.support.options import command_line

_CATCH_UP_SECONDS = 300.0
# of the whole time: what happens, and when it is put right
_PLAN: tuple[tuple[float, str, Callable[[Installation], None]], ...] = (
    (0.10, "a broker is killed", Installation.kill_broker),
    (0.30, "it comes back", Installation.start_broker),
    (0.40, "a worker is killed, and another takes its place", Installation.kill_worker),
    (0.48, "one more worker starts", Installation.add_worker),
    (0.54, "a worker is told to stop", Installation.stop_worker),
    (0.60, "the database is killed", Installation.kill_database),
    (0.80, "it comes back", Installation.start_database),
)


def main() -> None:
    """Run, and print what became of the readings; exit with 1 where any is lost or doubled."""
    parser = command_line("just measure buffered", __doc__)
    parser.add_argument("--minutes", type=float, default=5, help="how long to post")
    parser.add_argument("--rate", type=float, default=500, help="readings a second")
    parser.add_argument("--clients", type=int, default=50, help="connections that post")
    parser.add_argument("--partitions", type=int, default=6, help="of the topic")
    parser.add_argument("--workers", type=int, default=2, help="processes that store")
    parser.add_argument("--no-faults", action="store_true", help="post only")
    options = parser.parse_args()
    console = Console()

    def tell(line: str) -> None:
        console.print(f"{time.strftime('%H:%M:%S')} {line}", markup=False, highlight=False)

    stack.OUT.mkdir(parents=True, exist_ok=True)
    with ExitStack() as stacked:
        tell("starting brokers, a database, the service and workers")
        installation = Installation(stacked, stack.OUT, options.partitions, options.workers)
        result = asyncio.run(run(installation, options, tell))
    sys.exit(0 if result.holds else 1)


async def run(
    installation: Installation, options: argparse.Namespace, tell: Callable[[str], None]
) -> Account:
    """Post through the faults, wait for the workers, and compare."""
    load = Load(installation.service.port, installation.key, options.clients, options.rate)
    seconds = options.minutes * 60
    began = time.monotonic()
    load.start()
    for share, what, act in () if options.no_faults else _PLAN:
        await asyncio.sleep(max(0.0, began + share * seconds - time.monotonic()))
        tell(f"{len(load.acknowledged)} acknowledged; {what}")
        await asyncio.to_thread(act, installation)
    await asyncio.sleep(max(0.0, began + seconds - time.monotonic()))
    await load.stop()
    tell(f"{len(load.acknowledged)} acknowledged; answers by status: {dict(load.statuses)}")
    ended = time.monotonic()
    while (behind := await asyncio.to_thread(installation.lag)) > 0:
        if time.monotonic() - ended > _CATCH_UP_SECONDS:
            tell(f"the workers are {behind} records behind still")
            break
        await asyncio.sleep(0.2)
    tell(f"the workers had stored all {time.monotonic() - ended:.1f} s after the last answer")
    result = account(installation.database.url(), load.acknowledged)
    tell(
        f"acknowledged {result.acknowledged}, stored {result.stored}, lost {result.lost},"
        f" doubled {result.doubled}"
    )
    return result


if __name__ == "__main__":
    main()
