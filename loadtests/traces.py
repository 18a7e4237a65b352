"""Cost of traces: without a collector and with one, and where each request has a traceparent.

Posts single readings by wrk to four services on one embedded database, in turns. Prints readings
per second with their ratio to no collector, latency, the service's core time per reading, and how
many spans came. Needs wrk.
"""

from __future__ import annotations

import os
import threading
from collections import deque
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from rich.console import Console

from loadtests.support import ratios, stack, wrk
from loadtests.support.cpu import Stopwatch
from loadtests.support.stack import INGEST_PATH

_TRACED = "WATTLEDGER_TRACED"


class _Variant(NamedTuple):
    name: str
    has_collector: bool
    is_traced: bool


_VARIANTS = [
    _Variant("no collector", has_collector=False, is_traced=False),
    _Variant("a collector", has_collector=True, is_traced=False),
    _Variant("no collector, traceparents", has_collector=False, is_traced=True),
    _Variant("a collector, traceparents", has_collector=True, is_traced=True),
]


class _Collector(ThreadingHTTPServer):
    """Counts what comes, and keeps nothing."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.spans = self.links = 0


class _Handler(BaseHTTPRequestHandler):
    server: _Collector

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        for of_resource in ExportTraceServiceRequest.FromString(body).resource_spans:
            for of_scope in of_resource.scope_spans:
                self.server.spans += len(of_scope.spans)
                self.server.links += sum(len(span.links) for span in of_scope.spans)
        self.send_response(200)
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


@contextmanager
def _collecting() -> Iterator[_Collector]:
    with _Collector() as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield server
        finally:
            server.shutdown()


def main() -> None:
    """Measure all in turns; print their ratios to the first."""
    given = wrk.options("traces", __doc__)
    console = Console(width=max(120, Console().width))
    times = wrk.Times()
    taken: dict[str, list[tuple[float, float, float]]] = {v.name: [] for v in _VARIANTS}
    with stack.database() as cluster, _collecting() as collector:
        url, log = cluster.url("wattledger_service"), stack.OUT / "service.log"
        endpoint = {"OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{collector.server_port}"}
        with ExitStack() as running:
            services = [
                running.enter_context(
                    stack.wattledger(url, log, **(endpoint if variant.has_collector else {}))
                )
                for variant in _VARIANTS
            ]
            for turn in range(given.rounds + 1):
                # each in turn comes first, so that none always follows the same one
                pairs = deque(zip(_VARIANTS, services, strict=True))
                pairs.rotate(turn)
                for variant, service in pairs:
                    console.print(f"round {turn}/{given.rounds}: {variant.name}")
                    if variant.is_traced:
                        os.environ[_TRACED] = "1"
                    else:
                        os.environ.pop(_TRACED, None)
                    watch = Stopwatch(service=service.pid)
                    result = wrk.run(
                        service.url + INGEST_PATH,
                        "json",
                        1,
                        times.take(),
                        given.connections,
                        given.seconds,
                    )
                    if result.errors:
                        raise RuntimeError(f"{result.errors} requests failed")
                    rate = result.requests_per_second
                    if turn:  # the first one warms up
                        core = watch.cores()["service"] / rate * 1e6
                        taken[variant.name].append((rate, result.latency.p99, core))
        # what waited was sent when they stopped
        console.print(ratios.table("traces", "service", taken))
        console.print(f"{collector.spans:,} spans with {collector.links:,} links came")


if __name__ == "__main__":
    main()
