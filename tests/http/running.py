"""A service in this process that tells which of its requests to ingest went through ASGI."""

from __future__ import annotations

import io
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from service.app import create_app, logged
from service.ingest import endpoint
from service.ingest.fast.lane import Lane
from service.settings import Settings
from tests.support.in_process import listening


class Running:
    """A running service: its port, its log, and how often ASGI was asked to ingest."""

    def __init__(self, port: int, log: io.StringIO, asked: list[str]) -> None:
        self.port = port
        self.asked = asked
        self._log = log

    def lines(self) -> list[str]:
        """What the access log holds by now."""
        time.sleep(0.5)
        return self._log.getvalue().splitlines()


@contextmanager
def running(service_url: str, monkeypatch: pytest.MonkeyPatch, **options: Any) -> Iterator[Running]:
    """Start a service with settings of the test's own, and stop it at the end."""
    asked: list[str] = []
    ingest = endpoint.ingest

    async def counted(scope: Any, receive: Any, send: Any) -> None:
        asked.append(scope["path"])
        await ingest(scope, receive, send)

    monkeypatch.setattr(endpoint, "ingest", counted)
    stream = io.StringIO()
    settings = Settings(**options)
    with listening(logged(create_app(service_url, settings), settings, stream), Lane) as port:
        yield Running(port, stream, asked)
