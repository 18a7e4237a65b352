"""Measurements in closed loop, each a step that can be repeated in rounds."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from statistics import fmean, median
from typing import NamedTuple

from loadtests.benchmark import old_shape
from loadtests.benchmark.figures import Throughput
from loadtests.support import copying, wrk
from loadtests.support.cpu import Stopwatch
from loadtests.support.percentiles import Latency
from loadtests.support.stack import INGEST_PATH, Server

SIZES = (10, 100, 1_000)
SHAPES = ("json", "ndjson", "msgpack")
# more readings than this under way would only wait in the service's queue
_UNDER_WAY = 10_000


class Bench(NamedTuple):
    """What is measured, and with how much load."""

    old: Server
    new: Server
    database_url: str
    postmaster: int
    times: wrk.Times
    connections: int
    seconds: float

    def stopwatch(self, server: Server | None) -> Stopwatch:
        """A stopwatch for the database and a server."""
        roots = {"server": server.pid} if server else {}
        return Stopwatch(**roots, database=self.postmaster)


class Sample(NamedTuple):
    """One round of a step."""

    rate: float
    latency: Latency | None
    errors: int
    cores: dict[str, float]


class Step(NamedTuple):
    """A measurement: its key in reports, what it is, in what unit, and how to take it once."""

    key: str
    name: str
    unit: str
    take: Callable[[Bench, float], Sample]


def steps() -> Iterator[Step]:
    """All of them, in the order of the report."""
    yield _old("a", "old shape: insert and upsert, one commit each", old_shape.INGEST_PATH)
    yield _old("b", "handler of the framework that does nothing", old_shape.NOTHING_PATH)
    yield _old("b0", "bare ASGI route that does nothing", old_shape.BARE_PATH)
    yield _posting("c", "POST /v1/ingest, one reading each", "json", 1)
    for size in SIZES:
        for shape in SHAPES:
            yield _posting(f"d {shape} {size}", f"batches of {size:,}, {shape}", shape, size)
    for number, name in ((1, "COPY, one connection"), (2, "COPY, two connections")):
        yield _copying(f"e{number}", name, number)


def measure(step: Step, bench: Bench, samples: list[Sample], seconds: float) -> None:
    """Take one more sample of a step."""
    samples.append(step.take(bench, seconds))


def summary(step: Step, samples: list[Sample]) -> Throughput:
    """The median rate and percentiles of some rounds, all errors, mean use of cores."""
    latencies = [one.latency for one in samples if one.latency]
    latency = Latency(*map(median, zip(*latencies, strict=True))) if latencies else None
    cores = {name: fmean(one.cores[name] for one in samples) for name in samples[0].cores}
    errors = sum(one.errors for one in samples)
    rate = median(one.rate for one in samples)
    return Throughput(step.key, step.name, step.unit, rate, latency, errors, cores)


def _old(key: str, name: str, path: str) -> Step:
    def take(bench: Bench, seconds: float) -> Sample:
        return _wrk(bench, bench.old, path, "generic", 1, seconds)

    return Step(key, name, "requests", take)


def _posting(key: str, name: str, shape: str, size: int) -> Step:
    def take(bench: Bench, seconds: float) -> Sample:
        return _wrk(bench, bench.new, INGEST_PATH, shape, size, seconds)

    return Step(key, name, "requests" if size == 1 else "readings", take)


def _wrk(bench: Bench, server: Server, path: str, shape: str, size: int, seconds: float) -> Sample:
    connections = min(bench.connections, max(1, _UNDER_WAY // size))
    watch = bench.stopwatch(server)
    result = wrk.run(server.url + path, shape, size, bench.times.take(), connections, seconds)
    return Sample(result.requests_per_second * size, result.latency, result.errors, watch.cores())


def _copying(key: str, name: str, connections: int) -> Step:
    def take(bench: Bench, seconds: float) -> Sample:
        watch = bench.stopwatch(None)
        began = time.monotonic()
        copied = copying.copy(bench.database_url, bench.times.take(), seconds, connections)
        # the text is made in between, and that time is not counted
        busy = copied.rows / copied.rate / (time.monotonic() - began)
        cores = watch.cores()
        cores["database"] /= busy
        return Sample(copied.rate, None, 0, cores)

    return Step(key, name, "rows", take)
