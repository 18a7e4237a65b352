"""Offers of another protocol are passed over: the request is answered as it is (RFC 9110 7.8)."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import settings as bounded
from hypothesis import strategies as st

from service.http.connection import MOST_HEAD_BYTES, Connection
from tests.http.running import PROTOCOLS
from tests.support.http import meter
from tests.support.in_process import Peer, listening
from tests.support.keys import bearer

# as Java's HttpClient, curl, an old TLS client and a browser offer them
OFFERS = {
    "h2c": b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n",
    "tls": b"Connection: Upgrade\r\nUpgrade: TLS/1.2\r\n",
    "websocket": b"Upgrade: websocket\r\nConnection: keep-alive, Upgrade\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n",
    "several": b"connection: upgrade\r\nupgrade: h2c, TLS/1.3\r\nconnection: keep-alive\r\n",
}
PLAIN = b"GET /plain HTTP/1.1\r\nHost: x\r\n\r\n"


async def echo(scope: Any, receive: Any, send: Any) -> None:
    """Answers with what it was asked."""
    if scope["type"] == "lifespan":
        await receive()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await send({"type": "lifespan.shutdown.complete"})
        return
    body = b""
    more = True
    while more:
        message = await receive()
        body += message["body"]
        more = message.get("more_body", False)
    names = {name.decode() for name, _ in scope["headers"]}
    told = msgspec.json.encode(
        [scope["method"], scope["path"], body.decode(), sorted(names & {"host", "upgrade", "x-a"})]
    )
    headers = [(b"content-length", b"%d" % len(told))]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": told})


@pytest.fixture(scope="module", params=PROTOCOLS)
def protocol(request: pytest.FixtureRequest) -> type[Connection]:
    return request.param


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    with listening(echo, Connection) as chosen:
        yield chosen


def post(body: bytes, offer: bytes, *, chunked: bool = False) -> bytes:
    head = b"POST /a%20b HTTP/1.1\r\nHost: x\r\n" + offer + b"X-A: y\r\n"
    if chunked:
        chunks = b"%x\r\n%s\r\n0\r\n\r\n" % (len(body), body) if body else b"0\r\n\r\n"
        return head + b"Transfer-Encoding: chunked\r\n\r\n" + chunks
    return head + b"Content-Length: %d\r\n\r\n%s" % (len(body), body)


def told(peer: Peer) -> list[Any]:
    status, _, body = peer.answer()
    assert status == 200, body
    return json.loads(body)


POSTED = ["POST", "/a b", "energy", ["host", "x-a"]]


@pytest.mark.parametrize("chunked", [False, True])
@pytest.mark.parametrize("offer", OFFERS)
def test_a_request_with_an_offer_is_answered_as_one_without(
    port: int, offer: str, chunked: bool
) -> None:
    with Peer(port) as peer:
        for _ in range(3):
            peer.send(post(b"energy", OFFERS[offer], chunked=chunked))
            assert told(peer) == POSTED
            peer.send(PLAIN)
            assert told(peer) == ["GET", "/plain", "", ["host"]]


@bounded(deadline=None, max_examples=60)
@given(
    requests=st.lists(
        st.tuples(st.sampled_from([*OFFERS, ""]), st.booleans(), st.sampled_from(["", "energy"])),
        min_size=1,
        max_size=4,
    ),
    cuts=st.lists(st.integers(0, 1200), max_size=8),
)
def test_requests_in_any_pieces_one_behind_another_are_answered_in_turn(
    port: int, requests: list[tuple[str, bool, str]], cuts: list[int]
) -> None:
    sent = b"".join(
        post(body.encode(), OFFERS.get(offer, b""), chunked=chunked)
        for offer, chunked, body in requests
    )
    places = sorted({0, *(cut for cut in cuts if cut < len(sent)), len(sent)})
    with Peer(port) as peer:
        for start, stop in pairwise(places):
            peer.send(sent[start:stop])
        for _, _, body in requests:
            assert told(peer) == ["POST", "/a b", body, ["host", "x-a"]]
        peer.send(PLAIN)
        assert told(peer)[1] == "/plain"


def test_an_offer_byte_by_byte_is_passed_over(port: int) -> None:
    with Peer(port) as peer:
        for byte in post(b"energy", OFFERS["h2c"]) + PLAIN:
            peer.send(bytes([byte]))
        assert told(peer) == POSTED
        assert told(peer)[1] == "/plain"


def test_hundreds_of_offers_in_one_piece_are_answered_in_turn(port: int) -> None:
    with Peer(port) as peer:
        peer.send(post(b"energy", OFFERS["tls"]) * 300)
        for _ in range(300):
            assert told(peer) == POSTED


def test_a_client_that_offers_and_hangs_up_gets_its_answer(port: int) -> None:
    offer = b"Connection: close, Upgrade\r\nUpgrade: h2c\r\n"
    with Peer(port) as peer:
        peer.send(post(b"energy", offer))
        assert told(peer) == POSTED
        assert peer.is_hung_up()


def test_a_head_without_end_behind_an_offer_is_refused(port: int) -> None:
    with Peer(port) as peer:
        peer.send(post(b"energy", OFFERS["h2c"]) + b"GET / HTTP/1.1\r\nX: ")
        assert told(peer) == POSTED
        peer.send(b"z" * (MOST_HEAD_BYTES + 1))
        assert peer.answer()[0] == 431


def test_what_is_no_http_behind_an_offer_is_400(port: int) -> None:
    with Peer(port) as peer:
        peer.send(post(b"energy", OFFERS["h2c"]))
        assert told(peer) == POSTED
        peer.send(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
        assert peer.answer()[0] == 400
        assert peer.is_hung_up()


@pytest.mark.parametrize("offer", OFFERS)
def test_a_reading_with_an_offer_is_stored(service_port: int, offer: str) -> None:
    body = msgspec.json.encode(meter(f"offer-{offer}"))
    head = (
        f"POST /v1/ingest HTTP/1.1\r\nHost: x\r\nAuthorization: {bearer()['Authorization']}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n"
    ).encode()
    usual = head + b"\r\n" + body
    with Peer(service_port) as peer:
        peer.send(head + OFFERS[offer] + b"\r\n" + body + usual)
        assert peer.answer()[::2] == (201, b'{"accepted":1,"duplicates":0}')
        assert peer.answer()[::2] == (201, b'{"accepted":0,"duplicates":1}')
        peer.send(usual)
        assert peer.answer()[0] == 201


def test_curl_offering_http_2_has_its_reading_stored(service_port: int, tmp_path: Path) -> None:
    curl = shutil.which("curl")
    if curl is None or b"HTTP2" not in subprocess.check_output([curl, "--version"]):
        pytest.skip("there is no curl that offers HTTP/2")
    (tmp_path / "body").write_bytes(msgspec.json.encode(meter("curl")))
    headers = [f"Authorization: {bearer()['Authorization']}", "Content-Type: application/json"]
    answer = subprocess.run(
        [
            *(curl, "--silent", "--http2", "--max-time", "20", "--noproxy", "*"),
            *("--write-out", " %{http_code} %{http_version}"),
            *(part for header in headers for part in ("--header", header)),
            *("--data-binary", f"@{tmp_path / 'body'}"),
            f"http://127.0.0.1:{service_port}/v1/ingest",
        ],
        capture_output=True,
        check=True,
    )
    assert answer.stdout == b'{"accepted":1,"duplicates":0} 201 1.1'
