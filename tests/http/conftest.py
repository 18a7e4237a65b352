"""The whole service behind real connections."""

from __future__ import annotations

import io
from collections.abc import Iterator

import httpx
import pytest

from service.app import create_app, logged
from service.cli.serve import PROTOCOL
from service.http.connection import Connection
from service.settings import Settings
from tests.support.http import wait_until_ready
from tests.support.in_process import Peer, listening
from tests.support.keys import bearer
from tests.support.server import Server, as_service

SETTINGS = Settings(max_body_bytes=1 << 20, body_timeout_seconds=1.0)


@pytest.fixture(scope="module")
def protocol() -> type[Connection]:
    """What becomes of a connection's bytes; modules about readings try each of PROTOCOLS."""
    return PROTOCOL


@pytest.fixture(scope="module")
def module_url(database_server: Server, protocol: type[Connection]) -> Iterator[str]:
    """The database of the service that a module's tests share."""
    with database_server.clone() as url:
        yield url


@pytest.fixture(scope="module")
def service_port(module_url: str, protocol: type[Connection]) -> Iterator[int]:
    """The service as its workers run it, in this process and for a module's tests: its port."""
    app = logged(create_app(as_service(module_url), SETTINGS), SETTINGS, io.StringIO())
    with listening(app, protocol) as port:
        ready = f"http://127.0.0.1:{port}/health/ready"
        wait_until_ready(lambda: httpx.get(ready).status_code)
        yield port


@pytest.fixture
def service_peer(service_port: int) -> Iterator[Peer]:
    """A connection to the service."""
    with Peer(service_port) as opened:
        yield opened


@pytest.fixture(scope="module")
def http(service_port: int) -> Iterator[httpx.Client]:
    """A client of the service, with a key for everything."""
    url = f"http://127.0.0.1:{service_port}"
    with httpx.Client(base_url=url, headers=bearer(), timeout=30) as opened:
        yield opened
