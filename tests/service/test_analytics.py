"""Hours of performance and the fleet over HTTP, and windows that raw readings no longer reach."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import jsonschema_rs
import psycopg
import pytest

from tests.service.test_reads import HOUR, text
from tests.support.http import meter, vehicle
from tests.support.readings import NOW

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
    }
    assert first == whole
    assert second == {**whole, "from": text(begin + HOUR)}
    assert third == {
        **whole,
        "from": text(begin + 4 * HOUR),
        "kwhConsumedAc": 3,
        "kwhDeliveredDc": 0,
        "kwhLost": 3,
        "efficiency": 0,
        "meterSamples": 30,
        "vehicleSamples": 0,
        "meterCoverage": 0.5,
        "vehicleCoverage": 0,
        "status": "insufficient",
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


@pytest.fixture
def three(client: Any, post: Any) -> dict[str, str]:
    """Two hours of three vehicles, of which the last loses most; the window that they are in."""
    begin = FULL_HOUR - 4 * HOUR
    for number, dc_kwh in ((1, 0.09), (2, 0.095), (3, 0.07)):
        charge(client, post, number, begin, 120, dc_kwh)
    return {"from": text(begin), "to": text(begin + 2 * HOUR)}


def test_the_fleet_has_totals_and_its_vehicles_worst_first(client: Any, three: Any) -> None:
    answer = fleet(client, **three)
    assert answer.status_code == 200
    found = answer.json()
    assert found["total"] == {
        **three,
        "vehicles": 3,
        "kwhConsumedAc": 36,
        "kwhDeliveredDc": 30.6,
        "kwhLost": 5.4,
        "efficiency": 0.85,
        "meterCoverage": 1,
        "vehicleCoverage": 1,
        "status": "healthy",
    }
    assert found["vehicles"][0] == {
        "vehicleId": "V-3",
        "kwhConsumedAc": 12,
        "kwhDeliveredDc": 8.4,
        "kwhLost": 3.6,
        "efficiency": 0.7,
        "meterCoverage": 1,
        "vehicleCoverage": 1,
        "status": "degraded",
    }
    assert found["next"] is None


@pytest.mark.shares_a_service
@pytest.mark.parametrize(
    ("order", "vehicles"),
    [
        ("efficiency", ["V-3", "V-1", "V-2", "V-4"]),  # the last one cannot be judged
        ("loss", ["V-4", "V-3", "V-1", "V-2"]),
        ("vehicle_id", ["V-1", "V-2", "V-3", "V-4"]),
    ],
)
@pytest.mark.parametrize("limit", [1, 2, 3, 4])
def test_every_page_size_shows_each_vehicle_once_in_the_order_asked_for(
    client: Any, post: Any, three: dict[str, str], order: str, vehicles: list[str], limit: int
) -> None:
    begin = FULL_HOUR - 4 * HOUR
    charge(client, post, 4, begin, 50, dc_kwh=None)
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
    ],
)
def test_answers_are_as_the_openapi_document_says(
    client: Any, three: dict[str, str], path: str
) -> None:
    document = client.get("/docs/openapi.json").json()
    answer = client.get(path.format(vehicle_id="V-1"), params=three)
    content = document["paths"][path]["get"]["responses"]["200"]["content"]["application/json"]
    schema = {**content["schema"], "components": document["components"]}
    jsonschema_rs.validate(schema, answer.json())
    assert answer.json()
