"""How much a request may ask for: its target, its parameters, and how deep a body is."""

from __future__ import annotations

import time
from typing import Any

import httpx
import msgspec
import pytest

from service.http.request_target import MOST_PARAMETERS, MOST_TARGET_BYTES
from tests.support.http import meter
from tests.support.in_process import Peer
from tests.support.keys import bearer

KEY = f"Authorization: {bearer()['Authorization']}"


def get(target: str) -> bytes:
    return f"GET {target} HTTP/1.1\r\nHost: x\r\n{KEY}\r\n\r\n".encode()


def post(target: str, body: bytes, content_type: str = "application/json") -> bytes:
    head = (
        f"POST {target} HTTP/1.1\r\nHost: x\r\n{KEY}\r\nContent-Type: {content_type}\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


def assert_refused(peer: Peer, status: int) -> str:
    """Assert a problem document with a request id; return its sentence."""
    answered, headers, body = peer.answer()
    assert (answered, headers["content-type"]) == (status, "application/problem+json"), body
    assert headers["x-request-id"]
    document = msgspec.json.decode(body)
    assert document["status"] == status
    return document["detail"]


def assert_serves(peer: Peer) -> None:
    """The connection is open still, and the service well."""
    peer.send(get("/health/live"))
    assert peer.answer()[0] == 200


@pytest.mark.parametrize("begin", ["/v1/meters/", "/v1/meters?after=", "/nothing?"])
def test_a_target_that_is_too_long_is_414(service_peer: Peer, begin: str) -> None:
    service_peer.send(get(begin + "a" * MOST_TARGET_BYTES))
    assert "8000 bytes" in assert_refused(service_peer, 414)
    assert_serves(service_peer)


def test_a_target_that_is_too_long_is_414_to_who_posts_readings_too(service_peer: Peer) -> None:
    target = "/v1/ingest?" + "a" * MOST_TARGET_BYTES
    service_peer.send(post(target, msgspec.json.encode(meter())))
    assert "8000 bytes" in assert_refused(service_peer, 414)
    assert_serves(service_peer)


def test_the_longest_target_is_taken(service_peer: Peer) -> None:
    path = "/v1/meters?x="
    # the question mark belongs to neither
    service_peer.send(get(path + "a" * (MOST_TARGET_BYTES - len(path) + 1)))
    assert service_peer.answer()[0] == 200


@pytest.mark.parametrize("parameter", ["a=1", ""])
def test_too_many_parameters_are_400(service_peer: Peer, parameter: str) -> None:
    query = "&".join([parameter] * (MOST_PARAMETERS + 1))
    service_peer.send(get(f"/v1/meters?{query}"))
    assert "100 parameters" in assert_refused(service_peer, 400)
    assert_serves(service_peer)


def test_as_many_parameters_as_may_be_are_taken(service_peer: Peer) -> None:
    service_peer.send(get("/v1/meters?" + "&".join(["a=1"] * MOST_PARAMETERS)))
    assert service_peer.answer()[0] == 200


@pytest.mark.parametrize(
    ("target", "says"),
    [
        ("/v1/meters/%FF", "path is not UTF-8"),
        ("/v1/meters/%C0%AF", "path is not UTF-8"),
        ("/v1/meters/%ED%A0%80", "path is not UTF-8"),
        ("/v1/meters?after=%FF", "query is not UTF-8"),
        ("/v1/meters/%", '"%" without two'),
        ("/v1/meters/100%25%", '"%" without two'),
        ("/v1/meters/%u0041", '"%" without two'),
        ("/v1/meters?after=%4", '"%" without two'),
        ("/v1/meters/%2F", 'escaped "/"'),
        ("/v1/meters/a%2fb", 'escaped "/"'),
        ("/v1/vehicles/..%2fmeters", 'escaped "/"'),
    ],
)
def test_what_is_badly_escaped_is_400_and_not_another_text(
    service_peer: Peer, target: str, says: str
) -> None:
    service_peer.send(get(target))
    assert says in assert_refused(service_peer, 400)
    assert_serves(service_peer)


DEEP = {
    "arrays in JSON": (b"[" * 200_000, "application/json"),
    "objects in JSON": (b'{"meterId":' * 90_000, "application/json"),
    "closed arrays in JSON": (b"[" * 100_000 + b"]" * 100_000, "application/json"),
    "a line": (b"[" * 200_000, "application/x-ndjson"),
    "arrays in MessagePack": (b"\x91" * 200_000, "application/msgpack"),
    "objects in MessagePack": (b"\x81\xa1a" * 60_000, "application/msgpack"),
    "names in MessagePack": (b"\x81" * 200_000, "application/msgpack"),
}


@pytest.mark.parametrize("case", DEEP)
def test_readings_nested_without_end_are_400_at_once(service_peer: Peer, case: str) -> None:
    body, content_type = DEEP[case]
    began = time.monotonic()
    service_peer.send(post("/v1/ingest", body, content_type))
    assert assert_refused(service_peer, 400)
    assert time.monotonic() - began < 5
    assert_serves(service_peer)


@pytest.mark.parametrize("body", [b"[" * 200_000, b'{"meterId":' * 90_000, b'{"x":[' * 90_000])
def test_a_link_nested_without_end_is_400_at_once(http: httpx.Client, body: bytes) -> None:
    began = time.monotonic()
    answer = http.put("/v1/links/V-1", content=body, headers={"Content-Type": "application/json"})
    assert (answer.status_code, answer.headers["content-type"]) == (400, "application/problem+json")
    assert time.monotonic() - began < 5
    assert http.get("/health/live").status_code == 200


def test_a_link_that_is_too_large_is_413(http: httpx.Client) -> None:
    answer = http.put(
        "/v1/links/V-1",
        content=b" " * ((1 << 20) + 1),
        headers={"Content-Type": "application/json"},
    )
    assert answer.status_code == 413
    assert "1048576 bytes" in answer.json()["detail"]


def test_a_link_that_trickles_is_408(service_peer: Peer) -> None:
    began = time.monotonic()
    service_peer.send(
        b"PUT /v1/links/V-1 HTTP/1.1\r\nHost: x\r\n%s\r\nContent-Type: application/json\r\n"
        b"Content-Length: 1000\r\n\r\n{" % KEY.encode()
    )
    assert "after 1 seconds" in assert_refused(service_peer, 408)
    assert time.monotonic() - began < 6


@pytest.mark.parametrize(
    ("headers", "says"),
    [
        ({"Content-Type": "text/plain"}, '"text/plain" is not known'),
        ({"Content-Type": "application/msgpack"}, '"application/msgpack" is not known'),
        ({"Content-Type": "application/json; charset=utf-16"}, '"utf-16" is not known'),
        ({"Content-Type": "application/json", "Content-Encoding": "br"}, '"br" is not known'),
    ],
)
def test_a_link_of_another_type_is_415(http: httpx.Client, headers: Any, says: str) -> None:
    answer = http.put("/v1/links/V-1", content=b'{"meterId":"M-1"}', headers=headers)
    assert answer.status_code == 415
    assert says in answer.json()["detail"]
