"""A collector of spans by OTLP over HTTP, which may be slow, refuse, or talk nonsense."""

from __future__ import annotations

import gzip
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from tests.support.http import wait_for

Answer = Callable[[BaseHTTPRequestHandler], None]


def take(handler: BaseHTTPRequestHandler) -> None:
    """Answer as a collector does that has taken all."""
    handler.send_response(200)
    handler.send_header("content-type", "application/x-protobuf")
    handler.send_header("content-length", "0")
    handler.end_headers()


class Receiver:
    """What came: spans, and what they say of whose they are."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.spans: list[Span] = []
        self.resources: list[dict[str, Any]] = []
        self.headers: list[dict[str, str]] = []

    def named(self, name: str) -> list[Span]:
        """The spans of a name, once there is one."""
        wait_for(lambda: any(span.name == name for span in self.spans))
        return [span for span in self.spans if span.name == name]


def values(attributes: Any) -> dict[str, Any]:
    """Attributes as plain values."""
    return {a.key: getattr(a.value, a.value.WhichOneof("value")) for a in attributes}


@contextmanager
def receiving(answer: Answer = take) -> Iterator[Receiver]:
    """Start a collector, and stop it at the end."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            if self.headers.get("content-encoding") == "gzip":
                body = gzip.decompress(body)
            asked = ExportTraceServiceRequest.FromString(body)
            receiver.headers.append(dict(self.headers))
            for of_resource in asked.resource_spans:
                receiver.resources.append(values(of_resource.resource.attributes))
                for of_scope in of_resource.scope_spans:
                    receiver.spans.extend(of_scope.spans)
            answer(self)

        def log_message(self, *_: Any) -> None: ...

    class Server(ThreadingHTTPServer):
        daemon_threads = True
        block_on_close = False

        def handle_error(self, *_: Any) -> None: ...  # who asked is gone

    server = Server(("127.0.0.1", 0), Handler)
    receiver = Receiver(f"http://127.0.0.1:{server.server_port}")
    thread = threading.Thread(target=server.serve_forever, args=[0.05])
    thread.start()
    try:
        yield receiver
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def sleep(handler: BaseHTTPRequestHandler) -> None:
    """Say nothing for a long time."""
    time.sleep(20)
    take(handler)


def refuse(handler: BaseHTTPRequestHandler) -> None:
    """Answer as a collector that is broken, with colours in what it says."""
    handler.wfile.write(b"HTTP/1.1 500 \x1b[31mbroken\r\ncontent-length: 0\r\n\r\n")


def babble(handler: BaseHTTPRequestHandler) -> None:
    """Say that all is well, and then more and more."""
    handler.wfile.write(b"HTTP/1.1 200 OK\r\nnonsense\r\ncontent-length: 100000000000\r\n\r\n")
    while True:
        handler.wfile.write(b"x" * 65536)


def be_no_http(handler: BaseHTTPRequestHandler) -> None:
    """Answer with something else than HTTP."""
    handler.wfile.write(b"\x00\x01\x02 no HTTP\r\n\r\n")
