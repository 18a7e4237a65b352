"""Scenario of what people and BI read from a filled history, beside a fleet that posts."""

from __future__ import annotations

import random
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote, urlencode

from locust import FastHttpUser, between, events, task

from loadtests.load import objectives
from loadtests.load.fleet import Fleet
from loadtests.load.process import options_of
from loadtests.load.sending import Sending, sent_from_start
from loadtests.support import keys

_FLEET = Fleet()
sent_from_start(_FLEET)
objectives.decide_exit_code()
_WINDOW_DAYS = (1, 1, 1, 7, 30)


class PostingDevice(Sending):
    """Posts what is due."""

    fleet = _FLEET


class Reader(FastHttpUser):
    """Somebody who looks at vehicles and chargers, or a BI tool that reads whole lists."""

    wait_time = between(0.5, 1.5)
    connection_timeout = 10.0
    network_timeout = 30.0

    def on_start(self) -> None:
        """Find devices to ask about, those that post now among them."""
        self._vehicles = self._ids("vehicles", "vehicleId")
        self._meters = self._ids("meters", "meterId")

    @task(10)
    def vehicle_state(self) -> None:
        """The latest reading of a vehicle."""
        self._get("vehicle state", f"/v1/vehicles/{_one_of(self._vehicles)}")

    @task(10)
    def meter_state(self) -> None:
        """The latest reading of a meter."""
        self._get("meter state", f"/v1/meters/{_one_of(self._meters)}")

    @task(8)
    def performance(self) -> None:
        """A vehicle's day, week or month."""
        path = f"/v1/analytics/performance/{_one_of(self._vehicles)}"
        self._get("performance", path, **_window(random.choice(_WINDOW_DAYS)))

    @task(4)
    def hourly(self) -> None:
        """A vehicle's hours, for a plot."""
        path = f"/v1/analytics/performance/{_one_of(self._vehicles)}/hourly"
        self._get("hourly", path, **_window(random.choice(_WINDOW_DAYS)))

    @task(4)
    def meter_verdict(self) -> None:
        """The verdict on a charger."""
        path = f"/v1/analytics/meters/{_one_of(self._meters)}"
        self._get("meter verdict", path, **_window(7))

    @task(3)
    def sessions(self) -> None:
        """A vehicle's charges."""
        self._get("sessions of a vehicle", "/v1/sessions", vehicle=random.choice(self._vehicles))

    @task(2)
    def fleet_day(self) -> None:
        """The fleet's last 24 hours."""
        self._get("fleet", "/v1/analytics/fleet")

    @task(1)
    def all_sessions(self) -> None:
        """A week of sessions, page by page, as a BI tool loads them."""
        self._pages("page of sessions", "/v1/sessions", **_window(7))

    @task(1)
    def all_vehicles(self) -> None:
        """The state of every vehicle, page by page."""
        self._pages("page of vehicles", "/v1/vehicles")

    def _ids(self, side: str, field: str) -> list[str]:
        page = self._get(f"page of {side}", f"/v1/{side}", limit="1000")
        ids = [one[field] for one in page.get(side, [])]
        # before the first reading there is none: what is asked of this one is empty, or 404
        return ids or ["none"]

    def _pages(self, name: str, path: str, **asked: str) -> None:
        after: str | None = None
        for _ in range(5):
            more = {"after": after} if after else {}
            after = self._get(name, path, **asked, **more, limit="200").get("next")
            if after is None:
                return

    def _get(self, name: str, path: str, **asked: str) -> dict[str, Any]:
        query = f"?{urlencode(asked)}" if asked else ""
        with self.client.get(
            path + query, headers=keys.headers(), name=name, catch_response=True
        ) as response:
            if response.status_code != 200:
                response.failure(f"{response.status_code}: {(response.text or '')[:200]}")
                return {}
            return response.json()


@events.init.add_listener
def _(environment: Any, **_: Any) -> None:
    # of the users that there are, so many read
    Reader.fixed_count = options_of(environment).readers


def _one_of(ids: Sequence[str]) -> str:
    return quote(random.choice(ids), safe="")


def _window(days: int) -> dict[str, str]:
    now = datetime.now(UTC).replace(microsecond=0)
    return {"from": (now - timedelta(days=days)).isoformat(), "to": now.isoformat()}
