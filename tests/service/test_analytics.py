"""Hours of performance and the fleet over HTTP, and windows that raw readings no longer reach."""

from __future__ import annotations

import csv
import io
import json
import re
from datetime import timedelta
from typing import Any

import jsonschema_rs
import psycopg
import pytest

from tests.service.test_reads import HOUR, text
from tests.support.http import meter, vehicle
from tests.support.kept_charging import settle_and_keep
from tests.support.readings import NOW, Connection

MINUTE = timedelta(minutes=1)
FULL_HOUR = NOW.replace(minute=0)


def charge(
    client: Any, post: Any, number: int, begin: Any, minutes: int, dc_kwh: float | None = 0.09
) -> None:
    """Link a vehicle to its meter for good, and post a reading a minute of both."""
    client.put(f"/v1/links/V-{number}", json={"meterId": f"M-{number}"})
    times = [begin + n * MINUTE for n in range(minutes)]
    readings = [meter(f"M-{number}", ts, kwhConsumedAc=0.1) for ts in times]
    if dc_kwh is not None:
        readings += [vehicle(f"V-{number}", ts, kwhDeliveredDc=dc_kwh) for ts in times]
    assert post(readings).status_code == 201


def hourly(client: Any, **params: Any) -> Any:
    return client.get("/v1/analytics/performance/V-1/hourly", params=params)


def fleet(client: Any, **params: Any) -> Any:
    return client.get("/v1/analytics/fleet", params=params)


def test_a_window_older_than_raw_readings_says_that_it_was_rounded(
    client: Any, post: Any, database_url: str
) -> None:
    begin = FULL_HOUR - 5 * 24 * HOUR
    charge(client, post, 1, begin, 180)
    window = {"from": text(begin + 20 * MINUTE), "to": text(begin + 100 * MINUTE)}
    exact = client.get("/v1/analytics/performance/V-1", params=window).json()
    assert (exact["kwhConsumedAc"], exact["roundedTo"]) == (8, None)
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute("UPDATE telemetry.dataset SET keep = '2 days' WHERE dataset ~ 'reading'")
    rounded = client.get("/v1/analytics/performance/V-1", params=window).json()
    assert (rounded["kwhConsumedAc"], rounded["roundedTo"]) == (12, "hour")
    assert (rounded["from"], rounded["to"]) == (text(begin), text(begin + 2 * HOUR))


def test_hours_come_in_order_whole_and_without_those_nobody_reported_in(
    client: Any, post: Any
) -> None:
    begin = FULL_HOUR - 6 * HOUR
    charge(client, post, 1, begin + 4 * HOUR, 30, dc_kwh=None)
    charge(client, post, 1, begin, 120)
    answer = hourly(
        client,
        **{"from": text(begin + 10 * MINUTE), "to": text(begin + 4 * HOUR + MINUTE)},
    )
    assert answer.status_code == 200
    assert answer.json()["vehicleId"] == "V-1"
    first, second, third = answer.json()["hours"]
    for hour in (first, second, third):
        # the service settles meanwhile
        assert "settledUntil" in hour
        del hour["settledUntil"]
    whole = {
        "from": text(begin),
        "kwhConsumedAc": 6,
        "kwhDeliveredDc": 5.4,
        "kwhLost": 0.6,
        "efficiency": 0.9,
        "meterSamples": 60,
        "vehicleSamples": 60,
        "meterCoverage": 1,
        "vehicleCoverage": 1,
        "status": "healthy",
        "provisionalKwhAc": 0,
        "provisionalKwhDc": 0,
        "kwhMatchedAc": 6,
        "kwhMatchedDc": 5.4,
        "kwhActiveAc": 6,
        "kwhStandbyAc": 0,
        "coverage": 1,
        "uncertainty": 0.0167,
        "expectedEfficiency": 0.85,
        "frozenSide": None,
    }
    assert first == whole
    # the minute before the full hour is explained by no reading
    assert second == {
        **whole,
        "from": text(begin + HOUR),
        "kwhMatchedAc": 5.9,
        "kwhMatchedDc": 5.31,
        "kwhLost": 0.59,
        "kwhActiveAc": 5.9,
        "uncertainty": 0.0254,
    }
    # what nobody matches is nobody's loss
    assert third == {
        **whole,
        "from": text(begin + 4 * HOUR),
        "kwhConsumedAc": 3,
        "kwhDeliveredDc": 0,
        "kwhLost": 0,
        "efficiency": None,
        "meterSamples": 30,
        "vehicleSamples": 0,
        "meterCoverage": 0.5,
        "vehicleCoverage": 0,
        "status": "insufficient",
        "kwhMatchedAc": 0,
        "kwhMatchedDc": 0,
        "kwhActiveAc": 2.9,
        "coverage": 0,
        "uncertainty": None,
        "expectedEfficiency": None,
    }


