"""Wherever a request names a device, a key for some devices must cover it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from itertools import product
from typing import Any

import pytest
from litestar.params import ParameterKwarg
from litestar.routes import HTTPRoute

from service.keys.named import IDS_IN_PATH, IDS_IN_QUERY
from tests.support.http import meter, vehicle
from tests.support.kept_charging import charge, settle_and_keep
from tests.support.keys import bearer, make_key
from tests.support.readings import NOW, Connection, link

ID = {"$ref": "#/components/schemas/DeviceId"}
# one of which is asked for as that one is
IDS = {"$ref": "#/components/schemas/DeviceIds"}
OWN, FOREIGN = "OWN", "FOREIGN"


def is_id(schema: Any) -> bool:
    return schema == IDS or ID in (schema, *schema.get("anyOf", []))


def operations(document: dict[str, Any]) -> Iterator[tuple[str, str, list[tuple[str, str]]]]:
    """Every method and path but ingest, with the places and names of the ids that it takes."""
    for path, item in document["paths"].items():
        for method, operation in item.items():
            if path == "/v1/ingest":
                continue
            ids = [
                (parameter["in"], parameter["name"])
                for parameter in operation.get("parameters", [])
                if is_id(parameter["schema"])
            ]
            for content in operation.get("requestBody", {}).get("content", {}).values():
                name = content["schema"]["$ref"].rpartition("/")[2]
                fields = document["components"]["schemas"][name]["properties"]
                ids += [("body", field) for field, schema in fields.items() if is_id(schema)]
            yield method, path, ids


def ask(client: Any, key: str, method: str, path: str, ids: dict[tuple[str, str], str]) -> Any:
    parts: dict[str, dict[str, str]] = {"path": {}, "query": {}, "body": {}}
    for (place, name), value in ids.items():
        parts[place][name] = value
    return client.request(
        method.upper(),
        path.format(**parts["path"]),
        params=parts["query"],
        headers=bearer(key),
        **({"json": parts["body"]} if method in ("put", "post") else {}),
    )


@pytest.fixture
def document(client: Any) -> dict[str, Any]:
    return client.get("/docs/openapi.json").json()


def test_a_foreign_id_is_refused_in_each_place_where_one_may_stand(
    client: Any, document: dict[str, Any], database_url: str, connection: Connection
) -> None:
    link(connection, FOREIGN, OWN)
    link(connection, OWN, FOREIGN)
    key = make_key(database_url, "admin", devices=[OWN])
    tried: set[tuple[str, str]] = set()
    for method, path, ids in operations(document):
        for foreign in ids:
            required = [one for one in ids if one[0] != "query"]
            # alone, and beside one that is its own in every other place
            for others in (required, ids):
                named = {**dict.fromkeys(others, OWN), foreign: FOREIGN}
                answer = ask(client, key, method, path, named)
                assert answer.status_code == 403, (method, path, named)
                told = answer.json()
                assert FOREIGN not in str([told.get("links"), told.get("sessions")])
            tried.add((path, foreign[1]))
    assert tried >= {
        ("/v1/links/{vehicle_id}", "meterId"),
        ("/v1/links/{vehicle_id}", "vehicle_id"),
        ("/v1/links", "vehicleId"),
        ("/v1/links", "meterId"),
        ("/v1/links", "after"),
        ("/v1/meters", "after"),
        ("/v1/meters/{meter_id}", "meter_id"),
        ("/v1/analytics/performance/{vehicle_id}/hourly", "vehicle_id"),
        ("/v1/analytics/meters/{meter_id}", "meter_id"),
        ("/v1/sessions", "vehicle"),
        ("/v1/sessions", "meter"),
    }
    assert connection.execute("SELECT count(*) FROM telemetry.charging_link").fetchone() == (2,)


def test_where_a_list_goes_on_is_no_device_that_it_is_about(
    client: Any, document: dict[str, Any], database_url: str, connection: Connection
) -> None:
    client.post("/v1/ingest", json=[meter(FOREIGN), vehicle(FOREIGN)], headers=bearer())
    link(connection, FOREIGN, FOREIGN)
    key = make_key(database_url, "admin", devices=[OWN])
    tried = set()
    for method, path, ids in operations(document):
        if ("query", "after") in ids:
            answer = ask(client, key, method, path, {("query", "after"): OWN})
            assert answer.status_code == 403, path
            tried.add(path)
    assert tried >= {"/v1/links", "/v1/meters", "/v1/vehicles", "/v1/analytics/fleet"}


def test_every_id_that_a_route_takes_is_declared_with_its_side(
    client: Any, document: dict[str, Any]
) -> None:
    documented = {
        (path, name)
        for _, path, ids in operations(document)
        for place, name in ids
        if place != "body"
    }
    declared: set[tuple[str, str]] = set()
    for route in client.app_routes:
        if not isinstance(route, HTTPRoute):
            continue
        for handler in route.route_handlers:
            for name, field in handler.parsed_fn_signature.parameters.items():
                kind = field.kwarg_definition
                if isinstance(kind, IDS_IN_PATH + IDS_IN_QUERY):
                    declared.add((route.path.replace(":str", ""), kind.name or name))
                elif isinstance(kind, ParameterKwarg):
                    called = f"{kind.name or name}".lower()
                    # what a browser sends back of a stream of events is of no device
                    other = called in ("valid", "last-event-id")
                    assert other or not called.endswith("id"), (route.path, called)
    assert declared == documented
    assert len(declared) >= 10


def test_of_several_ids_of_one_name_each_counts(client: Any, database_url: str) -> None:
    key = make_key(database_url, "read", devices=[OWN])
    for first, second in product((OWN, FOREIGN), repeat=2):
        answer = client.get(f"/v1/links?meterId={first}&meterId={second}", headers=bearer(key))
        assert (answer.status_code == 403) is (FOREIGN in (first, second))


def test_a_vehicle_is_not_linked_to_a_foreign_meter(
    client: Any, database_url: str, connection: Connection
) -> None:
    client.post("/v1/ingest", json=[meter("M-9"), vehicle("SPY")], headers=bearer())
    key = make_key(database_url, "admin", devices=["SPY"])
    answer = client.put("/v1/links/SPY", json={"meterId": "M-9"}, headers=bearer(key))
    assert answer.status_code == 403
    assert 'the meter "M-9"' in answer.json()["detail"]
    found = client.get("/v1/analytics/performance/SPY", headers=bearer(key)).json()
    assert (found["kwhConsumedAc"], found["status"]) == (0, "unlinked")
    # and whoever has that meter links it as ever
    owner = make_key(database_url, "admin", devices=["M-9", "V-9"])
    answer = client.put("/v1/links/V-9", json={"meterId": "M-9"}, headers=bearer(owner))
    assert answer.status_code == 201


def test_a_device_key_lists_the_links_of_which_it_covers_both_ends(
    client: Any, database_url: str, connection: Connection
) -> None:
    link(connection, "V-1", "M-1")
    link(connection, "V-2", "M-2")
    key = make_key(database_url, "read", devices=["V-1", "M-1", "V-2"])
    for params, shown in (
        ({"vehicleId": "V-1"}, ["V-1"]),
        ({"meterId": "M-1"}, ["V-1"]),
        ({"vehicleId": "V-2"}, []),
    ):
        answer = client.get("/v1/links", params=params, headers=bearer(key))
        assert [one["vehicleId"] for one in answer.json()["links"]] == shown
    assert client.get("/v1/links", headers=bearer(key)).status_code == 403


def test_a_device_key_is_shown_the_sessions_and_vehicles_that_it_covers(
    client: Any, database_url: str, connection: Connection
) -> None:
    begin = NOW - timedelta(hours=6)
    for number, (meter_id, vehicle_id) in enumerate(
        (("M-1", "V-1"), ("M-1", "V-9"), ("M-9", "V-1"), ("M-1", "V-1"))
    ):
        since = begin + number * timedelta(hours=1)
        link(connection, vehicle_id, meter_id, since, since + timedelta(hours=1))
        charge(connection, since, 40, meter_id=meter_id, vehicle_id=vehicle_id)
    # and one of no vehicle
    charge(connection, begin + timedelta(hours=5), 40, meter_id="M-1", vehicle_id="V-8")
    settle_and_keep(connection)

    def pairs(headers: Any, **params: str) -> list[tuple[str, str | None]]:
        found = client.get("/v1/sessions", params=params, headers=headers).json()["sessions"]
        return [(one["meterId"], one["vehicleId"]) for one in found]

    def charged(headers: Any) -> tuple[list[str], float]:
        found = client.get("/v1/analytics/meters/M-1", headers=headers).json()
        return [one["vehicleId"] for one in found["vehicles"]], found["kwhActiveAc"]

    own = bearer(make_key(database_url, "read", devices=["V-1", "M-1"]))
    assert pairs(own, vehicle="V-1") == [("M-1", "V-1")] * 2
    assert pairs(own, meter="M-1") == [("M-1", "V-1")] * 2 + [("M-1", None)]
    assert pairs(bearer(), vehicle="V-1") == [("M-1", "V-1"), ("M-9", "V-1"), ("M-1", "V-1")]
    # what others drew there is part of the charger's answer, and not who they are
    assert charged(own) == (["V-1"], 14.4)
    assert charged(bearer()) == (["V-1", "V-9"], 14.4)


def test_a_device_key_changes_no_link_of_another_device(
    client: Any, database_url: str, connection: Connection
) -> None:
    link(connection, "V-1", "M-9")
    key = make_key(database_url, "admin", devices=["V-1", "M-1"])
    body = {"meterId": "M-1", "replace": True}
    for answer in (
        client.delete("/v1/links/V-1", headers=bearer(key)),
        client.delete("/v1/links/V-1", params={"remove": "true"}, headers=bearer(key)),
        client.put("/v1/links/V-1", json=body, headers=bearer(key)),
    ):
        assert answer.status_code == 403
        assert "M-9" not in answer.text
    assert connection.execute("SELECT count(*) FROM telemetry.charging_link").fetchone() == (1,)


def test_the_history_of_links_has_the_key_of_each_change(
    client: Any, database_url: str, connection: Connection
) -> None:
    keys = [make_key(database_url, "admin", devices=devices) for devices in (None, ["V-*", "M-*"])]
    for key in keys:
        answer = client.put(
            "/v1/links/V-1", json={"meterId": "M-1", "replace": True}, headers=bearer(key)
        )
        assert answer.status_code in (200, 201)
        answer = client.delete("/v1/links/V-1", params={"remove": "true"}, headers=bearer(key))
        assert answer.json()["removed"] is True
    rows = connection.execute(
        "SELECT h.login, h.key_id, h.change FROM ops.link_history AS h ORDER BY h.change_id"
    ).fetchall()
    assert rows == [
        ("wattledger_service", key.split("_")[1], change)
        for key in keys
        for change in ("put", "removed")
    ]
