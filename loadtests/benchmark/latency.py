"""Latency of single readings at shares of the maximum rate, the old shape's beside ours."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from loadtests.benchmark import old_shape, open_loop
from loadtests.benchmark.figures import OpenLoop
from loadtests.benchmark.steps import Bench
from loadtests.support import wrk
from loadtests.support.stack import INGEST_PATH

SHARES = (0.1, 0.5, 0.9)


def measure(bench: Bench, report: Callable[[str], None]) -> Iterator[OpenLoop]:
    """Find each server's maximum with this generator, then load it with shares of that."""
    for name, server, path, shape in (
        ("a", bench.old, old_shape.INGEST_PATH, "generic"),
        ("c", bench.new, INGEST_PATH, "json"),
    ):

        def run(
            rate: float | None,
            seconds: float,
            port: int = server.port,
            path: str = path,
            shape: str = shape,
        ) -> open_loop.Outcome:
            make = open_loop.requests(path, shape, wrk.DEVICES, bench.times.take())
            return open_loop.run(port, make, bench.connections, rate, seconds)

        # wrk's maximum would be too high: this generator leaves less of the machine to the server
        highest = run(None, min(bench.seconds, 4)).answered_per_second
        report(f"{name}: at most {highest:,.0f} requests/s with the open-loop generator")
        for share in SHARES:
            watch = bench.stopwatch(server)
            outcome = run(highest * share, bench.seconds)
            report(f"{name} at {share:.0%}: p99 {outcome.latency.p99:,.1f} ms")
            yield OpenLoop(
                name,
                share,
                highest * share,
                outcome.answered_per_second,
                outcome.latency,
                outcome.errors,
                outcome.late_ms,
                watch.cores(),
            )
