"""Errors are written by one function, wherever they are met (service.http.problem)."""

from __future__ import annotations

import pytest

from service.http import problem
from tests.http.running import dumped, request, running
from tests.support.http import meter
from tests.support.in_process import Peer
from tests.support.keys import bearer


def asked(method: str, target: str, body: bytes = b"", *, keyed: bool = True) -> bytes:
    head = [f"{method} {target} HTTP/1.1", "Host: x", "Content-Type: application/json"]
    head.append(f"Content-Length: {len(body)}")
    if keyed:
        head.append(f"Authorization: {bearer()['Authorization']}")
    return "\r\n".join([*head, "", ""]).encode() + body


def errors() -> dict[str, tuple[int, bytes]]:
    """Errors of the connection, the front, the guard, routes, the framework, and ingestion."""
    return {
        "no HTTP": (400, b"\x16\x03\x01\r\n\r\n"),
        "a target too long": (414, asked("GET", "/" + "a" * 9000)),
        "no key": (401, asked("GET", "/v1/meters", keyed=False)),
        "no route": (404, asked("GET", "/nothing")),
        "no such device": (404, asked("GET", "/v1/meters/nobody")),
        "another method": (405, asked("PATCH", "/v1/meters")),
        "a parameter out of bounds": (400, asked("GET", "/v1/meters?limit=0")),
        "a time that is none": (400, asked("GET", "/v1/analytics/fleet?from=x")),
        "a rule of the database's": (400, asked("GET", "/v1/analytics/fleet?from=1&to=0")),
        "no JSON": (400, asked("PUT", "/v1/links/V-1", b"{")),
        "no id": (400, asked("PUT", "/v1/links/V-1", b'{"meterId":""}')),
        "readings without a key": (401, request(b"[]", key=None)),
        "no reading": (400, request(b"[]")),
        "readings of an unknown type": (415, request(b"x", content_type="text/plain")),
        "readings by another method": (405, asked("GET", "/v1/ingest")),
        "a reading out of bounds": (400, request(dumped(meter(kwhConsumedAc=-1)))),
    }


def test_every_error_is_written_by_the_one_function(
    service_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    written: list[bytes] = []
    encode = problem._encode

    def noted(document: problem.Problem) -> bytes:
        written.append(encode(document))
        return written[-1]

    monkeypatch.setattr(problem, "_encode", noted)
    with running(service_url, monkeypatch) as service:
        for case, (status, sent) in errors().items():
            written.clear()
            with Peer(service.port) as peer:
                peer.send(sent)
                answered, headers, body = peer.answer()
            assert (answered, headers["content-type"]) == (status, "application/problem+json"), case
            assert written == [body], case
