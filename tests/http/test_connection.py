"""What a client may make a connection hold and wait for."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import msgspec
import pytest

from service.http import connection
from service.http.connection import Connection
from tests.support.in_process import Peer, listening

LARGE = 10_000_000


async def application(scope: Any, receive: Any, send: Any) -> None:
    """Answers at once, whatever body may follow."""
    if scope["type"] == "lifespan":
        await receive()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await send({"type": "lifespan.shutdown.complete"})
        return
    body = b"ok" if scope["path"] == "/" else b"z" * LARGE
    headers = [(b"content-type", b"text/plain"), (b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})


@pytest.fixture
def port() -> Iterator[int]:
    with listening(application, Connection, timeout_keep_alive=2) as chosen:
        yield chosen


@pytest.fixture
def peer(port: int) -> Iterator[Peer]:
    with Peer(port) as opened:
        yield opened


@pytest.fixture
def bound(monkeypatch: pytest.MonkeyPatch) -> Callable[[str, float], None]:
    """Set a bound of the connection."""
    return lambda name, value: monkeypatch.setattr(connection, name, value)


def assert_turned_away(peer: Peer, status: int) -> str:
    """Assert an answer that is a problem document, then the end; return its sentence."""
    answered, headers, body = peer.answer()
    assert (answered, headers["connection"]) == (status, "close")
    assert headers["content-type"] == "application/problem+json"
    assert peer.is_hung_up()
    return msgspec.json.decode(body)["detail"]


def test_requests_follow_one_another_on_a_connection(peer: Peer) -> None:
    for _ in range(3):
        peer.send(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        assert peer.answer()[::2] == (200, b"ok")


@pytest.mark.parametrize("field", [b"X-Long: %s", b"X-%s: y"])
def test_a_head_without_end_is_431(peer: Peer, field: bytes) -> None:
    peer.send(b"GET / HTTP/1.1\r\nHost: x\r\n" + field % (b"z" * connection.MOST_HEAD_BYTES))
    assert "65536 bytes" in assert_turned_away(peer, 431)


def test_a_head_in_small_pieces_is_431_too(peer: Peer) -> None:
    peer.send(b"GET / HTTP/1.1\r\n")
    lines = [b"X-Field-%06d: %s\r\n" % (number, b"z" * 100) for number in range(10_000)]
    assert not peer.sends_all(lines)


def test_a_head_that_trickles_is_408(peer: Peer, bound: Any) -> None:
    bound("HEAD_SECONDS", 0.5)
    began = time.monotonic()
    peer.send(b"GET / HTTP/1.1\r\n")
    for _ in range(4):
        peer.send(b"X: y\r\n")
        time.sleep(0.2)
    assert "0.5 seconds" in assert_turned_away(peer, 408)
    assert time.monotonic() - began < 5


def test_the_time_for_a_head_begins_anew_with_each_request(peer: Peer, bound: Any) -> None:
    bound("HEAD_SECONDS", 1.0)
    for _ in range(3):
        peer.send(b"GET / HTTP/1.1\r\n")
        time.sleep(0.5)
        peer.send(b"Host: x\r\n\r\n")
        assert peer.answer()[0] == 200


def test_who_sends_nothing_is_cut_off(peer: Peer) -> None:
    began = time.monotonic()
    assert peer.is_hung_up()
    assert 1 < time.monotonic() - began < 10


def test_what_is_not_http_is_400(peer: Peer) -> None:
    peer.send(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03")
    assert "not valid HTTP" in assert_turned_away(peer, 400)


def test_an_answered_request_may_end_and_another_follow(peer: Peer) -> None:
    peer.send(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 200000\r\n\r\n")
    assert peer.answer()[0] == 200
    peer.send(b"z" * 200_000 + b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
    assert peer.answer()[0] == 200


@pytest.mark.parametrize("version", [b"1.1", b"1.0"])
def test_who_asks_to_hang_up_gets_the_answer_even_to_a_body_that_is_not_read(
    peer: Peer, version: bytes
) -> None:
    head = b"POST / HTTP/%s\r\nHost: x\r\nConnection: close\r\nContent-Length: 9000000\r\n\r\n"
    peer.send(head % version)
    time.sleep(0.1)
    assert peer.sends_all([b" " * 100_000] * 90)
    assert peer.answer()[0] == 200
    assert peer.is_hung_up()


def test_who_asks_to_hang_up_is_hung_up_on_at_once(peer: Peer) -> None:
    began = time.monotonic()
    peer.send(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    assert peer.answer()[0] == 200
    assert peer.is_hung_up()
    assert time.monotonic() - began < 1


def test_the_rest_of_an_answered_request_is_not_read_for_ever(peer: Peer, bound: Any) -> None:
    bound("MOST_DRAINED_BYTES", 1_000_000)
    peer.send(b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n")
    assert peer.answer()[0] == 200
    assert not peer.sends_all([b"10000\r\n" + b" " * 0x10000 + b"\r\n"] * 1_000)


def test_the_rest_of_an_answered_request_is_not_waited_for_long(peer: Peer, bound: Any) -> None:
    bound("DRAIN_SECONDS", 0.5)
    began = time.monotonic()
    peer.send(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n")
    assert peer.answer()[0] == 200
    assert peer.is_hung_up()
    assert time.monotonic() - began < 2


def test_one_connection_too_many_is_503_and_those_before_are_served(port: int, bound: Any) -> None:
    bound("MOST_CONNECTIONS", 3)
    with ExitStack() as stack:
        peers = [stack.enter_context(Peer(port)) for _ in range(3)]
        for one in peers:
            one.send(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
            assert one.answer()[0] == 200
        with Peer(port) as turned_away:
            status, headers, _ = turned_away.answer()
            assert (status, headers["retry-after"]) == (503, "1")
        peers[0].send(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        assert peers[0].answer()[0] == 200


def test_a_request_to_pass_bytes_on_is_refused(peer: Peer) -> None:
    peer.send(b"CONNECT other:443 HTTP/1.1\r\nHost: other:443\r\n\r\n")
    assert "CONNECT" in assert_turned_away(peer, 400)


def test_who_does_not_read_an_answer_is_cut_off(peer: Peer, bound: Any) -> None:
    bound("UNREAD_SECONDS", 0.5)
    peer.send(b"GET /large HTTP/1.1\r\nHost: x\r\n\r\n")
    time.sleep(1.5)
    with pytest.raises((AssertionError, ConnectionResetError)):
        peer.answer()


def test_who_reads_an_answer_slowly_gets_it(peer: Peer, bound: Any) -> None:
    bound("UNREAD_SECONDS", 0.5)
    peer.send(b"GET /large HTTP/1.1\r\nHost: x\r\n\r\n")
    read = 0
    while read < LARGE:
        read += peer.read(1_000_000)
        time.sleep(0.15)
