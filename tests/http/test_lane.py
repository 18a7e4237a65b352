"""The lane of the usual request: it answers as the application does, to the byte."""

from __future__ import annotations

import gc
import gzip
import io
import json
import re
import time
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import msgspec
import psycopg
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from service.app import create_app, logged
from service.ingest.fast.head import Heads
from service.ingest.fast.lane import Lane
from service.settings import Settings
from tests.http.running import Running, running
from tests.support.http import meter, vehicle
from tests.support.in_process import Peer, listening
from tests.support.keys import bearer, key_id, the_key
from tests.support.readings import NOW, Connection, meter_history
from tests.support.server import Server, as_service


@pytest.fixture(name="running")
def _running(service_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Running]:
    with running(service_url, monkeypatch, max_readings=50, max_body_bytes=20_000) as started:
        yield started


def request(body: bytes, *headers: str, content_type: str = "application/json") -> bytes:
    lines = [
        "POST /v1/ingest HTTP/1.1",
        "Host: x",
        f"Content-Type: {content_type}",
        f"Content-Length: {len(body)}",
        f"Authorization: {bearer()['Authorization']}",
        *headers,
    ]
    return "\r\n".join([*lines, "", ""]).encode() + body


def dumped(*readings: Any) -> bytes:
    return json.dumps(readings[0] if len(readings) == 1 else readings).encode()


GOOD = dumped(meter("M-LANE"))
# readings' ids hold LANE, so that the other way gets ids of its own
BODIES: dict[str, tuple[bytes, str, bool]] = {
    "a reading": (GOOD, "application/json", True),
    "the same again": (GOOD, "application/json; charset=utf-8", True),
    "a batch": (
        dumped(meter("M-LANE"), vehicle("V-LANE"), vehicle("V-LANE")),
        "APPLICATION/JSON",
        True,
    ),
    "lines": (dumped(vehicle("W-LANE")) + b"\n" + GOOD, "application/x-ndjson", True),
    "messagepack": (msgspec.msgpack.encode(meter("X-LANE")), "application/msgpack", True),
    "a conflict": (dumped(meter("M-LANE", kwhConsumedAc=7)), "application/json", True),
    "out of range": (
        dumped(meter("M-LANE", NOW - timedelta(hours=1), kwhConsumedAc=5000), meter("N-LANE")),
        "application/json",
        True,
    ),
    "one bad of two": (dumped(meter("O-LANE"), {"x": 1}), "application/json", False),
    "no json": (b"{", "application/json", False),
    "an empty array": (b"[]", "application/json", False),
    "too many": (dumped(*[meter("P-LANE")] * 51), "application/json", False),
    "an unknown type": (b"x", "text/plain", False),
}


def test_the_lane_answers_as_the_application_does(running: Running) -> None:
    with Peer(running.port) as peer:
        for name, (body, content_type, usual) in BODIES.items():
            before = len(running.asked)
            peer.send(request(body, content_type=content_type))
            by_lane = peer.answer()
            assert (len(running.asked) == before) is usual, name

            whole = request(body.replace(b"LANE", b"ASGI"), content_type=content_type)
            middle = whole.index(b"\r\n\r\n") + 2
            peer.send(whole[:middle])
            time.sleep(0.05)
            peer.send(whole[middle:])
            status, headers, answer = peer.answer()
            assert running.asked[before:][-1] == "/v1/ingest", name
            assert by_lane[::2] == (status, answer.replace(b"ASGI", b"LANE")), name
            assert list(by_lane[1]) == list(headers), name
            assert {**by_lane[1], "x-request-id": ""} == {
                **headers,
                "x-request-id": "",
                "date": by_lane[1]["date"],
            }, name


@pytest.mark.parametrize(
    "headers",
    [
        ["Content-Encoding: gzip"],
        ["Connection: close"],
        ["Expect: 100-continue"],
    ],
)
def test_requests_that_ask_for_more_go_to_the_application(
    running: Running, headers: list[str]
) -> None:
    body = gzip.compress(GOOD) if "gzip" in headers[0] else GOOD
    with Peer(running.port) as peer:
        peer.send(request(body, *headers))
        if headers[0].startswith("Expect"):
            assert peer.continued()
        assert peer.answer()[0] == 201
    assert running.asked == ["/v1/ingest"]


def test_a_request_id_is_kept_and_each_request_is_a_line_of_the_log(running: Running) -> None:
    with Peer(running.port) as peer:
        peer.send(request(GOOD, "X-Request-Id: mine-1"))
        assert peer.answer()[1]["x-request-id"] == "mine-1"
        peer.send(request(GOOD))
        given = peer.answer()[1]["x-request-id"]
    first, second = running.lines()
    assert re.search(r"POST /v1/ingest 201 \d+\.\dms key=\w+ accepted=1 id=mine-1$", first)
    assert second.endswith(f"ms key={key_id(the_key())} accepted=0 duplicates=1 id={given}")
    assert running.asked == []


def numbered(number: int) -> bytes:
    return dumped(meter("M-1", NOW - timedelta(minutes=number)))


@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_however_requests_are_cut_into_packets_each_is_answered_once_in_order(
    shared_running: Running, data: st.DataObject
) -> None:
    bodies = data.draw(
        st.lists(
            st.sampled_from([GOOD, numbered(1), b"[]", dumped(*[meter()] * 3)]),
            min_size=1,
            max_size=6,
        )
    )
    stream = b"".join(request(body, f"X-Request-Id: r{n}") for n, body in enumerate(bodies))
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=6)))
    edges = [0, *cuts, len(stream)]
    with Peer(shared_running.port) as peer:
        for start, stop in pairwise(edges):
            peer.send(stream[start:stop])
            if data.draw(st.booleans()):
                time.sleep(0.002)
        for number, body in enumerate(bodies):
            status, headers, _ = peer.answer()
            assert status == (400 if body == b"[]" else 201)
            assert headers["x-request-id"] == f"r{number}"


