"""The application as tests of keys need it: a client that carries no key unless told."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from litestar import Litestar
from litestar.testing import TestClient

from service.app import create_app, logged
from service.settings import Settings
from tests.support.http import wait_until_ready

CACHE_SECONDS = 0.3


@pytest.fixture
def cache_seconds() -> float:
    """How long the application remembers a key; a test may choose otherwise."""
    return CACHE_SECONDS


@pytest.fixture
def client(service_url: str, cache_seconds: float) -> Iterator[TestClient[Litestar]]:
    """A client without a key, of an application that remembers keys for a moment only."""
    options = Settings(key_cache_seconds=cache_seconds, access_log=False)
    app = create_app(service_url, options)
    with TestClient(logged(app, options)) as opened:
        # which the access log around it does not have
        opened.app_routes = app.routes  # pyright: ignore[reportAttributeAccessIssue]
        wait_until_ready(lambda: opened.get("/health/ready").status_code)
        yield opened
