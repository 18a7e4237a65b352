"""Every route but health and the documentation refuses whoever has no key for it."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from litestar.routes import ASGIRoute, HTTPRoute

from tests.keys.conftest import CACHE_SECONDS
from tests.support.http import meter
from tests.support.keys import bearer, key_id, make_key
from tests.support.readings import Connection

# all that is open; a new route that is not meant to be must not end up here
OPEN = re.compile(r"/|/assets/.*|/health/(live|ready|reads)|/docs(/.*)?")
# whose answer to GET has no end
ENDLESS = "/v1/events"
OPEN_METHODS = {("POST", "/session"), ("DELETE", "/session")}
WRONG_SCOPE = {"ingest": "read", "read": "ingest", "metrics": "read", "admin": "read"}


def routes(client: Any) -> Iterator[tuple[str, str]]:
    """Every method and path that the application answers, with something in place of parameters."""
    for route in client.app_routes:
        path = re.sub(r"{[^}]*}", "X-1", route.path)
        if isinstance(route, HTTPRoute):
            yield from ((method, path) for method in route.methods - {"OPTIONS", "HEAD"})
        elif isinstance(route, ASGIRoute):
            yield "POST", path


def closed_routes(client: Any) -> list[tuple[str, str]]:
    return [
        (method, path)
        for method, path in routes(client)
        if not OPEN.fullmatch(path) and (method, path) not in OPEN_METHODS
    ]


def scope_of(method: str, path: str) -> str:
    if path == "/v1/ingest":
        return "ingest"
    if path == "/metrics":
        return "metrics"
    return "read" if method == "GET" else "admin"


def answer_to(client: Any, method: str, path: str, headers: Any = None) -> Any:
    if path == ENDLESS:
        answer = client.head(path, headers=headers)
        if answer.status_code < 400:
            return answer
    body = {"json": meter()} if method in ("POST", "PUT") else {}
    return client.request(method, path, headers=headers, **body)


def test_the_closed_routes_are_all_of_the_api(client: Any) -> None:
    found = closed_routes(client)
    assert ("POST", "/v1/ingest") in found
    assert {path for _, path in found} >= {
        "/v1/meters",
        "/v1/vehicles/X-1",
        "/v1/links/X-1",
        "/v1/analytics/fleet",
        "/v1/analytics/performance/X-1/hourly",
        "/v1/analytics/meters/X-1",
        "/v1/sessions",
    }
    assert len(found) >= 13


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Authorization": ""},
        {"Authorization": "Bearer"},
        {"Authorization": "Basic d2w6d2w="},
        {"Authorization": "Bearer wl_0123456789ab_short"},
        {"Authorization": "Bearer " + "wl_0123456789ab_" + "0" * 65},
        {"Authorization": "wl_0123456789ab_" + "0" * 64},
        {"Authorization": "Bearer wl_0123456789ab_" + "0" * 64},
        {"Authorization": "Bearer wl_0123456789ab_" + "0" * 63 + "\u00e9"},
    ],
)
def test_every_route_refuses_a_missing_malformed_or_unknown_key(
    client: Any, headers: dict[str, str]
) -> None:
    raw = [(name.encode(), value.encode("latin-1")) for name, value in headers.items()]
    for method, path in closed_routes(client):
        answer = answer_to(client, method, path, raw)
        assert answer.status_code == 401, (method, path)
        assert answer.headers["www-authenticate"] == "Bearer"
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.json()["hint"]


def test_every_route_refuses_two_keys_at_once(client: Any) -> None:
    header = ("Authorization", bearer()["Authorization"])
    for method, path in closed_routes(client):
        assert answer_to(client, method, path, [header, header]).status_code == 401


def test_every_route_refuses_a_good_id_with_another_keys_secret(
    client: Any, database_url: str
) -> None:
    one, other = (make_key(database_url) for _ in range(2))
    mixed = f"wl_{key_id(one)}_{other.split('_')[2]}"
    for method, path in closed_routes(client):
        answer = answer_to(client, method, path, bearer(mixed))
        assert (answer.status_code, answer.json()["detail"]) == (401, "the API key is not known")


@pytest.mark.slow
def test_every_route_refuses_a_revoked_key_within_the_stated_time(
    client: Any, connection: Connection, database_url: str
) -> None:
    for method, path in closed_routes(client):
        key = make_key(database_url)
        assert answer_to(client, method, path, bearer(key)).status_code not in (401, 403)
        connection.execute("SELECT ops.revoke_key(%s)", [key_id(key)])
        time.sleep(CACHE_SECONDS)
        answer = answer_to(client, method, path, bearer(key))
        assert (answer.status_code, answer.json()["detail"]) == (401, "the API key was revoked")


# not by forgetting the key in time
@pytest.mark.parametrize("cache_seconds", [600.0])
def test_every_route_refuses_an_expired_key_at_once(
    client: Any, connection: Connection, database_url: str
) -> None:
    keys = {route: make_key(database_url) for route in closed_routes(client)}
    # on a busy machine all first answers may take longer than the keys last: then they last longer
    for seconds in (2, 10, 60):
        connection.execute(
            "UPDATE telemetry.api_key SET expires_at = clock_timestamp() + %s"
            " WHERE key_id = ANY (%s)",
            [timedelta(seconds=seconds), [key_id(key) for key in keys.values()]],
        )
        first = {
            route: answer_to(client, *route, bearer(key)).status_code for route, key in keys.items()
        }
        if not has_expired(connection):
            break
    assert {route for route, status in first.items() if status in (401, 403)} == set()
    while not has_expired(connection):
        time.sleep(0.05)
    deadline = time.monotonic() + 30
    for route, key in keys.items():
        # the service's clock started when the answer about the key came, which was a little later
        while (answer := answer_to(client, *route, bearer(key))).status_code != 401:
            assert time.monotonic() < deadline, route
            time.sleep(0.05)
        assert (answer.status_code, answer.json()["detail"]) == (401, "the API key has expired")


def has_expired(connection: Connection) -> bool:
    return connection.execute(
        "SELECT min(k.expires_at) <= clock_timestamp() FROM telemetry.api_key AS k"
    ).fetchone() == (True,)


def test_every_route_refuses_a_key_of_another_scope_and_takes_one_of_its_own(
    client: Any, database_url: str
) -> None:
    keys = {scope: make_key(database_url, scope) for scope in WRONG_SCOPE}
    for method, path in closed_routes(client):
        scope = scope_of(method, path)
        answer = answer_to(client, method, path, bearer(keys[WRONG_SCOPE[scope]]))
        assert answer.status_code == 403, (method, path)
        assert scope in answer.json()["detail"]
        for good in (scope, "admin"):
            answer = answer_to(client, method, path, bearer(keys[good]))
            assert answer.status_code not in (401, 403), (method, path)


def test_a_key_may_have_two_scopes(client: Any, database_url: str) -> None:
    headers = bearer(make_key(database_url, "ingest read"))
    assert client.post("/v1/ingest", json=meter(), headers=headers).status_code == 201
    assert client.get("/v1/meters", headers=headers).status_code == 200
    assert client.delete("/v1/links/V-1", headers=headers).status_code == 403


def test_health_and_the_documentation_are_open(client: Any) -> None:
    opened = {(method, path) for method, path in routes(client) if OPEN.fullmatch(path)}
    for path in ("/health/live", "/health/ready", "/health/reads", "/docs", "/docs/openapi.json"):
        assert ("GET", path) in opened
        assert client.get(path).status_code == 200


def test_a_refused_request_stores_nothing_not_even_in_quarantine(
    client: Any, connection: Connection, database_url: str
) -> None:
    for headers in ({}, bearer(make_key(database_url, "read"))):
        for body in (meter(), meter(kwhConsumedAc=-1), {"x": 1}):
            assert client.post("/v1/ingest", json=body, headers=headers).status_code in (401, 403)
    counts = connection.execute(
        "SELECT (SELECT count(*) FROM telemetry.meter_reading),"
        " (SELECT count(*) FROM telemetry.quarantine)"
    ).fetchone()
    assert counts == (0, 0)
