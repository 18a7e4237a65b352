"""Cost of metrics: what counting adds to a request, and what a scrape takes.

Posts single readings by wrk to a service on an embedded database, for the service's core time per
reading; scrapes it; and times in this process what is counted of a request, and of the group that
it is written in. Prints each with its ratio to the reading. Needs wrk.
"""

from __future__ import annotations

import time
import timeit
from collections.abc import Callable
from statistics import median

import httpx
import psycopg
from rich.console import Console
from rich.table import Table

from loadtests.support import keys, stack, wrk
from loadtests.support.cpu import Stopwatch
from loadtests.support.stack import INGEST_PATH
from service.http import counts as http
from service.ingest.counts import FAMILIES, IngestCounts
from service.metrics.slab import Slab

_TIMES = 200_000
_SCRAPES = 50
# of Prometheus, unless told else
_SCRAPE_SECONDS = 15.0
_ASK_SECONDS = 5.0


def main() -> None:
    """Measure a reading, what is counted of it, and a scrape."""
    given = wrk.options("metrics", __doc__)
    console = Console(width=max(120, Console().width))
    times = wrk.Times()
    readings: list[float] = []
    with (
        stack.database() as cluster,
        stack.wattledger(cluster.url("wattledger_service"), stack.OUT / "service.log") as service,
    ):
        for turn in range(given.rounds + 1):
            console.print(f"round {turn}/{given.rounds}")
            watch = Stopwatch(service=service.pid)
            result = wrk.run(
                service.url + INGEST_PATH, "json", 1, times.take(), given.connections, given.seconds
            )
            if result.errors:
                raise RuntimeError(f"{result.errors} requests failed")
            if turn:  # the first one warms up
                readings.append(watch.cores()["service"] / result.requests_per_second * 1e6)
        asked = _database_us(cluster.url())
        group = _readings_per_group(service.url)
        scraped, size = _scrape_us(service.url, service.pid)
    reading = median(readings)
    table = Table(title="metrics, to a reading or to a core")
    table.add_column("what")
    table.add_column("µs", justify="right")
    table.add_column("share", justify="right")
    table.add_row("the service, of a reading", f"{reading:.0f}", "1")
    took = {name: _us(count) for name, count in _counted().items()}
    for name, alone in took.items():
        table.add_row(name, f"{alone:.2f}", f"{alone / reading:.2%}")
    whole = took["a request"] + (took["a group"] + took["its readings"]) / group
    table.add_row(f"of a reading, {group:.0f} a group", f"{whole:.2f}", f"{whole / reading:.2%}")
    table.add_row(
        f"a scrape of {size / 1024:.0f} KiB, every {_SCRAPE_SECONDS:g} s",
        f"{scraped:,.0f}",
        f"{scraped / 1e6 / _SCRAPE_SECONDS:.2%} of a core",
    )
    table.add_row(
        f"api.metrics(), every {_ASK_SECONDS:g} s",
        f"{asked:,.0f}",
        f"{asked / 1e6 / _ASK_SECONDS:.2%} of a core",
    )
    console.print(table)


def _counted() -> dict[str, Callable[[], object]]:
    """What is counted of requests, and of groups of them."""
    routes = {"/v1/ingest": ("POST",)}
    slab = Slab.private([*http.families(routes, ()), *FAMILIES])
    requests, ingest = http.Requests(slab, routes), IngestCounts(slab)
    line = ingest.lines[0]

    def request() -> None:
        requests.count("POST", "/v1/ingest", 201, 0.0123)

    def group() -> None:
        began = time.perf_counter()
        line.committed(1, time.perf_counter() - began)

    def reading() -> None:
        ingest.stored(1, 0, ())

    return {"a request": request, "a group": group, "its readings": reading}


def _readings_per_group(url: str) -> float:
    lines = httpx.get(f"{url}/metrics", headers=keys.headers()).text.splitlines()
    values = dict(line.rsplit(" ", 1) for line in lines if not line.startswith("#"))
    total, count = (
        float(values[f'wattledger_group_readings_{part}{{line="live"}}'])
        for part in ("sum", "count")
    )
    return total / count


def _us(call: Callable[[], object]) -> float:
    return min(timeit.repeat(call, number=_TIMES, repeat=5)) / _TIMES * 1e6


def _database_us(url: str) -> float:
    with psycopg.connect(url, autocommit=True) as connection:
        took: list[float] = []
        for _ in range(_SCRAPES):
            began = time.perf_counter()
            connection.execute("SELECT * FROM api.metrics()").fetchall()
            took.append(time.perf_counter() - began)
    return median(took) * 1e6


def _scrape_us(url: str, pid: int) -> tuple[float, int]:
    """The service's core time per scrape, and the bytes of one."""
    size = 0
    with httpx.Client(base_url=url, headers=keys.headers()) as client:
        watch = Stopwatch(service=pid)
        began = time.monotonic()
        for _ in range(_SCRAPES):
            answer = client.get("/metrics")
            answer.raise_for_status()
            size = len(answer.content)
        wall = time.monotonic() - began
    return watch.cores()["service"] * wall / _SCRAPES * 1e6, size


if __name__ == "__main__":
    main()
