"""Turns of wrk: variants of a service that are measured one after another, again and again."""

from __future__ import annotations

import argparse
from collections import deque
from collections.abc import Callable, Sequence
from typing import Protocol, TypeVar

from rich.console import Console

from loadtests.support import wrk
from loadtests.support.cpu import Stopwatch
from loadtests.support.stack import INGEST_PATH, Server


class Named(Protocol):
    """A variant, as a table calls it."""

    @property
    def name(self) -> str: ...


V = TypeVar("V", bound=Named)


def measured(
    variants: Sequence[V],
    services: Sequence[Server],
    prepare: Callable[[V], None],
    given: argparse.Namespace,
    console: Console,
) -> dict[str, list[tuple[float, float, float]]]:
    """Post single readings to each variant's service, in turns.

    `prepare` is called before each turn of a variant. Returns samples by the variant's name, as
    `ratios.table` takes them. Raises RuntimeError where a request failed.
    """
    times = wrk.Times()
    taken: dict[str, list[tuple[float, float, float]]] = {one.name: [] for one in variants}
    for turn in range(given.rounds + 1):
        # each in turn comes first, so that none always follows the same one
        pairs = deque(zip(variants, services, strict=True))
        pairs.rotate(turn)
        for variant, service in pairs:
            console.print(f"round {turn}/{given.rounds}: {variant.name}")
            prepare(variant)
            watch = Stopwatch(service=service.pid)
            url, start = service.url + INGEST_PATH, times.take()
            result = wrk.run(url, "json", 1, start, given.connections, given.seconds)
            if result.errors:
                raise RuntimeError(f"{result.errors} requests failed")
            rate = result.requests_per_second
            if turn:  # the first one warms up
                core = watch.cores()["service"] / rate * 1e6
                taken[variant.name].append((rate, result.latency.p99, core))
    return taken
