"""Memory of the service while far more is sent than it can store, for minutes.

Posts batches by wrk without a pause after a 503, to a service on an embedded database whose hot
table is locked for five seconds of every ten. Prints the workers' memory every ten seconds, and at
the end the most of it in the first and in the last third. Needs wrk.
"""

from __future__ import annotations

import threading
import time

import psycopg
from rich.console import Console
from rich.table import Table

from loadtests.support import processes, stack, wrk
from loadtests.support.options import command_line
from loadtests.support.stack import INGEST_PATH

_LOOK_SECONDS = 10.0


def main() -> None:
    """Send batches without mercy while the database stalls now and then; print memory."""
    parser = command_line("just measure overload", __doc__)
    parser.add_argument("--minutes", type=float, default=5, help="how long to send")
    parser.add_argument("--connections", type=int, default=1_000, help="that wrk posts over")
    parser.add_argument("--readings", type=int, default=1_000, help="per request")
    given = parser.parse_args()
    console = Console(width=max(120, Console().width))
    seconds = given.minutes * 60
    with (
        stack.database() as cluster,
        stack.wattledger(cluster.url("wattledger_service"), stack.OUT / "service.log") as service,
    ):
        url = service.url + INGEST_PATH
        wrk.run(url, "json", 1, wrk.Times().take(), 300, 2)
        ended = threading.Event()
        stalling = threading.Thread(target=_stall, args=(cluster.url(), ended))
        stalling.start()
        sizes: list[tuple[float, float]] = []
        looking = threading.Thread(target=_look, args=(service.pid, ended, sizes, console))
        looking.start()
        try:
            result = wrk.run(
                url, "json", given.readings, wrk.Times().take(), given.connections, seconds
            )
        finally:
            ended.set()
            stalling.join()
            looking.join()
    _show(sizes, result, seconds, console)


def _stall(database_url: str, ended: threading.Event) -> None:
    """Hold the hot table for five seconds of every ten."""
    while not ended.wait(5):
        with psycopg.connect(database_url) as connection:
            connection.execute("LOCK TABLE telemetry.meter_state IN ACCESS EXCLUSIVE MODE")
            ended.wait(5)


def _look(
    supervisor: int, ended: threading.Event, sizes: list[tuple[float, float]], console: Console
) -> None:
    began = time.monotonic()
    while not ended.wait(_LOOK_SECONDS):
        size = processes.resident_bytes(processes.workers(supervisor)) / 1e6
        sizes.append((time.monotonic() - began, size))
        console.print(f"after {sizes[-1][0]:4.0f} s: {sizes[-1][1]:,.0f} MB")


def _show(
    sizes: list[tuple[float, float]], result: wrk.Result, seconds: float, console: Console
) -> None:
    table = Table(title=f"{seconds:,.0f} s of overload")
    table.add_column("requests answered with 503, or not in 30 s, by wrk's count", justify="right")
    table.add_column("answered with 201", justify="right")
    table.add_column("MB in the first third, at most", justify="right")
    table.add_column("in the last third, at most", justify="right")
    third = len(sizes) // 3
    table.add_row(
        f"{result.errors:,}",
        f"{result.right:,}",
        f"{max(size for _, size in sizes[: third + 1]):,.0f}",
        f"{max(size for _, size in sizes[-third - 1 :]):,.0f}",
    )
    console.print(table)


if __name__ == "__main__":
    main()
