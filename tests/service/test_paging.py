"""Every paged route is walked to its end, whatever comes and goes meanwhile."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import quote

import pytest

from tests.service.test_reads import HOUR, text
from tests.support.http import meter, vehicle, wait_for
from tests.support.kept_charging import settle_and_keep
from tests.support.readings import NOW, Connection

BEGIN = NOW.replace(minute=0) - 4 * HOUR
WINDOW = {"from": text(BEGIN), "to": text(BEGIN + HOUR)}
ORDERS = ["efficiency", "loss", "vehicle_id"]
FLEET = "/v1/analytics/fleet"
METERS = "/v1/analytics/fleet/meters"
METER_ORDERS = ["efficiency", "loss", "meter_id"]
SESSIONS = "/v1/sessions"
ALERTS = "/v1/alerts"
RECORDS = "/v1/records"
EVENTS = "/v1/register-events"
# which of its fields holds the rows, and which of theirs says what is on one page alone
LISTS = {
    "/v1/meters": ("meters", ["meterId"]),
    "/v1/vehicles": ("vehicles", ["vehicleId"]),
    "/v1/links": ("links", ["vehicleId", "from"]),
    FLEET: ("vehicles", ["vehicleId"]),
    METERS: ("meters", ["meterId"]),
    SESSIONS: ("sessions", ["meterId", "from"]),
    ALERTS: ("alerts", ["meterId", "kind"]),
    RECORDS: ("records", ["meterId", "recordId"]),
    EVENTS: ("events", ["meterId", "at"]),
}
QUESTIONS: list[tuple[str, dict[str, str]]] = [
    ("/v1/meters", {}),
    ("/v1/vehicles", {}),
    ("/v1/links", {}),
    *((FLEET, {"order": order, **WINDOW}) for order in ORDERS),
    *((METERS, {"order": order, **WINDOW}) for order in METER_ORDERS),
    (SESSIONS, {}),
    (ALERTS, {}),
    (RECORDS, {}),
    (EVENTS, {}),
]
FIXED = [f"-{number:02}" for number in range(0, 30, 3)]


def paged_routes(client: Any) -> set[str]:
    paths = client.get("/docs/openapi.json").json()["paths"]
    return {
        path
        for path, item in paths.items()
        for operation in item.values()
        if any(p["name"] == "after" for p in operation.get("parameters", []))
    }


def put(client: Any, post: Any, number: str, dc_kwh: float, at: datetime = BEGIN) -> None:
    """A linked pair, with enough energy to be judged unless `dc_kwh` is far from its AC."""
    body = {"meterId": f"M{number}", "replace": True}
    assert client.put(f"/v1/links/V{quote(number)}", json=body).status_code in (200, 201)
    times = [at + timedelta(minutes=n) for n in range(60)]
    readings = [meter(f"M{number}", ts, kwhConsumedAc=0.1) for ts in times]
    readings += [vehicle(f"V{number}", ts, kwhDeliveredDc=dc_kwh) for ts in times]
    assert post(readings).status_code == 201


def walk(
    client: Any, path: str, params: dict[str, str], limit: int, meanwhile: Callable[[int], None]
) -> Iterator[tuple[Any, ...]]:
    """The keys of all rows, page by page."""
    field, key = LISTS[path]
    after: dict[str, str] = {}
    for number in range(200):
        answer = client.get(path, params={**params, **after, "limit": limit})
        assert answer.status_code == 200, answer.text
        found = answer.json()
        assert len(found[field]) <= limit
        # only a list of nothing has an empty last page
        assert found[field] or not after or meanwhile is not nothing
        yield from (tuple(row[name] for name in key) for row in found[field])
        if found["next"] is None:
            return
        after = {"after": found["next"]}
        meanwhile(number)
    raise AssertionError("there is no end")


def tell(client: Any, connection: Connection, number: str) -> None:
    """A record about such a pair, and an event of a day that nobody settles anew."""
    record = {"record": "booking", "meterId": f"M{number}", "energyKwh": 0.001, "reason": "x"}
    times = {"from": text(BEGIN), "at": text(BEGIN + HOUR)}
    assert client.post(RECORDS, json={**record, **times}).status_code in (200, 201)
    event = ["meter_reading", f"M{number}", "2026-01-01 12:00Z", "glitch", "2026-01-01"]
    connection.execute(
        "INSERT INTO telemetry.register_event VALUES (%s, %s, %s, %s, %s, 1, 2, 0, 0, TRUE)"
        " ON CONFLICT DO NOTHING",
        event,
    )


def nothing(_: int) -> None:
    """Nothing comes or goes."""


def settle_and_tell(connection: Connection) -> None:
    """Have all that was put settled and kept, with an alert of each meter."""
    connection.execute("UPDATE telemetry.rules SET alert_after = 1")
    settle_and_keep(connection)

    def told() -> bool:
        # the service looks at alerts too, one session at a time
        row = connection.execute(
            "SELECT s.judged IS NOT NULL AND s.waiting = 0 FROM telemetry.settle_alerts(1000) AS s"
        ).fetchone()
        return row == (True,)

    wait_for(told)


@pytest.fixture
def filled(client: Any, post: Any, connection: Connection) -> None:
    """Ten pairs, each of another efficiency and loss, of which two have the same."""
    for place, number in enumerate(FIXED):
        put(client, post, number, 0.05 + 0.003 * (place % 9))
        tell(client, connection, number)
    settle_and_tell(connection)


def test_every_paged_route_is_walked_here(client: Any) -> None:
    assert paged_routes(client) == set(LISTS) == {path for path, _ in QUESTIONS}


@pytest.mark.shares_a_service
@pytest.mark.parametrize("limit", [1, 3, 5, 10, 11])
def test_every_row_is_on_one_page_and_the_last_says_so(
    client: Any, filled: None, limit: int
) -> None:
    for path, params in QUESTIONS:
        seen = list(walk(client, path, params, limit, nothing))
        assert len(seen) == len(set(seen)) == len(FIXED), path
        answer = client.get(path, params={**params, "limit": len(FIXED)}).json()
        assert answer["next"] is None


@pytest.mark.parametrize(("path", "params"), QUESTIONS)
def test_what_stays_is_on_one_page_whatever_comes_and_goes(
    client: Any,
    post: Any,
    filled: None,
    connection: Connection,
    path: str,
    params: dict[str, str],
) -> None:
    stay = set(walk(client, path, params, 100, nothing))
    gone: set[str] = set()

    def meanwhile(number: int) -> None:
        page_end = seen[-1][0]
        # what a page ended with is no longer there: no link, no reading, no state, no rank
        suffix = page_end[1:]
        if number in (1, 3, 5):
            gone.add(suffix)
            client.delete(f"/v1/links/V{suffix}", params={"at": text(NOW), "remove": "true"})
            connection.execute(
                "DELETE FROM telemetry.vehicle_state WHERE vehicle_id = %s", [f"V{suffix}"]
            )
            connection.execute(
                "DELETE FROM telemetry.meter_state WHERE meter_id = %s", [f"M{suffix}"]
            )
        if number == 2:
            # another came before and behind all of it, and in between
            for new in ("-00a", "-13", "-99"):
                put(client, post, new, 0.06)
            settle_and_tell(connection)
        if number == 4:
            # and the figures of one that was shown are others
            put(client, post, suffix, 0.001, BEGIN + timedelta(seconds=1))
            settle_and_tell(connection)

    seen: list[tuple[Any, ...]] = []
    for row in walk(client, path, params, 1, meanwhile):
        seen.append(row)
    assert gone
    counts = {row: seen.count(row) for row in stay}
    moved = {row for row in stay if counts[row] != 1}
    if path == METERS:
        # one whose link is gone is there, with other figures
        moved = {row for row in moved if row[0][1:] not in gone}
    # what was changed may have moved to where it is met again, and nothing else
    assert len(moved) <= 1
    assert all(counts[row] == 2 for row in moved)


@pytest.mark.shares_a_service
@pytest.mark.parametrize(
    "after",
    [
        "V-03",
        "efficiency",
        "efficiency/",
        "efficiency/!!",
        "efficiency/WzAsMC41XQ",  # [0,0.5]
        "efficiency/WzAsMC41LDdd",  # [0,0.5,7]
        "efficiency/eyJhIjoxfQ",  # {"a":1}
        "efficiency/gICA",  # no UTF-8
        "loss/WzAsIDAuNSwgIlYtMDMiXQ",  # [0, 0.5, "V-03"], of another order
        "links/WyJWLTAzIiwgMF0",
        "\u00e9/\u00e9",
        "a" * 1001,
    ],
)
def test_what_is_no_place_of_the_order_is_400_and_not_the_first_page(
    client: Any, after: str
) -> None:
    answer = client.get(FLEET, params={"after": after})
    assert answer.status_code == 400
    assert '"after"' in answer.json()["detail"]
    if "/" in after:
        answer = client.get("/v1/links", params={"after": f"x{after}"})
        assert answer.status_code == 400
        assert '"after"' in answer.json()["detail"]


@pytest.mark.shares_a_service
def test_a_place_of_another_order_is_400_saying_what_to_do(client: Any, filled: None) -> None:
    last = client.get(FLEET, params={**WINDOW, "limit": 2}).json()["next"]
    answer = client.get(FLEET, params={**WINDOW, "order": "loss", "after": last})
    assert answer.status_code == 400
    assert "first page" in answer.json()["hint"]


def test_a_place_is_written_without_what_a_url_must_escape(
    client: Any, post: Any, connection: Connection
) -> None:
    for number in ("\u00fc&=+ %", "\u00fc&=+ %2"):
        put(client, post, number, 0.05)
        tell(client, connection, number)
    settle_and_tell(connection)
    for path, params in QUESTIONS[2:]:
        last = client.get(path, params={**params, "limit": 1}).json()["next"]
        assert re.fullmatch(r"[a-z_]+/[A-Za-z0-9_-]+", last)
        query = "&".join(f"{name}={value}" for name, value in params.items())
        assert len(client.get(f"{path}?{query}&after={last}").json()[LISTS[path][0]]) == 1
