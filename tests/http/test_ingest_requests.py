"""Requests to ingest readings on real connections: with the fast lane, and without it."""

from __future__ import annotations

import gc
import io
import re
import time
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import timedelta
from itertools import pairwise
from pathlib import Path

import psycopg
import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.app import create_app, logged
from service.http.connection import Connection as Protocol
from service.settings import Settings
from tests.http.running import PROTOCOLS, Running, dumped, request, running
from tests.support.examples import examples
from tests.support.http import meter
from tests.support.in_process import Peer, listening
from tests.support.keys import key_id, the_key
from tests.support.readings import NOW, Connection, meter_history
from tests.support.server import Server, as_service

GOOD = dumped(meter("M-1"))


@pytest.fixture(scope="module", params=PROTOCOLS)
def protocol(request: pytest.FixtureRequest) -> type[Protocol]:
    return request.param


@pytest.fixture(name="running")
def _running(
    service_url: str, monkeypatch: pytest.MonkeyPatch, protocol: type[Protocol]
) -> Iterator[Running]:
    with running(service_url, monkeypatch, protocol) as started:
        yield started


def test_a_request_id_is_kept_and_each_request_is_a_line_of_the_log(running: Running) -> None:
    with Peer(running.port) as peer:
        peer.send(request(GOOD, "X-Request-Id: mine-1"))
        assert peer.answer()[1]["x-request-id"] == "mine-1"
        peer.send(request(GOOD))
        given = peer.answer()[1]["x-request-id"]
    first, second = running.lines()
    assert re.search(r"POST /v1/ingest 201 \d+\.\dms key=\w+ accepted=1 id=mine-1$", first)
    assert second.endswith(f"ms key={key_id(the_key())} accepted=0 duplicates=1 id={given}")
    running.assert_by_lane()


def numbered(number: int) -> bytes:
    return dumped(meter("M-1", NOW - timedelta(minutes=number)))


@examples(40)
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


@pytest.fixture(scope="module")
def shared_running(database_server: Server, protocol: type[Protocol]) -> Iterator[Running]:
    with database_server.clone() as url:
        app = logged(create_app(as_service(url)), Settings(access_log=False))
        with listening(app, protocol) as port:
            yield Running(port, io.StringIO(), [])


def test_a_request_within_a_body_is_no_request(running: Running, connection: Connection) -> None:
    inner = request(dumped(meter("M-INNER")))
    with Peer(running.port) as peer:
        peer.send(request(inner, content_type="text/plain")[: -len(inner)])
        assert peer.answer()[0] == 415
        peer.send(inner)
        peer.send(request(GOOD))
        assert peer.answer()[::2] == (201, b'{"accepted":1,"duplicates":0}')
    assert {row[0] for row in meter_history(connection)} == {"M-1"}


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


def test_refused_requests_leave_nothing_behind(
    service_url: str, database_url: str, protocol: type[Protocol]
) -> None:
    options = Settings(queue_readings=1, group_readings=1, writers=1, access_log=False)
    app = logged(create_app(service_url, options), options)
    with (
        listening(app, protocol) as port,
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


def test_silent_clients_are_cut_off_and_others_are_not(
    service_url: str, protocol: type[Protocol]
) -> None:
    app = logged(create_app(service_url), Settings(access_log=False))
    with (
        listening(app, protocol, timeout_keep_alive=1) as port,
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
