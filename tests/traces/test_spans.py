"""Spans, as a collector gets them: one per group commit, and one per slow request."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import httpx
import psycopg
import pytest
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

from service.concurrency import told
from service.http.connection import Connection
from service.ingest.line import Line
from service.ingest.store import Outcome, Store
from service.settings import Settings
from service.traces.environment import tracing
from service.traces.traceparent import Traceparent
from service.wire import Batch, decode
from tests.http.running import PROTOCOLS, dumped, request, running
from tests.support.http import meter, vehicle
from tests.support.in_process import Peer
from tests.support.keys import bearer
from tests.traces.receiver import Receiver, receiving, values

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
SPAN = "00f067aa0ba902b7"
SAMPLED = f"Traceparent: 00-{TRACE}-{SPAN}-01"
NOT_SAMPLED = f"Traceparent: 00-{TRACE}-{SPAN}-00"

# slower than which every request is, and none
ALL, NONE = 0.0001, 60_000.0


@pytest.fixture
def collector(monkeypatch: pytest.MonkeyPatch) -> Iterator[Receiver]:
    """A collector that services of this process send their spans to."""
    with receiving() as receiver:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", receiver.url)
        monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "100")
        yield receiver


def now(device: str = "M-1", **fields: Any) -> dict[str, Any]:
    """A live reading."""
    return meter(device, datetime.now(UTC), **fields)


def of_group(span: Span) -> dict[str, Any]:
    """What a group's span tells, without what is the same for all."""
    told_ = values(span.attributes)
    assert told_.pop("db.system.name") == "postgresql"
    return {name.removeprefix("wattledger."): value for name, value in told_.items()}


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_a_group_commit_is_a_span_with_its_counts_and_the_spans_of_its_clients(
    service_url: str,
    monkeypatch: pytest.MonkeyPatch,
    collector: Receiver,
    protocol: type[Connection],
) -> None:
    good = now()
    bodies = [
        (dumped(good, good, vehicle("V-1", datetime.now(UTC)), now("M-2", voltage="x")), SAMPLED),
        (dumped(good), NOT_SAMPLED),
        (dumped(meter("M-3", datetime.now(UTC) - timedelta(hours=2))), "X-Other: 1"),
    ]
    with (
        running(service_url, monkeypatch, protocol, slow_milliseconds=NONE) as service,
        Peer(service.port) as peer,
    ):
        statuses = []
        for body, header in bodies:
            peer.send(request(body, header))
            statuses.append(peer.answer()[0])
    assert statuses == [207, 201, 201]
    # what waits is sent when the service stops
    assert [span.name for span in collector.spans] == ["commit group"] * 3
    assert [of_group(span) for span in collector.spans] == [
        counts("live", 1, 4, duplicates=1, refused=1),
        counts("live", 1, 1, duplicates=1),
        counts("late", 1, 1),
    ]
    links = [
        [(link.trace_id.hex(), link.span_id.hex()) for link in span.links]
        for span in collector.spans
    ]
    assert links == [[(TRACE, SPAN)], [], []]
    for span in collector.spans:
        assert span.kind == Span.SPAN_KIND_CLIENT
        assert span.parent_span_id == b""
        assert 0 < span.end_time_unix_nano - span.start_time_unix_nano < 60e9


def counts(
    line: str, requests: int, readings: int, *, duplicates: int = 0, refused: int = 0
) -> dict[str, Any]:
    """What a span tells of a group that was committed."""
    return {
        "line": line,
        "requests": requests,
        "readings": readings,
        "accepted": readings - duplicates - refused,
        "duplicates": duplicates,
        "refused": refused,
    }


def batch_of(*readings: dict[str, Any]) -> Batch:
    return decode(json.dumps(readings).encode(), "application/json", 20_000)


def write(url: str, batches: list[Batch], sent: list[Traceparent | None]) -> list[Outcome]:
    """Write all of them at the same moment, and send the spans."""

    async def run() -> list[Outcome]:
        traces = tracing()
        assert traces is not None
        traces.start()
        line = Line([Store(url, Settings())], 1000, traces=traces)
        await line.start()
        try:
            return await asyncio.gather(
                *(
                    told(partial(line.put, batch, 100, trace=trace))
                    for batch, trace in zip(batches, sent, strict=True)
                )
            )
        finally:
            await line.stop()
            await traces.stop()

    return asyncio.run(run())


