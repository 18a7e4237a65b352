"""The real application on the test's own database, as the login that the service has.

Tests that store nothing, or nothing that another one of them meets, may share both (the mark
`shares_a_service`): to start them takes ten times as long as such a test.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from litestar import Litestar
from litestar.testing import TestClient

from service.app import create_app
from service.settings import Settings
from tests.support.http import wait_until_ready
from tests.support.keys import bearer
from tests.support.server import Server, as_service

Client = TestClient[Litestar]


@pytest.fixture
def settings() -> Settings:
    """The default settings; a test module may override them."""
    return Settings()


@contextmanager
def _client_of(service_url: str, settings: Settings) -> Iterator[Client]:
    with TestClient(create_app(service_url, settings)) as opened:
        opened.headers.update(bearer())
        wait_until_ready(lambda: opened.get("/health/ready").status_code)
        yield opened


@pytest.fixture(scope="module")
def module_database_url(database_server: Server) -> Iterator[str]:
    """A migrated database for the tests of a module that share a service."""
    with database_server.clone() as url:
        yield url


@pytest.fixture(scope="module")
def module_client(module_database_url: str) -> Iterator[Client]:
    """A client of their service, which has the default settings."""
    with _client_of(as_service(module_database_url), Settings()) as opened:
        yield opened


@pytest.fixture
def database_url(request: pytest.FixtureRequest, database_server: Server) -> Iterator[str]:
    """A migrated database of the test's own; that of its module where it shares a service."""
    if _shares(request):
        yield request.getfixturevalue("module_database_url")
    else:
        with database_server.clone() as url:
            yield url


@pytest.fixture
def client(request: pytest.FixtureRequest, settings: Settings) -> Iterator[Client]:
    """A client of the application, with a key for everything."""
    if _shares(request):
        assert settings == Settings(), "a shared service has the default settings"
        yield request.getfixturevalue("module_client")
    else:
        with _client_of(request.getfixturevalue("service_url"), settings) as opened:
            yield opened


def _shares(request: pytest.FixtureRequest) -> bool:
    return request.node.get_closest_marker("shares_a_service") is not None


@pytest.fixture
def post(client: Client) -> Any:
    """Post an ingest body: bytes as they are, anything else as JSON."""

    def send(body: Any, content_type: str = "application/json", **headers: str) -> Any:
        names = {name.replace("_", "-"): value for name, value in headers.items()}
        if isinstance(body, bytes):
            return client.post(
                "/v1/ingest", content=body, headers={"Content-Type": content_type, **names}
            )
        return client.post("/v1/ingest", json=body, headers=names)

    return send
