"""A service in this process that tells which of its requests to ingest went through ASGI."""

from __future__ import annotations

import io
import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from service.app import create_app, logged
from service.cli.serve import PROTOCOL
from service.http.connection import Connection
from service.ingest import endpoint
from service.settings import Settings
from tests.support.in_process import listening
from tests.support.keys import bearer

# with the fast lane, and without it
PROTOCOLS = list(dict.fromkeys([PROTOCOL, Connection]))


class Running:
    """A running service: its port, its log, and how often ASGI was asked to ingest."""

    def __init__(
        self, port: int, log: io.StringIO, asked: list[str], protocol: type[Connection] = PROTOCOL
    ) -> None:
        self.port = port
        self.asked = asked
        self._log = log
        self._has_lane = protocol is not Connection

    def assert_by_lane(self) -> None:
        """Assert that no request to ingest went through ASGI, where there is another way."""
        assert not (self._has_lane and self.asked)

    def lines(self) -> list[str]:
        """What the access log holds by now."""
        time.sleep(0.5)
        return self._log.getvalue().splitlines()


@contextmanager
def running(
    service_url: str,
    monkeypatch: pytest.MonkeyPatch,
    protocol: type[Connection] = PROTOCOL,
    **options: Any,
) -> Iterator[Running]:
    """Start a service with settings of the test's own, and stop it at the end."""
    asked: list[str] = []
    ingest = endpoint.ingest

    async def counted(scope: Any, receive: Any, send: Any) -> None:
        asked.append(scope["path"])
        await ingest(scope, receive, send)

    monkeypatch.setattr(endpoint, "ingest", counted)
    stream = io.StringIO()
    settings = Settings(**options)
    with listening(logged(create_app(service_url, settings), settings, stream), protocol) as port:
        yield Running(port, stream, asked, protocol)


def request(
    body: bytes,
    *headers: str,
    content_type: str = "application/json",
    key: str | None = "",
) -> bytes:
    """A request to ingest a body, with a key for everything unless another is given, or None."""
    lines = [
        "POST /v1/ingest HTTP/1.1",
        "Host: x",
        f"Content-Type: {content_type}",
        f"Content-Length: {len(body)}",
        *([] if key is None else [f"Authorization: {bearer(key)['Authorization']}"]),
        *headers,
    ]
    return "\r\n".join([*lines, "", ""]).encode() + body


def dumped(*readings: Any) -> bytes:
    """A body of readings in JSON."""
    return json.dumps(readings[0] if len(readings) == 1 else readings).encode()