def test_a_group_of_many_requests_is_one_span_with_bounded_links(
    service_url: str, collector: Receiver
) -> None:
    sent = [
        None if n % 4 == 3 else Traceparent(TRACE, f"{n + 1:016x}", sampled=n % 4 != 2)
        for n in range(120)
    ]
    write(service_url, [batch_of(now(f"M-{n}")) for n in range(120)], sent)
    [span] = collector.spans
    assert of_group(span) == counts("live", 120, 120) | {"links_left_out": 60 - 32}
    assert [int(link.span_id.hex(), 16) for link in span.links] == [
        n + 1 for n in range(120) if n % 4 < 2
    ][:32]


def test_a_group_that_the_database_refuses_is_a_failed_span_and_its_parts_are_others(
    service_url: str, collector: Receiver, connection: psycopg.Connection[Any]
) -> None:
    connection.execute(
        "ALTER TABLE telemetry.meter_state ADD CONSTRAINT no_poison CHECK (meter_id <> 'poison')"
    )
    batches = [batch_of(now("M-0")), batch_of(now("M-1"), now("poison"))]
    write(service_url, batches, [None, Traceparent(TRACE, SPAN, sampled=True)])
    failed = {"line": "live", "error.type": "CheckViolation", "db.response.status_code": "23514"}
    assert [of_group(span) for span in collector.spans] == [
        failed | {"requests": 2, "readings": 3},
        counts("live", 1, 1),
        failed | {"requests": 1, "readings": 2},
        counts("live", 1, 2, refused=1),
    ]
    assert [span.status.code == Status.STATUS_CODE_ERROR for span in collector.spans] == [
        True,
        False,
        True,
        False,
    ]
    assert [len(span.links) for span in collector.spans] == [1, 0, 1, 1]
    # the database repeats what was sent, which is nobody else's business
    assert b"poison" not in b"".join(span.SerializeToString() for span in collector.spans)


def test_every_group_of_a_busy_service_is_a_span_and_nothing_else_is(
    service_url: str,
    monkeypatch: pytest.MonkeyPatch,
    collector: Receiver,
    connection: psycopg.Connection[Any],
) -> None:
    groups: list[int] = []
    ingest = Store.ingest

    async def counted(self: Store, batches: Any) -> Any:
        groups.append(len(batches))
        return await ingest(self, batches)

    monkeypatch.setattr(Store, "ingest", counted)

    async def post_all(url: str) -> None:
        async with httpx.AsyncClient(base_url=url, headers=bearer(), timeout=30) as client:
            answers = await asyncio.gather(
                *(client.post("/v1/ingest", json=now(f"M-{n % 40}")) for n in range(200))
            )
        assert {answer.status_code for answer in answers} == {201}

    with running(service_url, monkeypatch, slow_milliseconds=NONE) as service:
        asyncio.run(post_all(f"http://127.0.0.1:{service.port}"))
    told_ = [of_group(span) for span in collector.spans]
    assert sorted(one["requests"] for one in told_) == sorted(groups)
    assert sum(one["readings"] for one in told_) == sum(groups) == 200
    stored = connection.execute("SELECT count(*) FROM telemetry.meter_reading").fetchone()
    assert stored == (sum(one["accepted"] for one in told_),)


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_a_slow_request_is_a_child_of_the_clients_span(
    service_url: str,
    monkeypatch: pytest.MonkeyPatch,
    collector: Receiver,
    protocol: type[Connection],
) -> None:
    with (
        running(service_url, monkeypatch, protocol, slow_milliseconds=ALL) as service,
        Peer(service.port) as peer,
    ):
        peer.send(request(dumped(now()), SAMPLED, "X-Request-Id: mine"))
        assert peer.answer()[0] == 201
    [span] = [span for span in collector.spans if span.name == "POST /v1/ingest"]
    assert (span.trace_id.hex(), span.parent_span_id.hex()) == (TRACE, SPAN)
    assert span.kind == Span.SPAN_KIND_SERVER
    assert 0 < span.end_time_unix_nano - span.start_time_unix_nano < 60e9
    assert values(span.attributes) == {
        "http.request.method": "POST",
        "http.route": "/v1/ingest",
        "http.response.status_code": 201,
        "wattledger.request_id": "mine",
    }


