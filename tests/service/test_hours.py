"""Hours of a device over HTTP, for plots."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest

from tests.support.http import meter, vehicle
from tests.support.readings import NOW

HOUR = timedelta(hours=1)
FULL = NOW.replace(minute=0, second=0, microsecond=0) - 3 * HOUR
MINUTE = timedelta(minutes=1)


def asked(client: Any, path: str, since: datetime, until: datetime) -> Any:
    return client.get(path, params={"from": since.isoformat(), "to": until.isoformat()})


def written(ts: datetime) -> str:
    return ts.strftime("%Y-%m-%dT%H:%M:%SZ")


def test_hours_of_a_vehicle_are_means_of_what_it_reported(client: Any, post: Any) -> None:
    post(
        [
            vehicle(ts=FULL + MINUTE, soc=50, batteryTemp=20, kwhDeliveredDc=0.5),
            vehicle(ts=FULL + 2 * MINUTE, soc=51, batteryTemp=21, kwhDeliveredDc=0.25),
            vehicle(ts=FULL + 2 * HOUR + MINUTE, soc=None, batteryTemp=None, kwhDeliveredDc=0.125),
            vehicle("V-2", ts=FULL + MINUTE),
        ]
    )
    found = asked(client, "/v1/vehicles/V-1/hourly", FULL, FULL + 3 * HOUR).json()
    assert found == {
        "vehicleId": "V-1",
        "hours": [
            {
                "from": written(FULL),
                "kwhDeliveredDc": 0.75,
                "soc": 50.5,
                "batteryTemp": 20.5,
                "samples": 2,
            },
            {
                "from": written(FULL + 2 * HOUR),
                "kwhDeliveredDc": 0.125,
                "soc": None,
                "batteryTemp": None,
                "samples": 1,
            },
        ],
    }


def test_hours_of_a_meter_are_there_without_a_link(client: Any, post: Any) -> None:
    post(
        [
            meter(ts=FULL + MINUTE, voltage=230, kwhConsumedAc=0.5),
            meter(ts=FULL + 2 * MINUTE, voltage=232, kwhConsumedAc=0.25),
        ]
    )
    found = asked(client, "/v1/meters/M-1/hourly", FULL + 30 * MINUTE, FULL + HOUR).json()
    hour = {"from": written(FULL), "kwhConsumedAc": 0.75, "voltage": 231, "samples": 2}
    assert found == {"meterId": "M-1", "hours": [hour]}


@pytest.mark.parametrize("path", ["/v1/meters/M-1/hourly", "/v1/vehicles/V-1/hourly"])
def test_hours_of_who_never_reported_are_none(client: Any, path: str) -> None:
    assert client.get(path).json()["hours"] == []


@pytest.mark.parametrize("path", ["/v1/meters/M-1/hourly", "/v1/vehicles/V-1/hourly"])
def test_hours_of_more_than_a_year_are_refused(client: Any, path: str) -> None:
    assert asked(client, path, NOW - 8784 * HOUR, NOW - HOUR).status_code == 200
    answer = asked(client, path, NOW - 8786 * HOUR, NOW)
    assert answer.status_code == 400
    assert answer.json()["hint"] == "Ask for 8,784 hours at most."
