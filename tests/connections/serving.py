"""The service with a standby for reads, and what tests ask all its routes."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from math import inf
from typing import Any

import httpx
import msgspec
import psycopg
from litestar import Litestar
from litestar.routes import ASGIRoute, HTTPRoute

from service.app import create_app, logged
from service.cli.serve import PROTOCOL
from service.embedded import Cluster
from service.settings import Settings
from tests.service.test_reads import text
from tests.support.http import meter, vehicle, wait_for, wait_until_ready
from tests.support.in_process import listening
from tests.support.keys import bearer
from tests.support.readings import NOW

SERVICE = "wattledger_service"
SETTINGS = Settings(access_log=False, read_timeout_seconds=5.0)
# a standby soon lags too much
IMPATIENT = msgspec.structs.replace(SETTINGS, standby_lag_seconds=1.0)
IDS = {"vehicle_id": "V-1", "meter_id": "M-1", "file_path": "swagger-ui.css", "number": "1"}
# what is asked of those that answer nothing without
_HOUR = f"?hour={text(NOW)}"
ASKED = {
    "/v1/reports/month": "?meter=M-1&month=2026-01&zone=UTC",
    "/v1/explain/meters/{meter_id:str}": _HOUR,
    "/v1/explain/vehicles/{vehicle_id:str}": _HOUR,
}
_BOOKING = {
    "record": "booking",
    "meterId": "M-1",
    "from": text(NOW - timedelta(minutes=9)),
    "at": text(NOW),
    "energyKwh": 1,
    "reason": "a lamp",
}
# what a method that changes something is sent, in this order, and answers
CHANGES: dict[tuple[str, str], tuple[dict[str, Any], int]] = {
    ("POST", "/v1/ingest"): ({"json": [meter(), vehicle()]}, 201),
    ("POST", "/v1/records"): ({"json": _BOOKING}, 201),
    ("POST", "/v1/records/{number:str}/cancel"): ({"json": {"reason": "none"}}, 201),
    ("PUT", "/v1/devices/meters/{meter_id:str}"): ({"json": {"name": "Box 1", "site": "S"}}, 200),
    ("PUT", "/v1/devices/vehicles/{vehicle_id:str}"): ({"json": {"plate": "P", "site": "S"}}, 200),
    ("PUT", "/v1/links/{vehicle_id:str}"): ({"json": {"meterId": "M-1"}}, 201),
    ("DELETE", "/v1/links/{vehicle_id:str}"): ({}, 200),
    ("DELETE", "/v1/devices/meters/{meter_id:str}/personal"): ({}, 204),
    ("DELETE", "/v1/devices/vehicles/{vehicle_id:str}/personal"): ({}, 204),
    ("POST", "/v1/alerts/{number:str}/acknowledge"): ({}, 200),
}
# a sign-in is kept by the browser alone
SIGN_IN = {("POST", "/session"), ("DELETE", "/session")}
# of no document, or without end
NOT_THERE = {"/v1/events", "/docs/{path:str}", "/docs/assets", "/assets/{version:str}/{name:path}"}
READ_FROM = "wattledger-read-from"


@contextmanager
def serving(
    primary: Cluster, standby: Cluster, settings: Settings = SETTINGS, read_url: str | None = None
) -> Iterator[tuple[Litestar, httpx.Client]]:
    """The service, and a client with a key for everything, who is let in on keep-alive."""
    app = create_app(primary.url(SERVICE), settings, read_url or standby.url(SERVICE))
    with (
        listening(logged(app, settings, io.StringIO()), PROTOCOL) as port,
        httpx.Client(base_url=f"http://127.0.0.1:{port}", headers=bearer(), timeout=60) as client,
    ):
        wait_until_ready(lambda: client.get("/health/reads").status_code)
        yield app, client


def routes(app: Litestar) -> Iterator[tuple[str, str]]:
    """Every method and path of the route table."""
    for route in app.routes:
        if isinstance(route, HTTPRoute):
            yield from ((method, route.path) for method in sorted(route.methods))
        elif isinstance(route, ASGIRoute):
            yield "POST", route.path


def reads(app: Litestar) -> list[str]:
    """The path of every GET that answers with a document."""
    found = sorted(
        path for method, path in routes(app) if method == "GET" and path not in NOT_THERE
    )
    assert len(found) > 10
    return found


def with_ids(path: str) -> str:
    """A path with the ids of what the changes made, and with what it must be asked."""
    found = re.sub(r"\{(\w+):\w+\}", lambda match: IDS.get(match[1], "x"), path)
    return found + ASKED.get(path, "")


def open_alert(primary: Cluster) -> None:
    """See that there is an alert: the one of that number."""
    with psycopg.connect(primary.url(), autocommit=True) as connection:
        connection.execute(
            "SELECT telemetry.start_alert('silent', 'M-1', '', now(), 'warning')"
            " WHERE NOT EXISTS (SELECT FROM telemetry.alert)"
        )


def source(client: httpx.Client) -> str:
    """Which database answered a read."""
    answer = client.get("/v1/meters")
    assert answer.status_code == 200, answer.text
    return answer.headers[READ_FROM].split(";")[0]


def wait_for_source(client: httpx.Client, wanted: str) -> None:
    """Read until that database answers."""
    wait_for(lambda: source(client) == wanted)


def lag_seconds(client: httpx.Client) -> float:
    """The lag that a read tells; infinite where the primary answered."""
    told = client.get("/v1/meters").headers[READ_FROM]
    if told == "primary":
        return inf
    match = re.fullmatch(r"standby; lag=([0-9]+\.[0-9])", told)
    assert match, told
    return float(match[1])