def test_an_hour_without_ac_has_no_efficiency(client: Any, post: Any) -> None:
    begin = FULL_HOUR - 3 * HOUR
    client.put("/v1/links/V-1", json={"meterId": "M-1"})
    post([vehicle(ts=begin, kwhDeliveredDc=0.5)])
    (hour,) = hourly(client, **{"from": text(begin), "to": text(begin + HOUR)}).json()["hours"]
    assert (hour["kwhDeliveredDc"], hour["efficiency"]) == (0.5, None)


def test_a_vehicle_without_readings_has_no_hours(client: Any) -> None:
    assert hourly(client).json() == {"vehicleId": "V-1", "hours": []}


@pytest.mark.shares_a_service
@pytest.mark.parametrize(
    ("params", "says"),
    [
        ({"from": text(NOW), "to": text(NOW)}, "window"),
        ({"from": "yesterday"}, '"from"'),
        ({"from": text(NOW - timedelta(days=400))}, "year"),
    ],
)
def test_hours_of_a_window_that_is_empty_unreadable_or_too_long_are_400(
    client: Any, params: dict[str, str], says: str
) -> None:
    answer = hourly(client, **params)
    assert answer.status_code == 400
    assert says in answer.json()["detail"]


def charger(client: Any, meter_id: str, **params: Any) -> Any:
    return client.get(f"/v1/analytics/meters/{meter_id}", params=params)


# without a tariff
NO_COST = {
    "cost": None,
    "standbyCost": None,
    "lossCost": None,
    "excessLossCost": None,
    "currency": None,
    "costGap": "no_tariff",
}


def sessions(client: Any, headers: Any = None, **params: Any) -> Any:
    return client.get("/v1/sessions", params=params, headers=headers)


@pytest.fixture
def three(client: Any, post: Any, connection: Connection) -> dict[str, str]:
    """Two hours of three vehicles, of which the last loses most; the window that they are in."""
    begin = FULL_HOUR - 4 * HOUR
    for number, dc_kwh in ((1, 0.09), (2, 0.095), (3, 0.07)):
        charge(client, post, number, begin, 120, dc_kwh)
    # the service does so within minutes
    settle_and_keep(connection)
    return {"from": text(begin), "to": text(begin + 2 * HOUR)}


def test_the_fleet_has_totals_and_its_vehicles_worst_first(client: Any, three: Any) -> None:
    answer = fleet(client, **three)
    assert answer.status_code == 200
    found = answer.json()
    assert found["total"] == {
        **three,
        "vehicles": 3,
        # a reading of the end explains nothing yet
        "kwhConsumedAc": 35.7,
        "kwhDeliveredDc": 30.345,
        "kwhLost": 5.355,
        "efficiency": 0.85,
        "meterCoverage": 1,
        "vehicleCoverage": 1,
        "status": "healthy",
        "kwhMatchedAc": 35.7,
        "kwhMatchedDc": 30.345,
        "kwhActiveAc": 35.7,
        "kwhStandbyAc": 0,
        "coverage": 1,
        "uncertainty": found["total"]["uncertainty"],
        "expectedEfficiency": 0.85,
        "statuses": {
            "healthy": 2,
            "drifting": 0,
            "degraded": 1,
            "impossible": 0,
            "frozen": 0,
            "insufficient": 0,
            "idle": 0,
        },
        "judged": {"vehicles": 3, "kwhConsumedAc": 35.7, "kwhDeliveredDc": 30.345},
        "notJudged": {"vehicles": 0, "kwhConsumedAc": 0, "kwhDeliveredDc": 0},
        "kwhExcessLost": 2.1,
        **NO_COST,
    }
    assert 0 < found["total"]["uncertainty"] < 0.01
    assert found["vehicles"][0] == {
        "vehicleId": "V-3",
        "kwhConsumedAc": 11.9,
        "kwhDeliveredDc": 8.33,
        "kwhLost": 3.57,
        "efficiency": 0.7,
        "meterCoverage": 1,
        "vehicleCoverage": 1,
        "status": "degraded",
        "kwhMatchedAc": 11.9,
        "kwhMatchedDc": 8.33,
        "kwhActiveAc": 11.9,
        "kwhStandbyAc": 0,
        "coverage": 1,
        "uncertainty": 0.0109,
        "expectedEfficiency": 0.85,
        "frozenSide": None,
        "name": None,
        "site": None,
        "kwhExcessLost": 2.1,
        **NO_COST,
    }
    assert found["next"] is None


