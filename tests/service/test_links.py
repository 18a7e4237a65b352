"""Links over HTTP that were made by mistake, and times that no link can have."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import jsonschema_rs
import pytest

from tests.service.test_reads import HOUR, text
from tests.support.kept_charging import charge, settle_and_keep
from tests.support.readings import NOW, Connection

SECONDS = 1_795_000_000


def links(client: Any) -> list[tuple[str, str, str | None, str | None]]:
    found = client.get("/v1/links").json()["links"]
    return [(one["vehicleId"], one["meterId"], one["from"], one["to"]) for one in found]


def put(client: Any, vehicle: str, meter: str, since: datetime | None = None, **body: Any) -> Any:
    times = {} if since is None else {"from": text(since)}
    return client.put(f"/v1/links/{vehicle}", json={"meterId": meter, **times, **body})


def test_a_link_made_by_mistake_is_removed_at_its_own_from(client: Any) -> None:
    put(client, "V-1", "M-9", NOW)
    answer = client.delete("/v1/links/V-1", params={"at": text(NOW)})
    assert (answer.status_code, answer.json()) == (
        200,
        {"vehicleId": "V-1", "meterId": "M-9", "from": text(NOW), "to": None, "removed": True},
    )
    assert links(client) == []
    assert put(client, "V-1", "M-1", NOW).status_code == 201


def test_a_link_is_removed_wholly_if_so_told(client: Any) -> None:
    put(client, "V-1", "M-9")
    answer = client.delete("/v1/links/V-1", params={"remove": "true"})
    assert (answer.json()["removed"], answer.json()["to"]) == (True, None)
    assert links(client) == []
    assert client.delete("/v1/links/V-1", params={"remove": "true"}).status_code == 404


def test_a_delete_that_is_sent_again_does_not_remove_the_link_after(client: Any) -> None:
    put(client, "V-1", "M-1")
    for status in (200, 404):
        answer = client.delete("/v1/links/V-1", params={"at": text(NOW)})
        assert answer.status_code == status
    put(client, "V-1", "M-2", NOW)
    answer = client.delete("/v1/links/V-1", params={"at": text(NOW)})
    assert (answer.status_code, len(links(client))) == (409, 2)
    assert "remove=true" in answer.json()["hint"]


def test_a_conflict_says_how_to_replace_and_that_works(client: Any) -> None:
    put(client, "V-1", "M-9", NOW - HOUR)
    answer = put(client, "V-1", "M-1", NOW)
    assert answer.status_code == 409
    assert '"replace": true' in answer.json()["hint"]
    assert put(client, "V-1", "M-1", NOW, replace=True).status_code == 201
    assert links(client) == [
        ("V-1", "M-9", text(NOW - HOUR), text(NOW)),
        ("V-1", "M-1", text(NOW), None),
    ]


@pytest.mark.shares_a_service
@pytest.mark.parametrize("replace", ["yes", 1, None])
def test_replace_is_true_or_false(client: Any, replace: Any) -> None:
    answer = put(client, "V-1", "M-1", replace=replace)
    assert answer.status_code == 400
    assert '"replace"' in answer.json()["detail"]


def test_what_a_delete_answers_is_as_the_document_says(client: Any) -> None:
    document = client.get("/docs/openapi.json").json()
    operation = document["paths"]["/v1/links/{vehicle_id}"]["delete"]
    schema = operation["responses"]["200"]["content"]["application/json"]["schema"]
    for params in ({"at": text(NOW)}, {"remove": "true"}):
        put(client, "V-1", "M-1", replace=True)
        answer = client.delete("/v1/links/V-1", params=params)
        assert answer.status_code == 200
        jsonschema_rs.validate({**schema, "components": document["components"]}, answer.json())


@pytest.mark.shares_a_service
@pytest.mark.parametrize("name", ["from", "to"])
@pytest.mark.parametrize("number", [SECONDS, 946_684_800, 4_102_444_799])
def test_a_links_time_in_seconds_is_400_saying_so(client: Any, name: str, number: int) -> None:
    answer = put(client, "V-1", "M-1", **{name: number})
    assert answer.status_code == 400
    assert f'"{name}" looks like seconds' in answer.json()["detail"]
    assert f"{number}000" in answer.json()["detail"]
    assert links(client) == []


@pytest.mark.shares_a_service
@pytest.mark.parametrize(
    "path",
    [
        "/v1/analytics/performance/V-1?from={}",
        "/v1/analytics/performance/V-1/hourly?to={}",
        "/v1/analytics/fleet?from={}",
        "/v1/links?after=V-1&afterFrom={}",
    ],
)
def test_a_time_in_seconds_is_400_saying_so_wherever_it_stands(client: Any, path: str) -> None:
    answer = client.get(path.format(SECONDS))
    assert answer.status_code == 400
    assert "looks like seconds" in answer.json()["detail"]
    assert client.delete(f"/v1/links/V-1?at={SECONDS}").status_code == 400


@pytest.mark.shares_a_service
@pytest.mark.parametrize(
    "body",
    [
        {"from": "1970-01-21T18:36:40Z"},
        {"from": 0},
        {"from": 946_684_799_999},
        {"to": "1999-12-31T23:59:59Z"},
        {"from": "2100-01-01T00:00:00Z"},
        {"to": "9999-12-31T00:00:00Z"},
    ],
)
def test_a_link_of_years_that_no_link_can_be_of_is_400(client: Any, body: Any) -> None:
    answer = put(client, "V-1", "M-1", **body)
    assert answer.status_code == 400
    assert "2000 to 2099" in answer.json()["detail"]
    assert answer.json()["hint"]
    assert links(client) == []


def test_a_window_may_start_in_any_year_that_is_told_as_such(client: Any) -> None:
    for begin in ("1970-01-21T18:36:40Z", "-1000", "0", "946684799", str(SECONDS * 1000)):
        params = {"from": begin, "to": text(NOW + timedelta(days=3650))}
        answer = client.get("/v1/analytics/performance/V-1", params=params)
        assert answer.status_code == 200


def test_a_link_reaches_no_charging_that_is_kept_for_good(
    client: Any, connection: Connection
) -> None:
    charge(connection, NOW - 3 * HOUR, 120)
    settle_and_keep(connection)
    gone = NOW - HOUR
    connection.execute(
        "UPDATE telemetry.dataset SET complete_since = %s WHERE dataset LIKE '%%reading'", [gone]
    )
    answer = client.put("/v1/links/V-1", json={"meterId": "M-1"})
    assert answer.status_code == 409
    assert "kept for good" in answer.json()["detail"]
    assert 'Send a "from" of' in answer.json()["hint"]
    put = client.put("/v1/links/V-1", json={"meterId": "M-1", "from": text(NOW)})
    assert put.status_code == 201
