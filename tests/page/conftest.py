"""The page's own service behind real connections, as tests/http has it."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest

from tests.http.conftest import http, module_url, protocol, service_port

__all__ = ["http", "module_url", "protocol", "service_port"]


@pytest.fixture(scope="module")
def browser(service_port: int) -> Iterator[httpx.Client]:
    """A client with no key, which keeps cookies, as a browser does."""
    url = f"http://127.0.0.1:{service_port}"
    with httpx.Client(base_url=url, timeout=30) as opened:
        yield opened
