"""No answer of the service breaks the OpenAPI document, whatever is sent to any of its routes."""

from __future__ import annotations

import httpx
import pytest

from tests.contract.running import ENDLESS, schemathesis, seed
from tests.support.process import serving

_OPTIONS = ("--no-color", "--generation-deterministic", "--max-examples", "15")


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_no_answer_breaks_the_document(service_url: str) -> None:
    with serving(service_url, "--workers", "1") as service:
        seed(service.url)
        paths = httpx.get(f"{service.url}/docs/openapi.json").json()["paths"]
        status, told = schemathesis(service.url, *_OPTIONS, seconds=300)
    assert status == 0, told[-8000:]
    operations = sum(len(item) for path, item in paths.items() if path != ENDLESS)
    assert operations > 10
    assert f"Tested: {operations}" in told
