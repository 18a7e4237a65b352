"""Chargers of the fleet, worst first, and the last hours of many devices at once."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest

from tests.service.test_analytics import FULL_HOUR, charge, three
from tests.service.test_reads import HOUR, text
from tests.support.http import meter
from tests.support.kept_charging import settle_and_keep
from tests.support.keys import bearer, make_key
from tests.support.readings import NOW, Connection

__all__ = ["three"]

PATH = "/v1/analytics/fleet/meters"
SPARKLINES = "/v1/analytics/fleet/sparklines"
MINUTE = timedelta(minutes=1)
# what a charger's own answer has beside
OF_ONE = {
    "from",
    "to",
    "kwhConsumedAc",
    "roundedTo",
    "meterSamples",
    "provisionalKwhAc",
    "settledUntil",
    "vehicles",
}


def meters(client: Any, **params: Any) -> Any:
    answer = client.get(PATH, params=params)
    assert answer.status_code == 200, answer.text
    return answer.json()


def assert_as_each_charger_says(client: Any, window: dict[str, str]) -> None:
    found = meters(client, **window)
    assert found["meters"]
    for one in found["meters"]:
        own = client.get(f"/v1/analytics/meters/{one['meterId']}", params=window).json()
        assert one.pop("vehicles") == len(own["vehicles"])
        # as far as readings explain it
        explained = sum(own[name] for name in ("kwhActiveAc", "kwhUnlinkedAc", "kwhStandbyAc"))
        assert one.pop("kwhConsumedAc") == pytest.approx(explained)
        assert one == {name: value for name, value in own.items() if name not in OF_ONE}


@pytest.fixture
def four(client: Any, post: Any, connection: Connection, three: dict[str, str]) -> dict[str, str]:
    """Beside those three, a meter that no vehicle is linked to, which also draws something idle."""
    begin = FULL_HOUR - 4 * HOUR
    post([meter("M-4", begin + n * MINUTE, kwhConsumedAc=0.1) for n in range(1, 61)])
    post([meter("M-4", begin + n * MINUTE, kwhConsumedAc=0.00005) for n in range(61, 121)])
    settle_and_keep(connection)
    return three


def test_chargers_are_as_each_of_them_says(
    client: Any, connection: Connection, four: dict[str, str]
) -> None:
    assert_as_each_charger_says(client, four)
    connection.execute("SELECT ops.set_tariff('EUR', 'UTC', '2000-01-01', '0.3', 'all')")
    connection.execute(
        "SELECT ops.set_tariff('EUR', 'UTC', '2000-01-01', '0.25', 'one', meter_id => 'M-3')"
    )
    assert_as_each_charger_says(client, four)


def test_chargers_of_whole_days_are_as_each_of_them_says(
    client: Any, post: Any, connection: Connection
) -> None:
    begin = FULL_HOUR - 50 * HOUR
    for number, dc_kwh in ((1, 0.09), (2, 0.07)):
        for hours in (0, 10, 24, 47):
            charge(client, post, number, begin + hours * HOUR, 60, dc_kwh)
    settle_and_keep(connection)
    for since in (begin, begin + 5 * HOUR):
        assert_as_each_charger_says(client, {"from": text(since), "to": text(FULL_HOUR)})


def test_chargers_come_worst_first(client: Any, four: dict[str, str]) -> None:
    found = meters(client, **four)
    assert (found["total"], found["next"]) == ({**four, "meters": 4}, None)
    assert [one["meterId"] for one in found["meters"]] == ["M-3", "M-1", "M-2", "M-4"]
    assert [one["status"] for one in found["meters"]][-1] == "unlinked"
    by_id = meters(client, order="meter_id", **four)["meters"]
    assert [one["meterId"] for one in by_id] == ["M-1", "M-2", "M-3", "M-4"]


def test_fleet_without_chargers_has_none(client: Any) -> None:
    found = meters(client)
    assert (found["total"]["meters"], found["meters"], found["next"]) == (0, [], None)


@pytest.mark.parametrize(
    "asked",
    [
        {"order": "x"},
        {"limit": "0"},
        {"after": "M-1"},
        {"after": "loss/WzAsIDAuNSwgIlYtMDMiXQ"},
        {"from": text(NOW), "to": text(NOW)},
    ],
)
def test_bad_question_about_chargers_is_400(client: Any, asked: dict[str, str]) -> None:
    answer = client.get(PATH, params=asked)
    assert answer.status_code == 400
    assert answer.json()["detail"]


def test_last_hours_of_devices_are_what_they_charged(
    client: Any, post: Any, connection: Connection
) -> None:
    begin = FULL_HOUR - 4 * HOUR
    charge(client, post, 1, begin, 120, 0.09)
    settle_and_keep(connection)
    asked = {"vehicle": ["V-1", "V-none"], "meter": ["M-1"]}
    found = client.get(SPARKLINES, params=asked).json()["sparklines"]
    assert {(one["side"], one["id"]) for one in found} == {
        ("vehicle", "V-1"),
        ("vehicle", "V-none"),
        ("meter", "M-1"),
    }
    whole = client.get("/v1/analytics/performance/V-1").json()
    for one in found:
        assert len(one["kwhActiveAc"]) == len(one["kwhDeliveredDc"]) == 24
        flowed = [place for place, kwh in enumerate(one["kwhActiveAc"]) if kwh]
        if one["id"] == "V-none":
            assert flowed == []
        else:
            assert flowed[-2:] == [flowed[-1] - 1, flowed[-1]]
            last = datetime.fromisoformat(one["from"]) + flowed[-1] * HOUR
            assert last == begin + HOUR
            assert sum(one["kwhActiveAc"]) == pytest.approx(whole["kwhActiveAc"])


def test_last_hours_are_of_some_devices_at_once(client: Any) -> None:
    assert client.get(SPARKLINES).json() == {"sparklines": []}
    many = {"meter": [f"M-{number}" for number in range(51)]}
    answer = client.get(SPARKLINES, params=many)
    assert answer.status_code == 400
    assert client.get(SPARKLINES, params={"vehicle": ["V-1", "a/b"]}).status_code == 400
    # ids may hold what parts others
    answer = client.get(SPARKLINES, params={"vehicle": ["a,b", "c&d"]}).json()
    assert [one["id"] for one in answer["sparklines"]] == ["a,b", "c&d"]


def test_key_for_some_devices_sees_the_last_hours_of_these_alone(
    client: Any, database_url: str
) -> None:
    some = bearer(make_key(database_url, "read", devices=["vehicle:V-1"]))
    assert client.get(PATH, headers=some).status_code == 403
    assert client.get(SPARKLINES, headers=some).status_code == 403
    good = client.get(SPARKLINES, headers=some, params={"vehicle": ["V-1"]})
    assert good.status_code == 200
    for params in ({"vehicle": ["V-1", "V-2"]}, {"vehicle": ["V-1"], "meter": ["M-1"]}):
        assert client.get(SPARKLINES, headers=some, params=params).status_code == 403
