"""Alerts over HTTP: listed, looked at, and taken on."""

from __future__ import annotations

from typing import Any

from tests.support.alerts import degraded, frozen, good, judge, keep, new_names
from tests.support.keys import bearer, key_id, make_key, the_key
from tests.support.readings import Connection


def opened(connection: Connection) -> tuple[str, str]:
    """A meter that is degraded, and a vehicle whose counter stands still."""
    m, n, v, w = new_names("M", "N", "V", "W")
    keep(connection, *(degraded(m, v, 0), degraded(m, v, 10)))
    keep(connection, *(frozen("vehicle", n, w, 0), frozen("vehicle", n, w, 10)))
    judge(connection)
    return m, w


def listed(client: Any, **asked: Any) -> list[dict[str, Any]]:
    answer = client.get("/v1/alerts", params=asked)
    assert answer.status_code == 200, answer.text
    return answer.json()["alerts"]


def test_open_alerts_are_listed_the_newest_first(client: Any, connection: Connection) -> None:
    meter, vehicle = opened(connection)
    found = {one["kind"]: one for one in listed(client)}
    assert found.keys() == {"degraded", "frozen"}
    assert (found["degraded"]["meterId"], found["degraded"]["vehicleId"]) == (meter, None)
    assert (found["frozen"]["meterId"], found["frozen"]["vehicleId"]) == (None, vehicle)
    assert (found["degraded"]["charges"], found["degraded"]["state"]) == (2, "open")
    numbers = [one["alertId"] for one in listed(client)]
    assert numbers == sorted(numbers, reverse=True)


def test_they_are_filtered_and_paged(client: Any, connection: Connection) -> None:
    meter, vehicle = opened(connection)
    for asked, kinds in (
        ({"kind": "frozen"}, ["frozen"]),
        ({"meter": meter}, ["degraded"]),
        ({"vehicle": vehicle}, ["frozen"]),
        ({"severity": "critical"}, []),
        ({"state": "closed"}, []),
        ({"since": "2100-01-01T00:00:00Z"}, []),
    ):
        assert [one["kind"] for one in listed(client, **asked)] == kinds, asked
    first = client.get("/v1/alerts", params={"limit": 1, "state": "all"}).json()
    second = client.get(
        "/v1/alerts", params={"limit": 1, "state": "all", "after": first["next"]}
    ).json()
    assert second["next"] is None
    assert len({one["alertId"] for one in (*first["alerts"], *second["alerts"])}) == 2
    for wrong in ({"kind": "sad"}, {"state": "ajar"}, {"after": "sessions/WzFd"}):
        assert client.get("/v1/alerts", params=wrong).status_code == 400


def test_one_is_shown_with_its_charges_and_changes(client: Any, connection: Connection) -> None:
    meter, _ = opened(connection)
    (one,) = listed(client, meter=meter)
    whole = client.get(f"/v1/alerts/{one['alertId']}").json()
    assert whole["alert"] == one
    assert len(whole["charges"]) == one["charges"]
    assert sum(charge["lostKwh"] for charge in whole["charges"]) == one["lostKwh"]
    (change,) = whole["changes"]
    assert (change["change"], change["changedBy"]) == ("opened", None)
    assert change["known"]["since"] == one["since"]
    assert (change["known"]["charges"], change["known"]["lostKwh"]) == (2, one["lostKwh"])


def test_who_takes_it_on_first_stays_and_closed_ones_can_be(
    client: Any, connection: Connection
) -> None:
    meter, _ = opened(connection)
    (one,) = listed(client, meter=meter)
    path = f"/v1/alerts/{one['alertId']}/acknowledge"
    taken = client.post(path)
    assert taken.status_code == 200
    assert taken.json()["acknowledgedBy"] == key_id(the_key())
    assert client.post(path).json() == taken.json()
    whole = client.get(f"/v1/alerts/{one['alertId']}").json()
    assert [change["change"] for change in whole["changes"]] == ["opened", "acknowledged"]
    keep(connection, *(good(meter, "V", 20 + n) for n in range(3)))
    judge(connection)
    (closed,) = listed(client, meter=meter, state="closed")
    assert (closed["closedBecause"], closed["charges"]) == ("good", 2)
    assert client.post(path).status_code == 200


def test_what_is_not_there_is_not_found(client: Any) -> None:
    assert client.get("/v1/alerts/987654").status_code == 404
    assert client.post("/v1/alerts/987654/acknowledge").status_code == 404
    for wrong in ("0", "-1", "99999999999999999999", "a"):
        assert client.get(f"/v1/alerts/{wrong}").status_code == 404


def test_a_key_for_some_devices_sees_theirs_and_takes_none_on(
    client: Any, connection: Connection, database_url: str
) -> None:
    meter, vehicle = opened(connection)
    (one,) = listed(client, meter=meter)
    headers = bearer(make_key(database_url, "read", devices=[f"meter:{meter}"]))
    asked = client.get("/v1/alerts", params={"meter": meter}, headers=headers)
    assert [found["alertId"] for found in asked.json()["alerts"]] == [one["alertId"]]
    for path in ("/v1/alerts", f"/v1/alerts?vehicle={vehicle}", f"/v1/alerts/{one['alertId']}"):
        assert client.get(path, headers=headers).status_code == 403
    taken = client.post(f"/v1/alerts/{one['alertId']}/acknowledge", headers=headers)
    assert taken.status_code == 403