@pytest.mark.shares_a_service
@pytest.mark.parametrize(
    ("order", "vehicles"),
    [
        ("efficiency", ["V-3", "V-1", "V-2", "V-4"]),  # the last one cannot be judged
        ("loss", ["V-3", "V-1", "V-2", "V-4"]),
        ("vehicle_id", ["V-1", "V-2", "V-3", "V-4"]),
    ],
)
@pytest.mark.parametrize("limit", [1, 2, 3, 4])
def test_every_page_size_shows_each_vehicle_once_in_the_order_asked_for(
    client: Any,
    post: Any,
    connection: Connection,
    three: dict[str, str],
    order: str,
    vehicles: list[str],
    limit: int,
) -> None:
    begin = FULL_HOUR - 4 * HOUR
    charge(client, post, 4, begin, 50, dc_kwh=None)
    settle_and_keep(connection)
    seen: list[str] = []
    after: dict[str, str] = {}
    pages = 0
    while True:
        page = fleet(client, **three, order=order, limit=limit, **after).json()
        pages += 1
        assert page["total"]["vehicles"] == 4
        seen += [one["vehicleId"] for one in page["vehicles"]]
        if page["next"] is None:
            break
        after = {"after": page["next"]}
    assert seen == vehicles
    assert pages == -(-4 // limit)


def test_an_empty_fleet_has_no_data(client: Any) -> None:
    found = fleet(client).json()
    assert (found["total"]["vehicles"], found["total"]["status"]) == (0, "no_data")
    assert (found["total"]["efficiency"], found["vehicles"], found["next"]) == (None, [], None)


def test_the_fleets_window_is_the_whole_hours_that_it_touches(client: Any) -> None:
    window = {
        "from": text(FULL_HOUR - 2 * HOUR + MINUTE),
        "to": text(FULL_HOUR - HOUR + MINUTE),
    }
    total = fleet(client, **window).json()["total"]
    assert (total["from"], total["to"]) == (text(FULL_HOUR - 2 * HOUR), text(FULL_HOUR))


@pytest.mark.shares_a_service
@pytest.mark.parametrize(
    ("params", "says"),
    [
        ({"order": "colour"}, "order"),
        ({"limit": "0"}, "limit"),
        ({"after": "v" * 129}, "after"),
        ({"from": text(NOW), "to": text(NOW)}, "window"),
    ],
)
def test_a_bad_question_about_the_fleet_is_400_naming_it(
    client: Any, params: dict[str, str], says: str
) -> None:
    answer = fleet(client, **params)
    assert answer.status_code == 400
    assert says in answer.json()["detail"]


@pytest.mark.shares_a_service
@pytest.mark.parametrize(
    "path",
    [
        "/v1/analytics/performance/{vehicle_id}",
        "/v1/analytics/performance/{vehicle_id}/hourly",
        "/v1/analytics/fleet",
        "/v1/analytics/meters/{meter_id}",
        "/v1/sessions",
        "/v1/reports/month",
    ],
)
def test_answers_are_as_the_openapi_document_says(
    client: Any, three: dict[str, str], path: str
) -> None:
    document = client.get("/docs/openapi.json").json()
    asked = {**three, "vehicle": "V-1", "month": three["from"][:7]}
    params = asked if path == "/v1/reports/month" else three
    answer = client.get(path.format(vehicle_id="V-1", meter_id="M-1"), params=params)
    content = document["paths"][path]["get"]["responses"]["200"]["content"]["application/json"]
    schema = {**content["schema"], "components": document["components"]}
    jsonschema_rs.validate(schema, answer.json())
    assert answer.json()


def test_what_cannot_be_judged_is_told_apart_from_the_fleets_loss(
    client: Any, post: Any, connection: Connection, three: dict[str, str]
) -> None:
    before = fleet(client, **three).json()["total"]
    charge(client, post, 4, FULL_HOUR - 4 * HOUR, 50, dc_kwh=None)
    settle_and_keep(connection)
    total = fleet(client, **three).json()["total"]
    assert total["kwhConsumedAc"] == 40.6
    assert total["notJudged"] == {"vehicles": 1, "kwhConsumedAc": 4.9, "kwhDeliveredDc": 0}
    assert total["statuses"] == {**before["statuses"], "insufficient": 1}
    names = ("kwhLost", "efficiency", "status", "kwhMatchedAc", "coverage", "uncertainty", "judged")
    assert {name: total[name] for name in names} == {name: before[name] for name in names}


def test_a_charger_is_judged_over_its_vehicles(client: Any, three: dict[str, str]) -> None:
    own = client.get("/v1/analytics/performance/V-3", params=three).json()
    answer = charger(client, "M-3", **three)
    assert answer.status_code == 200
    found = answer.json()
    (vehicle_there,) = found.pop("vehicles")
    shared = ("kwhMatchedAc", "kwhMatchedDc", "kwhLost", "efficiency", "status", "coverage")
    for one in (found, vehicle_there):
        assert {name: one[name] for name in shared} == {name: own[name] for name in shared}
    assert vehicle_there["vehicleId"] == "V-3"
    assert (found["meterId"], found["from"], found["to"]) == ("M-3", three["from"], three["to"])
    assert (found["kwhConsumedAc"], found["kwhUnlinkedAc"], found["meterSamples"]) == (12, 0, 120)
    assert (found["kwhStandbyAc"], found["standbyW"], found["roundedTo"]) == (0, None, None)


def test_a_charger_tells_what_it_drew_idle_and_for_no_vehicle(client: Any, post: Any) -> None:
    begin = FULL_HOUR - 4 * HOUR
    post([meter("M-1", begin + n * MINUTE, kwhConsumedAc=0.1) for n in range(1, 61)])
    post([meter("M-1", begin + n * MINUTE, kwhConsumedAc=0.00005) for n in range(61, 121)])
    window = {"from": text(begin), "to": text(begin + 3 * HOUR)}
    found = charger(client, "M-1", **window).json()
    assert (found["kwhUnlinkedAc"], found["kwhStandbyAc"], found["standbyW"]) == (6, 0.003, 3)
    assert (found["status"], found["vehicles"]) == ("unlinked", [])
    assert charger(client, "M-2").json()["status"] == "unlinked"


@pytest.mark.shares_a_service
def test_a_bad_window_of_a_charger_or_of_sessions_is_400(client: Any) -> None:
    window = {"from": text(NOW), "to": text(NOW)}
    for answer in (charger(client, "M-1", **window), sessions(client, **window)):
        assert answer.status_code == 400
        assert "window" in answer.json()["detail"]
    answer = sessions(client, after="V-1")
    assert answer.status_code == 400
    assert answer.json()["detail"] == '"after": it is "next" of the page before, as it is'


def test_sessions_are_listed_by_start_of_a_vehicle_or_a_meter(
    client: Any, post: Any, connection: Connection
) -> None:
    begin = FULL_HOUR - 4 * HOUR
    charge(client, post, 1, begin, 61)
    client.delete("/v1/links/V-1", params={"at": text(begin + 2 * HOUR)})
    post(
        [
            {"meterId": "M-2", "kwhTotalAc": 100 + n / 10, "timestamp": text(begin + n * MINUTE)}
            for n in range(10, 30)
        ]
    )
    settle_and_keep(connection)
    found = sessions(client).json()
    assert found["next"] is None
    first, second = found["sessions"]
    assert first == {
        "meterId": "M-1",
        "vehicleId": "V-1",
        # the first reading explains the minute before it
        "from": text(begin - MINUTE),
        "to": text(begin + HOUR),
        "unpluggedAt": text(begin + 2 * HOUR),
        "session": None,
        "kwhConsumedAc": 6.1,
        "kwhDeliveredDc": 5.49,
        "kwhMatchedAc": 6.1,
        "kwhMatchedDc": 5.49,
        "kwhLost": 0.61,
        "kwhActiveAc": 6.1,
        "kwhStandbyAc": 0,
        "efficiency": 0.9,
        "uncertainty": first["uncertainty"],
        "coverage": 1,
        "expectedEfficiency": 0.85,
        "usualEfficiency": None,
        "status": "healthy",
        "frozenSide": None,
        "peakKw": 6,
        "meanKw": 6,
        "socStart": 81.5,
        "socEnd": 81.5,
        "batteryTempStart": 31.2,
        "batteryTempEnd": 31.2,
        "registerKwhAcStart": None,
        "registerKwhAcEnd": None,
        "registerKwhDcStart": None,
        "registerKwhDcEnd": None,
        "meterName": None,
        "vehicleName": None,
        "site": None,
        "kwhExcessLost": 0,
        **NO_COST,
    }
    assert (second["meterId"], second["vehicleId"]) == ("M-2", None)
    assert (second["registerKwhAcStart"], second["registerKwhAcEnd"]) == (101, 102.9)
    for params, expected in (
        ({"vehicle": "V-1"}, [first]),
        ({"meter": "M-2"}, [second]),
        ({"vehicle": "V-1", "meter": "M-2"}, []),
        ({"from": text(begin)}, [second]),
        ({"to": text(begin)}, [first]),
    ):
        assert sessions(client, **params).json()["sessions"] == expected


def test_a_months_report_is_json_and_csv(
    client: Any, connection: Connection, three: dict[str, str]
) -> None:
    assert three
    connection.execute("SELECT ops.set_tariff('EUR', 'UTC', '2000-01-01', '0.3', 'a test')")
    # it starts a minute before the first reading, maybe in the month before
    (begun,) = sessions(client, vehicle="V-3").json()["sessions"]
    asked = {"vehicle": "V-3", "month": begun["from"][:7], "zone": "UTC"}
    answer = client.get("/v1/reports/month", params=asked)
    assert answer.status_code == 200
    assert answer.headers["vary"] == "Accept"
    found = answer.json()
    assert (found["vehicleId"], found["meterId"], found["zone"]) == ("V-3", None, "UTC")
    assert found["from"] == f"{asked['month']}-01T00:00:00Z"
    (one,) = found["sessions"]
    assert (one["meterId"], one["kwhConsumedAc"], one["cost"], one["currency"]) == (
        "M-3",
        12,
        3.6,
        "EUR",
    )
    assert (found["sum"]["sessions"], found["sum"]["cost"]) == (1, 3.6)
    assert found["sum"]["lossCost"] == one["lossCost"] == 1.08
    assert sum(day["kwhConsumedAc"] for day in found["days"]) == found["kwhConsumedAc"]
    answer = client.get("/v1/reports/month", params=asked, headers={"Accept": "text/csv"})
    assert answer.headers["content-type"].startswith("text/csv")
    lines = list(csv.DictReader(io.StringIO(answer.text)))
    parts = [line["part"] for line in lines]
    assert parts == ["month", "sessions", *["day"] * len(found["days"]), "session"]
    assert (lines[-1]["cost"], lines[-1]["meterId"], lines[0]["zone"]) == ("3.60", "M-3", "UTC")
    # spelled as in JSON
    assert lines[0]["settled"] == json.dumps(found["settled"])


@pytest.mark.shares_a_service
@pytest.mark.parametrize(
    ("asked", "word"),
    [
        ({"month": "2026-01"}, "one vehicle or of one meter"),
        ({"month": "2026-1", "meter": "M-1"}, "such as 2026-01"),
        ({"meter": "M-1"}, "month"),
        ({"month": "2026-01", "meter": "M-1", "zone": "CET"}, "abbreviation"),
        ({"month": "2026-01", "meter": "M-1", "zone": "+01"}, "name of a place"),
    ],
)
def test_a_report_that_cannot_be_made_is_400(client: Any, asked: dict[str, str], word: str) -> None:
    answer = client.get("/v1/reports/month", params=asked)
    assert answer.status_code == 400
    assert word in answer.json()["detail"]


def test_sessions_are_csv_where_that_is_asked_for(client: Any, three: dict[str, str]) -> None:
    found = sessions(client).json()["sessions"]
    assert len(found) == 3
    read: list[dict[str, str]] = []
    target = "/v1/sessions?limit=2&from=2026-01-01T00:00:00%2B00:00"
    while target:
        answer = client.get(target, headers={"Accept": "text/csv"})
        assert answer.status_code == 200
        assert answer.headers["content-type"].startswith("text/csv")
        assert answer.headers["vary"] == "Accept"
        read += csv.DictReader(io.StringIO(answer.text))
        following = re.fullmatch('<(.*)>; rel="next"', answer.headers.get("link", ""))
        target = f"/v1/sessions{following[1]}" if following else ""
    assert [list(one) for one in read] == [list(one) for one in found]
    for line, one in zip(read, found, strict=True):
        for name, value in one.items():
            if isinstance(value, (int, float)):
                assert float(line[name]) == value
            else:
                assert line[name] == (value or "")
    for accepted in ("application/json", "*/*", "application/json, text/csv;q=0.5"):
        answer = sessions(client, {"Accept": accepted})
        assert (answer.headers["content-type"], answer.headers["vary"]) == (
            "application/json",
            "Accept",
        )
