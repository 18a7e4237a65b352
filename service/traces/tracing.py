"""Spans, on their way to a collector by OpenTelemetry's library, in a thread of its own.

Nothing here waits for the collector: spans beyond what may wait are dropped.
"""

from __future__ import annotations

import asyncio
import logging
import threading
import uuid
from importlib.metadata import version
from typing import Any

import requests
from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import OTELResourceDetector, Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import (
    Link,
    NonRecordingSpan,
    NoOpTracer,
    SpanContext,
    SpanKind,
    StatusCode,
    TraceFlags,
    Tracer,
    set_span_in_context,
)

from service.traces.seldom import Seldom
from service.traces.spans import GroupSpan, RequestSpan
from service.traces.traceparent import Traceparent

_log = logging.getLogger(__name__)

# each costs the worker 20 µs
MOST_LINKS = 32
# in which what waits may still be sent when the service stops
STOP_SECONDS = 2.5

_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"})
# the library, and what it sends by, complain about each batch
_SELDOM = Seldom()
_COMPLAINING = ("opentelemetry", "urllib3")


class _Session(requests.Session):
    """Sends requests, and reads no answer beyond its head: a collector may say a lot."""

    def request(self, *arguments: Any, **options: Any) -> requests.Response:
        response = super().request(*arguments, **{**options, "stream": True})
        response.close()
        return response


class Tracing:
    """Makes spans of what it is told, and sends them, once started."""

    def __init__(self) -> None:
        self._tracer: Tracer = NoOpTracer()
        self._exporter: OTLPSpanExporter | None = None
        self._processor: BatchSpanProcessor | None = None

    def start(self) -> None:
        """Start the thread that sends spans, in the process whose spans they are."""
        _SELDOM.muted = False
        _SELDOM.takes_all_of(*_COMPLAINING)
        self._exporter = OTLPSpanExporter(session=_Session())
        self._processor = BatchSpanProcessor(self._exporter)
        provider = TracerProvider(resource=_resource(), shutdown_on_exit=False)
        provider.add_span_processor(self._processor)
        self._tracer = provider.get_tracer("wattledger", version("wattledger"))

    async def stop(self) -> None:
        """Send what waits, for STOP_SECONDS at most."""
        if self._processor is None or self._exporter is None:
            return
        # it would wait for its thread for longer
        ending = threading.Thread(target=self._processor.shutdown, name="traces end", daemon=True)
        ending.start()
        await asyncio.to_thread(ending.join, STOP_SECONDS)
        if ending.is_alive():
            _log.warning("the last spans were not exported in %g seconds", STOP_SECONDS)
            _SELDOM.muted = True
            self._exporter.shutdown()

    def take_group(self, group: GroupSpan) -> None:
        """Make a span of the writing of a group."""
        sampled = [trace for trace in group.sent if trace is not None and trace.sampled]
        attributes: dict[str, str | int] = {
            "db.system.name": "postgresql",
            "wattledger.line": group.line,
            "wattledger.requests": len(group.sent),
            "wattledger.readings": group.readings,
        }
        if len(sampled) > MOST_LINKS:
            attributes["wattledger.links_left_out"] = len(sampled) - MOST_LINKS
        if not group.error:
            attributes["wattledger.duplicates"] = group.duplicates
            attributes["wattledger.refused"] = group.refused
            attributes["wattledger.accepted"] = group.readings - group.duplicates - group.refused
        else:
            # not its text, in which the database may repeat what was sent
            attributes["error.type"] = group.error
            if group.sqlstate:
                attributes["db.response.status_code"] = group.sqlstate
        span = self._tracer.start_span(
            "commit group",
            Context(),
            SpanKind.CLIENT,
            attributes,
            [Link(_context(trace)) for trace in sampled[:MOST_LINKS]],
            group.began,
        )
        if group.error:
            span.set_status(StatusCode.ERROR)
        span.end(group.ended)

    def take_request(self, request: RequestSpan) -> None:
        """Make a span of a request, as a child of the client's."""
        method = request.method if request.method in _METHODS else "_OTHER"
        attributes: dict[str, str | int] = {
            "http.request.method": method,
            "http.response.status_code": request.status,
            "wattledger.request_id": request.request_id,
        }
        if request.route:
            attributes["http.route"] = request.route
        if request.status >= 500:
            attributes["error.type"] = str(request.status)
        name = "HTTP" if method == "_OTHER" else method
        context = Context()
        if request.parent is not None:
            context = set_span_in_context(NonRecordingSpan(_context(request.parent)), context)
        span = self._tracer.start_span(
            f"{name} {request.route}".rstrip(),
            context,
            SpanKind.SERVER,
            attributes,
            start_time=request.began,
        )
        if request.status >= 500:
            span.set_status(StatusCode.ERROR)
        span.end(request.ended)


def _resource() -> Resource:
    """What the environment says of the service, and what it is where that says nothing."""
    given = OTELResourceDetector().detect().attributes
    ours = {
        "service.name": "wattledger",
        "service.version": version("wattledger"),
        # of each worker: two of one name would be taken for one
        "service.instance.id": str(uuid.uuid4()),
    }
    return Resource.create({name: value for name, value in ours.items() if not given.get(name)})


def _context(trace: Traceparent) -> SpanContext:
    return SpanContext(
        int(trace.trace_id, 16),
        int(trace.span_id, 16),
        is_remote=True,
        trace_flags=TraceFlags(TraceFlags.SAMPLED if trace.sampled else TraceFlags.DEFAULT),
    )
