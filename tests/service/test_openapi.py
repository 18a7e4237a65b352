"""The OpenAPI document is valid, its examples too, and its page needs no internet."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import jsonschema
import openapi_spec_validator
import pytest
from litestar.routes import HTTPRoute


@pytest.fixture
def document(client: Any) -> dict[str, Any]:
    return client.get("/docs/openapi.json").json()


def examples(node: Any) -> Iterator[tuple[dict[str, Any], Any]]:
    """Every schema that has examples, with each of them."""
    if isinstance(node, dict):
        if isinstance(node.get("examples"), list):
            yield from ((node, value) for value in node["examples"])
        if isinstance(node.get("examples"), dict) and "schema" in node:
            yield from ((node["schema"], e["value"]) for e in node["examples"].values())
        for child in node.values():
            yield from examples(child)
    elif isinstance(node, list):
        for child in node:
            yield from examples(child)


def test_the_document_is_valid_openapi(document: dict[str, Any]) -> None:
    openapi_spec_validator.validate(document)


def test_every_example_validates_against_its_schema(document: dict[str, Any]) -> None:
    found = list(examples(document))
    assert len(found) >= 8
    for schema, value in found:
        jsonschema.validate(value, {**schema, "components": document["components"]})


def test_every_route_is_in_the_document(client: Any, document: dict[str, Any]) -> None:
    routes = {
        re.sub(r":\w+}", "}", route.path)
        for route in client.app.routes
        if isinstance(route, HTTPRoute) and not route.path.startswith("/docs")
    }
    assert set(document["paths"]) == routes | {"/v1/ingest"}


def test_the_posted_examples_are_accepted_by_the_service(
    client: Any, document: dict[str, Any]
) -> None:
    body = document["paths"]["/v1/ingest"]["post"]["requestBody"]
    for example in body["content"]["application/json"]["examples"].values():
        answer = client.post("/v1/ingest", json=example["value"])
        # their times are fixed, so they grow older than the retention
        reasons = {r["reason"] for r in answer.json().get("rejected", [])}
        assert answer.status_code in (201, 400)
        assert reasons <= {"too_old"}


def test_the_page_loads_nothing_from_elsewhere(client: Any) -> None:
    page = client.get("/docs")
    assert page.status_code == 200
    sources = re.findall(r'(?:src|href)="([^"]+)"', page.text)
    assert sources
    for source in sources:
        assert source.startswith(("/docs/assets/", "data:"))
        if source.startswith("/"):
            assert client.get(source).status_code == 200
