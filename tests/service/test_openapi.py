"""The OpenAPI document is valid, its examples too, and its page needs no internet."""

from __future__ import annotations

import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import jsonschema_rs
import msgspec
import pytest
from litestar.openapi.spec import OpenAPI
from litestar.routes import HTTPRoute

from service.http.problem import Fault
from service.ingest.answers import (
    AllRefused,
    BufferedPartialReceipt,
    BufferedReceipt,
    PartialReceipt,
    Receipt,
)
from service.openapi import document as openapi_document
from service.wire import Refusal

FORMS = {
    "MeterReading": "kwhConsumedAc",
    "MeterRegister": "kwhTotalAc",
    "MeterSessionCounter": "kwhSessionAc",
    "VehicleReading": "kwhDeliveredDc",
    "VehicleRegister": "kwhTotalDc",
    "VehicleSessionCounter": "kwhSessionDc",
    "GenericReading": "value1",
}


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


def test_the_document_is_made_once_and_not_before_it_is_asked_for(
    client: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[OpenAPI] = []
    complete = openapi_document.complete
    monkeypatch.setattr(openapi_document, "complete", lambda it: (made.append(it), complete(it)))
    client.get("/health/ready")
    assert made == []
    with ThreadPoolExecutor(8) as several:
        answers = list(several.map(client.get, ["/docs", "/docs/openapi.json"] * 4))
    assert len(made) == 1
    assert len({answer.content for answer in answers}) == 2


def test_the_document_is_valid_openapi(document: dict[str, Any]) -> None:
    # half a second, which nobody else has to wait for
    import openapi_spec_validator

    openapi_spec_validator.validate(document)


def test_every_example_validates_against_its_schema(document: dict[str, Any]) -> None:
    found = list(examples(document))
    assert len(found) >= 8
    for schema, value in found:
        jsonschema_rs.validate({**schema, "components": document["components"]}, value)


def test_every_route_is_in_the_document(client: Any, document: dict[str, Any]) -> None:
    routes = {
        re.sub(r":\w+}", "}", route.path)
        for route in client.app.routes
        if isinstance(route, HTTPRoute) and not re.match("/(docs|assets|$)", route.path)
    }
    assert set(document["paths"]) == routes | {"/v1/ingest"}


def test_a_parameter_or_field_of_a_request_refers_to_the_shape_that_it_has(
    document: dict[str, Any],
) -> None:
    shapes = {
        "Moment": {"from", "to", "at", "afterFrom"},
        "DeviceId": {"meter_id", "vehicle_id", "meterId", "vehicleId", "id"},
        "SessionId": {"session"},
    }
    found: dict[str, list[Any]] = {}
    for item in document["paths"].values():
        for operation in item.values():
            for parameter in operation.get("parameters", []):
                found.setdefault(parameter["name"], []).append(parameter["schema"])
    for form in ("NewLink", *FORMS):
        for name, schema in document["components"]["schemas"][form]["properties"].items():
            # of a reading it is what `timestamp` is
            if (form, name) != ("NewLink", "from") and name == "from":
                continue
            found.setdefault(name, []).append(schema.get("anyOf", [schema])[0])
    for shape, names in shapes.items():
        schemas = [schema for name in names for schema in found[name]]
        assert len(schemas) > len(names)
        assert all(s == {"$ref": f"#/components/schemas/{shape}"} for s in schemas), schemas


def test_a_measurement_has_its_bounds_in_the_database_alone(document: dict[str, Any]) -> None:
    schemas = document["components"]["schemas"]
    for form in FORMS:
        numbers = {
            name: schema
            for name, schema in schemas[form]["properties"].items()
            if {"type": "number"} in schema.get("anyOf", [{"type": schema.get("type")}])
        }
        assert len(numbers) >= 2
        for name, schema in numbers.items():
            assert not {"minimum", "maximum"} & set(schema), name
            assert name == "value2" or "ops.limits" in schema["description"], name


def test_a_reading_of_the_document_has_exactly_one_form(document: dict[str, Any]) -> None:
    schema = {"$ref": "#/components/schemas/Reading", "components": document["components"]}
    found = document["components"]["schemas"]
    assert [one["$ref"].rpartition("/")[2] for one in found["Reading"]["oneOf"]] == list(FORMS)
    for form, energy in FORMS.items():
        [example] = found[form]["examples"]
        jsonschema_rs.validate(schema, example)
        other = "kwhTotalDc" if "Dc" in energy else "kwhTotalAc"
        for spoilt in (
            {name: value for name, value in example.items() if name != energy},
            {**example, ("kwhSessionDc" if energy == other else other): 1.0},
            {**example, "session": 17},
            {**example, "session": "a\0"},
        ):
            with pytest.raises(jsonschema_rs.ValidationError):
                jsonschema_rs.validate(schema, spoilt)
        differs = energy in ("kwhConsumedAc", "kwhDeliveredDc", "value1")
        assert ("from" in found[form]["properties"]) is differs
        assert ("session" in found[form]["required"]) is ("Session" in energy)


def test_an_answer_of_the_structs_is_one_of_the_document(document: dict[str, Any]) -> None:
    refused = Refusal(0, "future", "its time has not come")
    for answer in (
        Receipt(1, 2),
        PartialReceipt(0, 1, [refused]),
        BufferedReceipt(1),
        BufferedPartialReceipt(0, [refused]),
        AllRefused(title="Bad Request", status=400, detail="all", rejected=[refused]),
        Fault(503, "away").document(),
        Fault(409, "elsewhere", "Send it with replace.").document(),
    ):
        name = type(answer).__name__
        schema = {"$ref": f"#/components/schemas/{name}", "components": document["components"]}
        jsonschema_rs.validate(schema, msgspec.to_builtins(answer))
        with pytest.raises(jsonschema_rs.ValidationError):
            jsonschema_rs.validate(schema, {**msgspec.to_builtins(answer), "more": 1})


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
