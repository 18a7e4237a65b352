"""State, links, performance and health over HTTP."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.support.http import meter, milliseconds, vehicle
from tests.support.ledger import settle
from tests.support.readings import NOW, Connection

HOUR = timedelta(hours=1)


def text(ts: datetime) -> str:
    return ts.strftime("%Y-%m-%dT%H:%M:%SZ")


def test_a_meters_state_is_its_latest_reading(client: Any, post: Any) -> None:
    post([meter(ts=NOW, kwhConsumedAc=1.5), meter(ts=NOW - HOUR)])
    found = client.get("/v1/meters/M-1").json()
    assert found.pop("receivedAt")
    assert found == {
        "meterId": "M-1",
        "timestamp": text(NOW),
        "kind": "difference",
        "kwhConsumedAc": 1.5,
        "registerKwh": None,
        "session": None,
        "voltage": 231.2,
        "openEvents": 0,
        "name": None,
        "site": None,
        "groups": [],
        "retiredAt": None,
    }


def test_a_vehicles_state_shows_null_for_what_it_did_not_send(client: Any, post: Any) -> None:
    post({"vehicleId": "V-1", "kwhDeliveredDc": 0.1, "timestamp": milliseconds(NOW)})
    found = client.get("/v1/vehicles/V-1").json()
    assert (found["soc"], found["batteryTemp"], found["kwhDeliveredDc"]) == (None, None, 0.1)


@pytest.mark.parametrize(
    ("kind", "make", "side"), [("meters", meter, "Ac"), ("vehicles", vehicle, "Dc")]
)
def test_a_state_shows_the_level_of_a_register_and_the_session(
    client: Any, post: Any, kind: str, make: Any, side: str
) -> None:
    difference = "kwhConsumedAc" if side == "Ac" else "kwhDeliveredDc"
    plain = make("D-0", session="S-0")
    readings = [{name: plain[name] for name in plain if name != difference} for _ in range(2)]
    register = {**readings[0], f"{kind[:-1]}Id": "D-1", f"kwhTotal{side}": 163.53}
    del register["session"]
    counter = {**readings[1], f"{kind[:-1]}Id": "D-2", f"kwhSession{side}": 1.25}
    assert post([plain, register, counter]).json()["accepted"] == 3
    names = ("kind", difference, "registerKwh", "session")
    expected = [
        ("difference", plain[difference], None, "S-0"),
        ("lifetime_register", 0, 163.53, None),
        ("session_counter", 0, 1.25, "S-0"),
    ]
    found = client.get(f"/v1/{kind}").json()[kind]
    assert [tuple(state[name] for name in names) for state in found] == expected
    alone = [client.get(f"/v1/{kind}/D-{number}").json() for number in range(3)]
    assert alone == found


@pytest.mark.parametrize(("kind", "energy"), [("meters", "kwhTotalAc"), ("vehicles", "kwhTotalDc")])
def test_a_state_tells_of_resets_that_nobody_has_spoken_of(
    client: Any, post: Any, connection: Connection, kind: str, energy: str
) -> None:
    levels = [532.0, 264.9, 265.2, 265.4, 268.0]
    for place, level in enumerate(levels):
        time = milliseconds(NOW - timedelta(minutes=len(levels) - place))
        for device in ("D-1", "D-2"):
            # the second one is never reset
            sent = level if device == "D-1" else 532 + place / 5
            post({f"{kind[:-1]}Id": device, energy: sent, "timestamp": time})
    settle(connection)
    found = client.get(f"/v1/{kind}").json()[kind]
    assert [state["openEvents"] for state in found] == [1, 0]
    assert client.get(f"/v1/{kind}/D-1").json()["openEvents"] == 1


@pytest.mark.shares_a_service
@pytest.mark.parametrize("kind", ["meters", "vehicles"])
def test_an_unknown_device_is_404_by_name(client: Any, kind: str) -> None:
    answer = client.get(f"/v1/{kind}/nobody")
    assert answer.status_code == 404
    assert answer.headers["content-type"] == "application/problem+json"
    assert '"nobody"' in answer.json()["detail"]


@pytest.mark.parametrize(("kind", "make"), [("meters", meter), ("vehicles", vehicle)])
def test_pages_show_every_device_once_in_order(
    client: Any, post: Any, kind: str, make: Any
) -> None:
    ids = [f"D-{number:02}" for number in range(25)]
    post([make(device) for device in ids])
    seen: list[str] = []
    after: dict[str, str] = {}
    while True:
        page = client.get(f"/v1/{kind}", params={"limit": 10, **after}).json()
        seen += [device[f"{kind[:-1]}Id"] for device in page[kind]]
        if page["next"] is None:
            break
        after = {"after": page["next"]}
    assert seen == ids


@pytest.mark.shares_a_service
@pytest.mark.parametrize("limit", ["0", "1001", "-1", "x"])
def test_a_page_size_out_of_bounds_is_400_naming_it(client: Any, limit: str) -> None:
    answer = client.get("/v1/meters", params={"limit": limit})
    assert answer.status_code == 400
    assert '"limit"' in answer.json()["detail"]


def test_a_link_is_put_listed_and_ended(client: Any) -> None:
    body = {"meterId": "M-1", "from": text(NOW - HOUR)}
    expected = {"vehicleId": "V-1", "meterId": "M-1", "from": text(NOW - HOUR), "to": None}
    created = client.put("/v1/links/V-1", json=body)
    assert (created.status_code, created.json()) == (201, expected)
    again = client.put("/v1/links/V-1", json=body)
    assert (again.status_code, again.json()) == (200, expected)
    for params in ({}, {"vehicleId": "V-1"}, {"meterId": "M-1"}):
        assert client.get("/v1/links", params=params).json() == {
            "links": [expected],
            "hasMore": False,
            "next": None,
        }
    assert client.get("/v1/links", params={"meterId": "M-2"}).json()["links"] == []
    ended = client.delete("/v1/links/V-1", params={"at": text(NOW)})
    assert (ended.status_code, ended.json()) == (200, {**expected, "to": text(NOW)})
    assert client.delete("/v1/links/V-1").status_code == 404


def test_links_are_listed_in_pages(client: Any) -> None:
    for number in range(5):
        for end in ("to", "from"):
            link = {"meterId": f"M-{number}", end: text(NOW)}
            answer = client.put(f"/v1/links/V-{number}", json=link)
            assert answer.status_code == 201, answer.text
    seen: list[tuple[str, str | None]] = []
    params: dict[str, Any] = {"limit": 3}
    while True:
        page = client.get("/v1/links", params=params).json()
        seen += [(link["vehicleId"], link["from"]) for link in page["links"]]
        if not page["hasMore"]:
            break
        last = page["links"][-1]
        params = {"limit": 3, "after": last["vehicleId"]}
        if last["from"]:
            params["afterFrom"] = last["from"]
    assert seen == [(f"V-{n}", begin) for n in range(5) for begin in (None, text(NOW))]


def test_a_link_that_overlaps_is_409_naming_the_other(client: Any) -> None:
    client.put("/v1/links/V-1", json={"meterId": "M-1"})
    answer = client.put("/v1/links/V-2", json={"meterId": "M-1"})
    assert answer.status_code == 409
    assert "vehicle V-1 is on meter M-1" in answer.json()["detail"]
    assert answer.json()["hint"]


@pytest.mark.shares_a_service
@pytest.mark.parametrize(
    ("body", "says"),
    [
        ({}, "meterId"),
        ({"meterId": ""}, "meterId"),
        ({"meterId": 5}, "meterId"),
        ({"meterId": "M-1", "form": "2026-01-01T00:00:00Z"}, "form"),
        ({"meterId": "M-1", "from": "2026-01-01T00:00:00"}, "from"),
        ({"meterId": "M-1", "from": "2026-01-02T00:00:00Z", "to": "2026-01-01T00:00:00Z"}, "begin"),
        ([], "body"),
    ],
)
def test_a_bad_link_is_400_saying_what_to_fix(client: Any, body: Any, says: str) -> None:
    answer = client.put("/v1/links/V-1", json=body)
    assert answer.status_code == 400
    assert answer.headers["content-type"] == "application/problem+json"
    assert says in answer.json()["detail"]


def test_performance_of_a_window_is_exact(client: Any, post: Any) -> None:
    client.put("/v1/links/V-1", json={"meterId": "M-1"})
    minutes = [NOW - HOUR + timedelta(minutes=n) for n in range(60)]
    post([meter(ts=ts, kwhConsumedAc=0.1) for ts in minutes])
    post([vehicle(ts=ts, kwhDeliveredDc=0.08) for ts in minutes])
    answer = client.get(
        "/v1/analytics/performance/V-1", params={"from": text(NOW - HOUR), "to": text(NOW)}
    )
    assert answer.status_code == 200
    found = answer.json()
    # the service settles meanwhile
    assert "settledUntil" in found
    del found["settledUntil"]
    assert found == {
        "vehicleId": "V-1",
        "from": text(NOW - HOUR),
        "to": text(NOW),
        "kwhConsumedAc": 6,
        "kwhDeliveredDc": 4.8,
        "kwhDeliveredDcUnlinked": 0,
        "kwhLost": 1.18,
        "efficiency": 0.8,
        "avgBatteryTemp": 31.2,
        "meterSamples": 60,
        "vehicleSamples": 60,
        "meterCoverage": 1,
        "vehicleCoverage": 1,
        "status": "degraded",
        "provisionalKwhAc": 0,
        "provisionalKwhDc": 0,
        "roundedTo": None,
        # what the first reading explains is before the window
        "kwhMatchedAc": 5.9,
        "kwhMatchedDc": 4.72,
        "kwhActiveAc": 5.9,
        "kwhStandbyAc": 0,
        "coverage": 1,
        "uncertainty": 0.0237,
        "expectedEfficiency": 0.85,
        "frozenSide": None,
        "kwhExcessLost": 0.347059,
        # nobody said what a kWh costs
        "cost": None,
        "standbyCost": None,
        "lossCost": None,
        "excessLossCost": None,
        "currency": None,
        "costGap": "no_tariff",
    }


def test_performance_covers_the_last_24_hours_unless_told(client: Any) -> None:
    found = client.get("/v1/analytics/performance/V-1").json()
    begin, end = (datetime.fromisoformat(found[name]) for name in ("from", "to"))
    assert end - begin == timedelta(hours=24)
    assert abs(end - datetime.now(UTC)) < timedelta(minutes=1)
    assert (found["status"], found["efficiency"]) == ("unlinked", None)


def test_energy_keeps_all_its_digits(client: Any, post: Any, connection: Connection) -> None:
    # so that so much may have flowed in a second
    connection.execute("UPDATE telemetry.register_rules SET max_power_kw = 1e6")
    client.put("/v1/links/V-1", json={"meterId": "M-1"})
    post([meter(ts=NOW - timedelta(seconds=n), kwhConsumedAc=999.999999) for n in range(1, 1001)])
    answer = client.get("/v1/analytics/performance/V-1", params={"to": text(NOW)})
    assert '"kwhConsumedAc":999999.999' in answer.text


@pytest.mark.shares_a_service
@pytest.mark.parametrize(
    "given",
    [
        "2026-01-31T12:00:00+01:00",
        "2026-01-31T12:00:00 01:00",
        "2026-01-31T11:00:00Z",
        "1769857200000",
    ],
)
def test_a_time_may_be_written_in_any_of_its_forms(client: Any, given: str) -> None:
    found = client.get("/v1/analytics/performance/V-1", params={"from": given}).json()
    assert found["from"] == "2026-01-31T11:00:00Z"


@pytest.mark.shares_a_service
@pytest.mark.parametrize("given", ["", "yesterday", "2026-01-31", "2026-01-31T12:00:00", "9" * 30])
def test_a_time_that_cannot_be_read_is_400_naming_it(client: Any, given: str) -> None:
    answer = client.get("/v1/analytics/performance/V-1", params={"from": given})
    assert answer.status_code == 400
    assert '"from"' in answer.json()["detail"]


def test_an_empty_window_is_400(client: Any) -> None:
    params = {"from": text(NOW), "to": text(NOW)}
    answer = client.get("/v1/analytics/performance/V-1", params=params)
    assert answer.status_code == 400
    assert "window" in answer.json()["detail"]


def test_an_unknown_route_is_a_404_problem(client: Any) -> None:
    answer = client.get("/v2/nothing")
    assert answer.status_code == 404
    assert answer.headers["content-type"] == "application/problem+json"


def test_it_is_alive_and_ready(client: Any) -> None:
    for path in ("/health/live", "/health/ready", "/health/reads"):
        assert client.get(path).json() == {"status": "ok"}


@pytest.mark.shares_a_service
@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("GET", "/v1/meters/%00", None),
        ("GET", "/v1/vehicles?after=%00", None),
        ("GET", "/v1/analytics/performance/%00", None),
        ("PUT", "/v1/links/V-1", {"meterId": "\0"}),
        ("PUT", "/v1/links/" + "v" * 129, {"meterId": "M-1"}),
        ("DELETE", "/v1/links/%00", None),
        # in UTC before the first year that clients can show
        ("GET", "/v1/analytics/performance/V-1?from=0001-01-01T00:00:00%2B23:00", None),
    ],
)
def test_what_the_database_cannot_hold_is_400_not_500(
    client: Any, method: str, path: str, body: Any
) -> None:
    answer = client.request(method, path, json=body)
    assert answer.status_code == 400
    assert answer.json()["detail"]
