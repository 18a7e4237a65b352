"""Answers that no well-meant request brings about are in the OpenAPI document too."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import jsonschema_rs
import msgspec
import psycopg
import pytest

from service.app import create_app, logged
from service.cli.serve import PROTOCOL
from service.http import connection as bounds
from service.settings import Settings
from tests.support.http import meter, wait_until_ready
from tests.support.in_process import Peer, listening
from tests.support.keys import bearer
from tests.support.readings import Connection
from tests.support.server import Server

BROKEN = """
CREATE FUNCTION telemetry.broken() RETURNS boolean LANGUAGE plpgsql
AS $$ BEGIN RAISE EXCEPTION 'broken'; END $$;
CREATE OR REPLACE FUNCTION api.meter_state(meter_id text)
RETURNS TABLE (
    meter_id text, read_at timestamptz, kind text, energy_kwh numeric, register_kwh numeric,
    session_id text, voltage_v numeric, received_at timestamptz,
    open_events integer, name text, site text, groups text[], retired_at timestamptz
)
LANGUAGE sql SECURITY DEFINER
AS $$ SELECT '', now(), '', 1.0, 1.0, '', 1.0, now(), 0, '', '', ARRAY[''], now()
    WHERE telemetry.broken() $$;
"""
EVERYWHERE = {"400", "405", "408", "414", "431", "500", "503"}
# of all that needs a key
CLOSED = {"401", "403", "429"}


@contextmanager
def service(url: str, **chosen: Any) -> Iterator[tuple[int, httpx.Client]]:
    settings = Settings(**chosen)
    app = logged(create_app(url, settings), settings, io.StringIO())
    with (
        listening(app, PROTOCOL) as port,
        httpx.Client(base_url=f"http://127.0.0.1:{port}", headers=bearer()) as client,
    ):
        wait_until_ready(lambda: client.get("/health/ready").status_code)
        yield port, client


def assert_documented(client: httpx.Client, method: str, path: str, answer: Any) -> dict[str, Any]:
    """Assert that the document has the answer, of an operation: return its body."""
    status, headers, body = answer
    document = client.get("/docs/openapi.json").json()
    described = document["paths"][path][method]["responses"][str(status)]
    schema = described["content"][headers["content-type"]]["schema"]
    found = msgspec.json.decode(body)
    jsonschema_rs.validate({**schema, "components": document["components"]}, found)
    for name, header in described["headers"].items():
        assert not header["required"] or name.lower() in headers, name
    return found


def parts(answer: httpx.Response) -> tuple[int, Any, bytes]:
    return answer.status_code, answer.headers, answer.content


def test_every_operation_has_the_answers_that_any_may_give(http: httpx.Client) -> None:
    paths = http.get("/docs/openapi.json").json()["paths"]
    operations = [(path, method) for path, item in paths.items() for method in item]
    assert len(operations) == 43
    for path, method in operations:
        described = set(paths[path][method]["responses"])
        assert described >= EVERYWHERE, (path, method)
        keyed = set() if path.startswith("/health") else CLOSED
        if (path, method) == ("/session", "delete"):
            keyed = {"403"}
        assert described & CLOSED == keyed, (path, method)
        assert ("404" in described) is ("{" in path)
    assert set(paths["/v1/ingest"]["post"]["responses"]) - EVERYWHERE - CLOSED == {
        "201",
        "202",
        "207",
        "413",
        "415",
    }
    link = set(paths["/v1/links/{vehicle_id}"]["put"]["responses"]) - EVERYWHERE - CLOSED
    assert link == {"200", "201", "404", "409", "413", "415"}


def test_an_error_of_the_service_is_a_documented_500_that_tells_nothing(
    service_url: str, connection: Connection
) -> None:
    with service(service_url) as (_, client):
        connection.execute(BROKEN)
        answer = client.get("/v1/meters/M-1")
        assert answer.status_code == 500
        told = assert_documented(client, "get", "/v1/meters/{meter_id}", parts(answer))
        assert told["detail"] == "an error of the service"
        assert "broken" not in answer.text


def test_a_service_that_is_not_ready_says_so_as_documented(
    service_url: str, connection: Connection
) -> None:
    with service(service_url) as (_, client):
        connection.execute("UPDATE migration.definition_set SET sha256 = 'other'")
        answer = client.get("/health/ready")
        assert answer.status_code == 503
        assert_documented(client, "get", "/health/ready", parts(answer))


def test_a_database_that_is_away_is_503_as_documented(
    service_url: str, database_url: str, database_server: Server
) -> None:
    name = psycopg.conninfo.conninfo_to_dict(database_url)["dbname"]
    with (
        service(service_url) as (_, client),
        psycopg.connect(database_server.url, autocommit=True) as elsewhere,
    ):
        elsewhere.execute(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS false')
        elsewhere.execute(
            "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = %s",
            [name],
        )
        answer = client.get("/v1/meters/M-1", timeout=30)
        assert answer.status_code == 503
        assert_documented(client, "get", "/v1/meters/{meter_id}", parts(answer))
        answer = client.post("/v1/ingest", json=meter(), timeout=30)
        assert answer.status_code == 503
        assert_documented(client, "post", "/v1/ingest", parts(answer))


def test_what_a_connection_refuses_is_documented(
    service_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bounds, "HEAD_SECONDS", 0.3)
    with service(service_url) as (port, client):
        for status, sent in {
            400: b"GET / HTTP/9\r\n\r\n",
            408: b"GET / HTTP/1.1\r\n",
            414: b"GET /v1/meters?%s HTTP/1.1\r\nHost: x\r\n\r\n" % (b"a" * 9000),
            431: b"GET / HTTP/1.1\r\nX: " + b"y" * 70_000,
        }.items():
            with Peer(port) as peer:
                peer.send(sent)
                answer = peer.answer()
            assert answer[0] == status
            assert_documented(client, "get", "/v1/meters", answer)


@pytest.mark.parametrize(
    ("path", "described", "allowed"),
    [
        ("/v1/meters/M-1", "/v1/meters/{meter_id}", {"GET", "HEAD", "OPTIONS"}),
        ("/v1/links/V-1", "/v1/links/{vehicle_id}", {"PUT", "DELETE", "OPTIONS"}),
        ("/v1/ingest", "/v1/ingest", {"POST"}),
    ],
)
def test_another_method_is_405_naming_those_that_do(
    http: httpx.Client, path: str, described: str, allowed: set[str]
) -> None:
    answer = http.request("PATCH", path)
    assert answer.status_code == 405
    assert set(answer.headers["allow"].split(", ")) == allowed
    method = next(iter(http.get("/docs/openapi.json").json()["paths"][described]))
    assert_documented(http, method, described, parts(answer))
    if "OPTIONS" in allowed:
        asked = http.options(path)
        assert (asked.status_code, set(asked.headers["allow"].split(", "))) == (204, allowed)
