"""The real application on the test's own database, as the login that the service has."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from litestar import Litestar
from litestar.testing import TestClient

from service.app import create_app
from service.settings import Settings
from tests.support.http import wait_until_ready
from tests.support.keys import bearer

Client = TestClient[Litestar]


@pytest.fixture
def settings() -> Settings:
    """The default settings; a test module may override them."""
    return Settings()


@pytest.fixture
def client(service_url: str, settings: Settings) -> Iterator[Client]:
    """A client of the application, with a key for everything."""
    with TestClient(create_app(service_url, settings)) as opened:
        opened.headers.update(bearer())
        wait_until_ready(lambda: opened.get("/health/ready").status_code)
        yield opened


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
