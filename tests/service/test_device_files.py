"""The file of a device over HTTP: what people call it, where it is shown, and how it is erased."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from tests.service.test_reads import HOUR, text
from tests.support.http import meter, vehicle
from tests.support.kept_charging import charge, settle_and_keep
from tests.support.keys import bearer, make_key
from tests.support.readings import NOW, Connection, link

METER, VEHICLE = "/v1/devices/meters/M-1", "/v1/devices/vehicles/V-1"
NOTHING = {
    "name": None,
    "site": None,
    "groups": [],
    "plate": None,
    "address": None,
    "note": None,
    "retiredAt": None,
}
SAID = {
    "name": "Käfer",
    "site": "Depot 1",
    "groups": ["north", "vans"],
    "plate": "B-WL 1",
    "address": "Way 1",
    "note": "new",
    "retiredAt": None,
}
PERSONAL = {"name": None, "plate": None, "address": None, "note": None}


@pytest.mark.shares_a_service
@pytest.mark.parametrize(("path", "device_id"), [(METER, "M-1"), (VEHICLE, "V-1")])
def test_a_file_is_put_as_a_whole_as_often_as_one_likes(
    client: Any, path: str, device_id: str
) -> None:
    whole = {"deviceId": device_id, **SAID}
    for groups in (["vans", "north"], ["north", "vans", "north"]):
        answer = client.put(path, json={**SAID, "groups": groups})
        assert (answer.status_code, answer.json()) == (200, whole)
        assert client.get(path).json() == whole
    answer = client.put(path, json={"site": "Depot 2", "retiredAt": text(NOW)})
    shorter = {"deviceId": device_id, **NOTHING, "site": "Depot 2", "retiredAt": text(NOW)}
    assert answer.json() == client.get(path).json() == shorter
    # one that says nothing is none
    assert client.put(path, json={}).json() == {"deviceId": device_id, **NOTHING}
    assert client.get(path).status_code == 404


@pytest.mark.shares_a_service
@pytest.mark.parametrize(("path", "device_id"), [(METER, "M-1"), (VEHICLE, "V-1")])
def test_what_is_personal_is_erased_and_the_rest_stays(
    client: Any, connection: Connection, path: str, device_id: str
) -> None:
    assert client.delete(f"{path}/personal").status_code == 204
    client.put(path, json=SAID)
    for _ in range(2):
        assert client.delete(f"{path}/personal").status_code == 204
    assert client.get(path).json() == {"deviceId": device_id, **SAID, **PERSONAL}
    client.put(path, json={"name": "Käfer"})
    assert client.delete(f"{path}/personal").status_code == 204
    assert client.get(path).status_code == 404
    rows = connection.execute(
        "SELECT FROM telemetry.device_label AS l WHERE l.device_id = %s", [device_id]
    )
    assert rows.fetchall() == []


@pytest.mark.shares_a_service
@pytest.mark.parametrize(
    ("said", "told"),
    [
        ({"name": ""}, '"name"'),
        ({"name": "a" * 201}, '"name"'),
        ({"site": "a\nb"}, "without control characters"),
        ({"note": "a\x00b"}, "without control characters"),
        ({"groups": ["a"] * 21}, '"groups"'),
        ({"groups": [""]}, '"groups'),
        ({"groups": None}, '"groups"'),
        ({"owner": "a"}, "owner"),
        ({"retiredAt": "soon"}, '"retiredAt"'),
        ({"retiredAt": "1999-01-01T00:00:00Z"}, "2000 to 2099"),
    ],
)
def test_what_cannot_be_kept_is_400_and_keeps_nothing(
    client: Any, said: dict[str, Any], told: str
) -> None:
    answer = client.put(METER, json=said)
    assert answer.status_code == 400
    assert told in answer.text.replace('\\"', '"')
    assert client.get(METER).status_code == 404


def test_names_and_sites_are_shown_with_what_they_are_of(
    client: Any, post: Any, connection: Connection
) -> None:
    link(connection, "V-1", "M-1", NOW - 30 * HOUR)
    charge(connection, NOW - 5 * HOUR, 60)
    settle_and_keep(connection)
    connection.execute("SELECT telemetry.start_alert('frozen', 'M-1', '', now(), 'warning')")
    client.put(METER, json={**SAID, "name": "Box 1"})
    client.put(VEHICLE, json={**SAID, "site": "Depot 2"})
    shown = {"name": "Box 1", "site": "Depot 1", "groups": SAID["groups"], "retiredAt": None}
    (of_meter,) = client.get("/v1/meters").json()["meters"]
    (of_vehicle,) = client.get("/v1/vehicles").json()["vehicles"]
    assert shown.items() <= of_meter.items()
    assert {**shown, "name": "Käfer", "site": "Depot 2"}.items() <= of_vehicle.items()
    assert client.get("/v1/meters/M-1").json() == of_meter
    assert client.get("/v1/vehicles/V-1").json() == of_vehicle
    session = client.get("/v1/sessions").json()["sessions"][0]
    told = (session["meterName"], session["vehicleName"], session["site"])
    assert told == ("Box 1", "Käfer", "Depot 1")
    (alert,) = client.get("/v1/alerts").json()["alerts"]
    assert (alert["name"], alert["site"]) == ("Box 1", "Depot 1")
    (one,) = client.get("/v1/analytics/fleet").json()["vehicles"]
    assert (one["name"], one["site"]) == ("Käfer", "Depot 2")


LISTED: list[tuple[dict[str, str], list[str]]] = [
    ({}, ["M-1", "M-2", "M-3"]),
    ({"site": "Depot 1"}, ["M-1", "M-2"]),
    ({"group": "north"}, ["M-2", "M-3"]),
    ({"site": "Depot 1", "group": "north"}, ["M-2"]),
    ({"site": "Depot 2"}, []),
]


def test_lists_are_of_one_site_or_group(client: Any, post: Any) -> None:
    post([meter(f"M-{n}") for n in (1, 2, 3)] + [vehicle(f"V-{n}") for n in (1, 2, 3)])
    files: list[dict[str, Any]] = [
        {"site": "Depot 1"},
        {"site": "Depot 1", "groups": ["north"]},
        {"groups": ["north", "vans"]},
    ]
    for number, said in enumerate(files, 1):
        for side in (f"meters/M-{number}", f"vehicles/V-{number}"):
            assert client.put(f"/v1/devices/{side}", json=said).status_code == 200
    for params, meters in LISTED:
        found = client.get("/v1/meters", params=params).json()["meters"]
        assert [one["meterId"] for one in found] == meters
        found = client.get("/v1/vehicles", params=params).json()["vehicles"]
        assert [one["vehicleId"].replace("V", "M") for one in found] == meters


def test_the_fleet_is_of_one_site(client: Any, connection: Connection) -> None:
    for number in (1, 2):
        link(connection, f"V-{number}", f"M-{number}", NOW - 30 * HOUR)
        charge(
            connection,
            NOW - 5 * HOUR,
            60,
            vehicle_id=f"V-{number}",
            meter_id=f"M-{number}",
        )
    settle_and_keep(connection)
    client.put("/v1/devices/vehicles/V-2", json={"site": "Depot 1"})
    whole = client.get("/v1/analytics/fleet").json()
    found = client.get("/v1/analytics/fleet", params={"site": "Depot 1"}).json()
    assert [one["vehicleId"] for one in found["vehicles"]] == ["V-2"]
    assert (whole["total"]["vehicles"], found["total"]["vehicles"]) == (2, 1)
    assert found["total"]["kwhConsumedAc"] == found["vehicles"][0]["kwhConsumedAc"]
    nobody = client.get("/v1/analytics/fleet", params={"group": "none"}).json()
    assert (nobody["total"]["status"], nobody["vehicles"]) == ("no_data", [])


def test_what_is_retired_is_listed_only_if_it_reports_all_the_same(client: Any, post: Any) -> None:
    post([meter("M-1", NOW - HOUR), vehicle("V-1", NOW - HOUR)])
    for path, field in ((METER, "meters"), (VEHICLE, "vehicles")):
        client.put(path, json={"retiredAt": text(NOW - timedelta(minutes=1))})
        assert client.get(f"/v1/{field}").json()[field] == []
        one = client.get(path.replace("/devices", "")).json()
        assert one["retiredAt"] == text(NOW - timedelta(minutes=1))
    assert post([meter("M-1", NOW), vehicle("V-1", NOW)]).status_code == 201
    for field in ("meters", "vehicles"):
        assert len(client.get(f"/v1/{field}").json()[field]) == 1


def test_a_key_for_some_devices_has_their_files_alone(client: Any, database_url: str) -> None:
    key = bearer(make_key(database_url, "admin", devices=["M-1"]))
    reads = bearer(make_key(database_url, "read", devices=["M-1"]))
    assert client.put(METER, json=SAID, headers=key).status_code == 200
    assert client.put(METER, json=SAID, headers=reads).status_code == 403
    assert client.get(METER, headers=reads).status_code == 200
    assert client.delete(f"{METER}/personal", headers=reads).status_code == 403
    for other in ("/v1/devices/meters/M-2", VEHICLE):
        assert client.put(other, json=SAID, headers=key).status_code == 403
        assert client.get(other, headers=key).status_code == 403
        assert client.delete(f"{other}/personal", headers=key).status_code == 403