@pytest.fixture(scope="session")
def shared_running(database_server: Server) -> Iterator[Running]:
    with database_server.clone() as url:
        app = logged(create_app(as_service(url)), Settings(access_log=False))
        with listening(app, Lane) as port:
            yield Running(port, io.StringIO(), [])


def test_a_request_within_a_body_is_no_request(running: Running, connection: Connection) -> None:
    inner = request(dumped(meter("M-INNER")))
    with Peer(running.port) as peer:
        peer.send(request(inner, content_type="text/plain")[: -len(inner)])
        assert peer.answer()[0] == 415
        peer.send(inner)
        peer.send(request(GOOD))
        assert peer.answer()[::2] == (201, b'{"accepted":1,"duplicates":0}')
    assert {row[0] for row in meter_history(connection)} == {"M-LANE"}


def test_what_a_client_sent_before_it_left_is_stored(
    running: Running, connection: Connection, database_url: str
) -> None:
    with psycopg.connect(database_url) as blocker:
        blocker.execute("LOCK TABLE telemetry.meter_state IN ACCESS EXCLUSIVE MODE")
        peer = Peer(running.port)
        peer.send(request(GOOD))
        time.sleep(0.2)
        peer.close()
        time.sleep(0.2)
    deadline = time.monotonic() + 10
    while not meter_history(connection):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    with Peer(running.port) as other:
        other.send(request(GOOD))
        assert other.answer()[2] == b'{"accepted":0,"duplicates":1}'


def test_requests_sent_ahead_wait_and_then_are_answered(
    running: Running, database_url: str
) -> None:
    with psycopg.connect(database_url) as blocker, Peer(running.port) as peer:
        blocker.execute("LOCK TABLE telemetry.meter_state IN ACCESS EXCLUSIVE MODE")
        for number in range(500):
            peer.send(request(numbered(number)))
        time.sleep(0.2)
        blocker.rollback()
        assert [peer.answer()[0] for _ in range(500)] == [201] * 500


def test_refused_requests_leave_nothing_behind(service_url: str, database_url: str) -> None:
    options = Settings(queue_readings=1, group_readings=1, writers=1, access_log=False)
    app = logged(create_app(service_url, options), options)
    with (
        listening(app, Lane) as port,
        psycopg.connect(database_url) as blocker,
        ExitStack() as stack,
    ):
        blocker.execute("LOCK TABLE telemetry.meter_state IN ACCESS EXCLUSIVE MODE")
        for number in range(2):  # one is being written, one waits
            stack.enter_context(Peer(port)).send(request(numbered(number)))
            time.sleep(0.2)
        peer = stack.enter_context(Peer(port))
        large = request(dumped(*[meter()] * 500))
        gc.collect()
        gc.disable()
        before = resident_bytes()
        try:
            for _ in range(400):
                peer.send(large)
                assert peer.answer()[0] == 503
            grown = resident_bytes() - before
        finally:
            gc.enable()
        blocker.rollback()
    assert grown < 5_000_000


def resident_bytes() -> int:
    """Memory of this process."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096


def test_silent_clients_are_cut_off_and_others_are_not(service_url: str) -> None:
    app = logged(create_app(service_url), Settings(access_log=False))
    with (
        listening(app, Lane, timeout_keep_alive=1) as port,
        Peer(port) as busy,
        Peer(port) as silent,
    ):
        silent.send(request(GOOD))
        assert silent.answer()[0] == 201
        for number in range(8):
            busy.send(request(numbered(number)))
            assert busy.answer()[0] == 201
            time.sleep(0.3)
        assert silent.is_hung_up()


@pytest.mark.parametrize(
    "head",
    [
        b"POST /v1/ingest HTTP/1.1\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n",
        b"POST /v1/ingest HTTP/1.1\r\nContent-Length: -5\r\n\r\n",
        b"POST /v1/ingest HTTP/1.1\r\nContent-Length: 5, 5\r\n\r\n",
        b"POST /v1/ingest HTTP/1.1\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"POST /v1/ingest HTTP/1.1\r\nContent-Length : 5\r\n\r\n",
        b"POST /v1/ingest HTTP/1.1\r\nContent-Length: 0\r\n\r\n",
        b"POST /v1/ingest HTTP/1.1\r\nContent-Length: 1001\r\n\r\n",
        b"POST /v1/ingest HTTP/1.1\r\nHost: x\r\n\r\n",
        b"POST /v1/ingest HTTP/1.1\r\nContent-Length: 5\r\nHost x\r\n\r\n",
        b"",
    ],
)
def test_a_head_that_leaves_room_for_doubt_is_not_usual(head: bytes) -> None:
    assert Heads(1_000).parsed(head) is None


def test_known_heads_are_bounded_and_right() -> None:
    heads = Heads(1_000_000)
    for number in range(1, 15_000):
        parsed = heads.parsed(b"POST /v1/ingest HTTP/1.1\r\nContent-Length: %d\r\n\r\n" % number)
        assert parsed is not None
        assert parsed.length == number
    assert len(heads) <= 10_000


def test_a_head_in_use_is_remembered_while_many_others_come_and_go(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("service.ingest.fast.head._MOST_KNOWN", 3)
    heads = Heads(1_000_000)
    head = b"POST /v1/ingest HTTP/1.1\r\nContent-Length: %d\r\n\r\n"
    used = heads.parsed(head % 1)
    for number in range(2, 20):
        heads.parsed(head % number)
        # the very same, not one that was parsed anew
        assert heads.parsed(head % 1) is used