def test_a_slow_requests_route_has_names_in_place_of_ids(
    service_url: str, monkeypatch: pytest.MonkeyPatch, collector: Receiver
) -> None:
    asked = [
        ("GET", "/v1/meters/M-secret", "/v1/meters/{meter_id}", 404),
        ("HEAD", "/wattledger/v1/meters/M-secret", "/v1/meters/{meter_id}", 404),
        ("GET", "/health/live", "/health/live", 200),
        ("GET", "/M-secret", None, 404),
        ("M-SECRET", "/v1/meters/M-secret", None, None),
    ]
    with running(
        service_url, monkeypatch, slow_milliseconds=ALL, root_path="/wattledger"
    ) as service:
        url = f"http://127.0.0.1:{service.port}"
        with httpx.Client(base_url=url, headers=bearer(), timeout=30) as client:
            for method, path, _, _ in asked:
                client.request(method, path)
    told_ = [values(span.attributes) for span in collector.spans]
    assert [
        (one["http.request.method"], one.get("http.route"), one["http.response.status_code"])
        for one in told_[:4]
    ] == [(method, route, status) for method, _, route, status in asked[:4]]
    assert [span.name for span in collector.spans][:4] == [
        "GET /v1/meters/{meter_id}",
        "HEAD /v1/meters/{meter_id}",
        "GET /health/live",
        "GET",
    ]
    assert all(span.parent_span_id == b"" for span in collector.spans)
    # the parser refuses such a method, or its span does not repeat it
    assert b"secret" not in b"".join(span.SerializeToString() for span in collector.spans).lower()


def test_a_slow_request_that_its_client_does_not_sample_is_no_span(
    service_url: str, monkeypatch: pytest.MonkeyPatch, collector: Receiver
) -> None:
    with (
        running(service_url, monkeypatch, slow_milliseconds=ALL) as service,
        Peer(service.port) as peer,
    ):
        peer.send(request(dumped(now()), NOT_SAMPLED))
        assert peer.answer()[0] == 201
    assert [span.name for span in collector.spans] == ["commit group"]


def test_spans_say_whose_they_are_as_the_environment_has_it(
    service_url: str, monkeypatch: pytest.MonkeyPatch, collector: Receiver
) -> None:
    def resource() -> dict[str, Any]:
        with (
            running(service_url, monkeypatch, slow_milliseconds=NONE) as service,
            Peer(service.port) as peer,
        ):
            peer.send(request(dumped(now())))
            assert peer.answer()[0] == 201
        return collector.resources[-1]

    first = resource()
    assert first["service.name"] == "wattledger"
    assert first["service.instance.id"] != resource()["service.instance.id"]
    monkeypatch.setenv("OTEL_SERVICE_NAME", "depot")
    monkeypatch.setenv("OTEL_RESOURCE_ATTRIBUTES", "service.name=other,site=north")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_HEADERS", "api-key=for-tests")
    named = resource()
    assert (named["service.name"], named["site"]) == ("depot", "north")
    assert collector.headers[-1]["api-key"] == "for-tests"
    monkeypatch.delenv("OTEL_SERVICE_NAME")
    assert resource()["service.name"] == "other"


USES_SERVICE = """
import io, sys
from litestar.testing import TestClient
from service.app import create_app, logged
from service.settings import Settings
from service.cli import main
from tests.support.http import meter, wait_until_ready
from tests.support.keys import bearer

settings = Settings(slow_milliseconds=0.0001)
app = logged(create_app(sys.argv[1], settings), settings, io.StringIO())
with TestClient(app) as client:
    client.headers.update(bearer())
    wait_until_ready(lambda: client.get("/health/ready").status_code)
    assert client.post("/v1/ingest", json=meter()).status_code == 201
print(sorted({name.split(".")[0] for name in sys.modules} & {"opentelemetry", "requests"}))
"""


@pytest.mark.parametrize(
    ("variables", "imported"),
    [
        ({}, "[]"),
        ({"OTEL_SERVICE_NAME": "wattledger"}, "[]"),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": ""}, "[]"),
        (
            {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1", "OTEL_SDK_DISABLED": "true"},
            "[]",
        ),
        (
            {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1", "OTEL_TRACES_EXPORTER": "none"},
            "[]",
        ),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1"}, "['opentelemetry', 'requests']"),
        (
            {"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://127.0.0.1:1/v1/traces"},
            "['opentelemetry', 'requests']",
        ),
    ],
)
def test_nothing_of_opentelemetry_is_imported_unless_an_endpoint_is_set(
    service_url: str,
    monkeypatch: pytest.MonkeyPatch,
    variables: dict[str, str],
    imported: str,
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    done = subprocess.run(
        [sys.executable, "-c", USES_SERVICE, service_url],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == imported
