"""HEAD answers as GET does, without the body, on every path and whatever GET answers."""

from __future__ import annotations

import re

import httpx
import pytest
from litestar.routes import HTTPRoute

from service.app import create_app
from service.settings import Settings
from tests.http.running import running
from tests.service.test_reads import text
from tests.support.http import meter, vehicle
from tests.support.in_process import Peer
from tests.support.keys import bearer
from tests.support.readings import NOW

KEY = f"Authorization: {bearer()['Authorization']}\r\n"
ASSETS = "/docs/assets"
IDS = {"vehicle_id": "V-1", "meter_id": "M-1"}
# what is asked of those that answer nothing without
_HOUR = f"?hour={text(NOW)}"
ASKED = {
    "/v1/reports/month": "?meter=M-1&month=2026-01&zone=UTC",
    "/v1/explain/meters/M-1": _HOUR,
    "/v1/explain/vehicles/V-1": _HOUR,
}


def paths() -> list[str]:
    """Every path of the route table that has GET, with ids that are stored."""
    app = create_app("postgresql://nobody@127.0.0.1:1/none", Settings())
    found = {
        re.sub(r"\{(\w+):\w+\}", lambda match: IDS.get(match[1], "x"), route.path)
        for route in app.routes
        if isinstance(route, HTTPRoute) and "GET" in route.methods
    }
    found.add(f"{ASSETS}/swagger-ui.css")
    # what has no end is tried in tests/page
    found -= {ASSETS, "/v1/events"}
    return sorted(path for path in found if not path.endswith("/x"))


PATHS = paths()


def ask(peer: Peer, method: str, target: str, key: str = KEY) -> None:
    peer.send(f"{method} {target} HTTP/1.1\r\nHost: x\r\n{key}\r\n".encode())


def assert_alike(peer: Peer, target: str, key: str = KEY) -> int:
    """Assert that GET and HEAD answer alike, one without a body; return the status."""
    ask(peer, "GET", target, key)
    status, headers, body = peer.answer()
    assert len(body) == int(headers["content-length"])
    ask(peer, "HEAD", target, key)
    # what follows on the connection tells that there was no body
    ask(peer, "GET", "/health/live")
    assert headers.pop("x-request-id")
    told, its_headers = peer.head()
    assert its_headers.pop("x-request-id")
    # of what has a time in it, the length may change from one second to the next; of counters too
    if target.startswith(("/v1/analytics", "/metrics")):
        assert headers.pop("content-length")
        assert its_headers.pop("content-length")
    assert headers.pop("date", None) is None or its_headers.pop("date")
    assert (told, its_headers) == (status, headers)
    assert peer.answer()[0] == 200
    return status


@pytest.fixture(scope="module", autouse=True)
def stored(http: httpx.Client) -> None:
    assert http.post("/v1/ingest", json=[meter(), vehicle()]).status_code == 201
    for device in ("meters/M-1", "vehicles/V-1"):
        assert http.put(f"/v1/devices/{device}", json={"site": "Depot"}).status_code == 200


def test_the_paths_are_all_that_are_read() -> None:
    assert {"/health/live", "/health/ready", "/docs", "/docs/openapi.json"} <= set(PATHS)
    assert {"/v1/meters", "/v1/vehicles/V-1", "/v1/links", "/v1/analytics/fleet"} <= set(PATHS)


@pytest.mark.parametrize("target", PATHS)
def test_head_answers_as_get_does_without_the_body(service_peer: Peer, target: str) -> None:
    assert assert_alike(service_peer, target + ASKED.get(target, "")) == 200


@pytest.mark.parametrize(
    ("target", "status"),
    [
        ("/v1/meters/unknown", 404),
        ("/nothing", 404),
        ("/docs/nothing", 404),
        (f"{ASSETS}/nothing.css", 404),
        ("/v1/meters?limit=0", 400),
        ("/v1/meters/%FF", 400),
        ("/v1/meters?after=" + "a" * 9000, 414),
        ("/v1/ingest", 405),
        ("/v1/links/V-1", 405),
    ],
)
def test_head_has_the_errors_of_get(service_peer: Peer, target: str, status: int) -> None:
    assert assert_alike(service_peer, target) == status


@pytest.mark.parametrize("target", ["/v1/meters", "/v1/ingest"])
def test_head_needs_a_key_where_get_does(service_peer: Peer, target: str) -> None:
    assert assert_alike(service_peer, target, key="") == 401


@pytest.mark.parametrize("method", ["OPTIONS", "PATCH"])
def test_allow_names_head_exactly_where_get_is(http: httpx.Client, method: str) -> None:
    for path in {*PATHS, "/v1/links/V-1", "/v1/ingest"} - {f"{ASSETS}/swagger-ui.css"}:
        answer = http.request(method, path)
        allowed = answer.headers["allow"].split(", ")
        assert ("HEAD" in allowed) == ("GET" in allowed) == (path in PATHS)
        if answer.status_code == 405 and path != "/v1/ingest":
            assert answer.json()["detail"].endswith(f": {', '.join(allowed)} do")


def test_the_access_log_says_head(service_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with running(service_url, monkeypatch) as service, Peer(service.port) as peer:
        ask(peer, "HEAD", "/health/live")
        assert peer.head()[0] == 200
        assert any("HEAD /health/live 200" in line for line in service.lines())
