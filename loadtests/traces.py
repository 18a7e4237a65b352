"""Cost of traces: without a collector and with one, and where each request has a traceparent.

Posts single readings by wrk to four services on one embedded database, in turns. Prints readings
per second with their ratio to no collector, latency, the service's core time per reading, and how
many spans came. Needs wrk.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from rich.console import Console

from loadtests.support import ratios, stack, turns, wrk

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


def _prepare(variant: _Variant) -> None:
    if variant.is_traced:
        os.environ[_TRACED] = "1"
    else:
        os.environ.pop(_TRACED, None)


def main() -> None:
    """Measure all in turns; print their ratios to the first."""
    given = wrk.options("traces", __doc__)
    console = Console(width=max(120, Console().width))
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
            taken = turns.measured(_VARIANTS, services, _prepare, given, console)
        # what waited was sent when they stopped
        console.print(ratios.table("traces", "service", taken))
        console.print(f"{collector.spans:,} spans with {collector.links:,} links came")


if __name__ == "__main__":
    main()
