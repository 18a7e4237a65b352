"""A key for some devices speaks for those, and for no others."""

from __future__ import annotations

import time
from typing import Any

import pytest

from tests.keys.conftest import CACHE_SECONDS
from tests.support.http import meter, vehicle
from tests.support.keys import bearer, make_key
from tests.support.readings import Connection


def post(client: Any, key: str, *readings: dict[str, Any]) -> Any:
    return client.post("/v1/ingest", json=list(readings), headers=bearer(key))


def test_a_device_key_posts_its_own_readings_only(
    client: Any, connection: Connection, database_url: str
) -> None:
    key = make_key(database_url, "ingest", devices=["M-1"])
    assert post(client, key, meter("M-1")).status_code == 201
    for others in ([meter("M-2")], [meter("M-1"), meter("M-2")], [vehicle("V-1")]):
        answer = post(client, key, *others)
        assert answer.status_code == 403
        assert "nothing of this request was done" in answer.json()["detail"]
    assert connection.execute("SELECT meter_id FROM telemetry.meter_reading").fetchall() == [
        ("M-1",)
    ]


def test_a_pattern_covers_all_ids_that_it_matches(client: Any, database_url: str) -> None:
    key = make_key(database_url, "ingest read", devices=["site_7-*", "V%-1"])
    assert post(client, key, meter("site_7-A"), vehicle("V%-1")).status_code == 201
    for other in ("siteX7-A", "site_8-A", "Vx-1", "a-site_7-A"):
        answer = post(client, key, meter(other))
        assert (answer.status_code, other in answer.json()["detail"]) == (403, True)


def test_a_fleets_key_follows_the_fleet(
    client: Any, connection: Connection, database_url: str
) -> None:
    connection.execute("SELECT ops.set_fleet('north', ARRAY['N-*'])")
    key = make_key(database_url, "ingest", fleet="north")
    assert post(client, key, meter("N-1")).status_code == 201
    assert post(client, key, meter("S-1")).status_code == 403
    connection.execute("SELECT ops.set_fleet('north', ARRAY['S-*'])")
    time.sleep(CACHE_SECONDS)
    assert post(client, key, meter("S-1")).status_code == 201
    assert post(client, key, meter("N-1")).status_code == 403


def test_both_limits_of_a_key_must_allow_a_device(
    client: Any, connection: Connection, database_url: str
) -> None:
    connection.execute("SELECT ops.set_fleet('north', ARRAY['N-*'])")
    key = make_key(database_url, "ingest", fleet="north", devices=["*-1"])
    assert post(client, key, meter("N-1")).status_code == 201
    assert post(client, key, meter("N-2")).status_code == 403
    assert post(client, key, meter("S-1")).status_code == 403


@pytest.mark.parametrize(
    "path",
    [
        "/v1/{kind}s/{id}",
        "/v1/analytics/performance/{id}",
        "/v1/analytics/meters/{id}",
        "/v1/sessions?vehicle={id}",
        "/v1/sessions?meter={id}",
        "/v1/links/{id}",
    ],
)
def test_a_device_key_reads_its_own_device_only(client: Any, database_url: str, path: str) -> None:
    key = make_key(database_url, "admin", devices=["V-1"])
    post(client, key, vehicle("V-1"))
    method = "DELETE" if "links" in path else "GET"
    for device_id, allowed in (("V-1", True), ("V-2", False)):
        answer = client.request(
            method, path.format(kind="vehicle", id=device_id), headers=bearer(key)
        )
        assert (answer.status_code == 403) is not allowed
        assert answer.status_code in (200, 403, 404)


@pytest.mark.parametrize(
    "path",
    ["/v1/meters", "/v1/vehicles", "/v1/links", "/v1/analytics/fleet", "/v1/sessions"],
)
def test_a_device_key_gets_no_answer_for_all_devices(
    client: Any, database_url: str, path: str
) -> None:
    key = make_key(database_url, "admin", devices=["*"])
    answer = client.get(path, headers=bearer(key))
    assert answer.status_code == 403
    assert "for some devices only" in answer.json()["detail"]
