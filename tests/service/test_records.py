"""Records of the ledger over HTTP, events of registers, and hours that are explained."""

from __future__ import annotations

import json
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from tests.service.test_reads import HOUR, text
from tests.support.http import meter, vehicle
from tests.support.keys import bearer, key_id, make_key
from tests.support.ledger import settle
from tests.support.readings import NOW, Connection

MINUTE = timedelta(minutes=1)
BEGIN = NOW.replace(minute=0) - 6 * HOUR
RECORDS = "/v1/records"


def register(minutes: int, kwh: float) -> dict[str, Any]:
    """What a register shows so long after the hour began."""
    ts = BEGIN + minutes * MINUTE
    return {"meterId": "M-1", "kwhTotalAc": kwh, "timestamp": ts.isoformat()}


def exact(answer: Any) -> Any:
    """An answer with all digits of its numbers."""
    assert answer.status_code in (200, 201), answer.text
    return json.loads(answer.content, parse_float=Decimal)


def explained(client: Any, side: str = "meters/M-1", hour: Any = BEGIN) -> Any:
    """An hour whose parts come to it."""
    told = exact(client.get(f"/v1/explain/{side}", params={"hour": text(hour)}))
    entries = sum(one["energyKwh"] for one in told["entries"])
    follows = sum(one["energyKwh"] for part in ("readings", "records") for one in told[part])
    assert told["knownBy"] == "readings"
    assert told["energyKwh"] == entries
    assert told["energyKwh"] + told["provisionalKwh"] == follows
    assert all(one["sentence"] for part in ("readings", "records", "entries") for one in told[part])
    return told


def billed(client: Any, connection: Connection) -> Any:
    """The hour once all is settled, which is as bi has it."""
    settle(connection)
    told = explained(client)
    assert told["provisionalKwh"] == 0
    row = connection.execute(
        "SELECT sum(m.energy_kwh) FROM bi.meter_energy_hourly AS m"
        " WHERE m.meter_id = 'M-1' AND m.bucket = %s",
        [BEGIN],
    ).fetchone()
    assert row == (told["energyKwh"],)
    return told


def test_a_wrong_reading_is_corrected_in_one_call_and_taken_back_in_another(
    client: Any, post: Any, connection: Connection
) -> None:
    times = [BEGIN + n * 5 * MINUTE for n in range(1, 12)]
    post([meter(ts=ts, kwhConsumedAc=0.5 if n else 420) for n, ts in enumerate(times)])
    wrong = billed(client, connection)
    assert wrong["energyKwh"] > 420
    said = {"record": "correction", "meterId": "M-1", "at": text(times[0]), "valueKwh": 0.42}
    for status in (201, 200):  # sent again it is no second one
        answer = client.post(RECORDS, json={**said, "reason": "a typing error"})
        assert answer.status_code == status
    made = exact(answer)
    assert (made["reportedKwh"], made["valueKwh"], made["state"]) == (
        420,
        Decimal("0.42"),
        "stands",
    )
    right = billed(client, connection)
    assert right["energyKwh"] == wrong["energyKwh"] - 420 + Decimal("0.42")
    (reading,) = [one for one in right["readings"] if one["recordId"] == made["recordId"]]
    assert (reading["reportedKwh"], reading["correctedKwh"]) == (420, Decimal("0.42"))
    assert "should have been 0.42 kWh" in reading["sentence"]
    (record,) = right["records"]
    assert (record["recordId"], record["reason"]) == (made["recordId"], "a typing error")
    assert "The reason: a typing error." in record["sentence"]

    answer = client.post(f"{RECORDS}/{made['recordId']}/cancel", json={"reason": "it was right"})
    assert (answer.status_code, answer.json()["cancels"]) == (201, made["recordId"])
    again = client.post(f"{RECORDS}/{made['recordId']}/cancel", json={"reason": "it was right"})
    assert (again.status_code, again.json()) == (200, answer.json())
    back = billed(client, connection)
    assert back["energyKwh"] == wrong["energyKwh"]
    assert [(one["record"], one["state"]) for one in back["records"]] == [
        ("correction", "cancelled"),
        ("cancellation", "stands"),
    ]
    assert client.get(f"{RECORDS}/{made['recordId']}").json()["state"] == "cancelled"
    again = client.post(f"{RECORDS}/{made['recordId']}/cancel", json={"reason": "again"})
    assert (again.status_code, "already" in again.json()["detail"]) == (400, True)


def test_energy_is_booked_and_an_exchange_and_a_withdrawn_reading_are_told(
    client: Any, post: Any, connection: Connection
) -> None:
    levels = [(1, 100), (11, 101), (21, 5), (31, 6), (41, 6.5)]
    post([register(n, kwh) for n, kwh in levels])
    base = {"meterId": "M-1", "reason": "as the fitter wrote"}
    for said in (
        {"record": "exchange", "at": BEGIN + 15 * MINUTE, "finalKwh": 101.2, "initialKwh": 4.9},
        {"record": "booking", "from": BEGIN, "at": BEGIN + 30 * MINUTE, "energyKwh": -0.25},
        {"record": "correction", "at": BEGIN + 41 * MINUTE, "withdraw": True},
    ):
        sent = {k: text(v) if k in ("from", "at") else v for k, v in said.items()}
        assert client.post(RECORDS, json={**base, **sent}).status_code == 201
    told = billed(client, connection)
    # 1 before, 0.2 by the old one, 0.1 and 1 by the new one, less what was booked
    assert told["energyKwh"] == Decimal("2.05")
    listed = client.get(RECORDS, params={"meter": "M-1"}).json()["records"]
    assert [one["record"] for one in listed] == ["correction", "booking", "exchange"]
    params = {"from": text(BEGIN + 40 * MINUTE), "to": text(BEGIN + HOUR)}
    found = client.get(RECORDS, params=params).json()["records"]
    assert [one["record"] for one in found] == ["correction"]
    assert client.get(RECORDS, params={"vehicle": "M-1"}).json()["records"] == []


def test_a_reset_is_listed_until_somebody_resolves_it(
    client: Any, post: Any, connection: Connection
) -> None:
    levels = [(1, 100), (11, 101), (21, 5), (31, 6), (41, 6.5)]
    post([register(n, kwh) for n, kwh in levels])
    settle(connection)
    (event,) = client.get("/v1/register-events", params={"state": "open"}).json()["events"]
    assert (event["meterId"], event["event"]) == ("M-1", "reset")
    assert "fell" in event["sentence"]
    told = explained(client)
    assert [one["event"] for one in told["events"]] == ["reset"]
    said = {"record": "resolution", "meterId": "M-1", "at": event["at"], "reason": "as it is"}
    assert client.post(RECORDS, json={**said, "resolution": "book"}).status_code == 400
    answer = client.post(RECORDS, json={**said, "resolution": "book", "energyKwh": 1})
    assert answer.status_code == 201
    assert client.get("/v1/register-events", params={"state": "open"}).json()["events"] == []
    (event,) = client.get("/v1/register-events", params={"meter": "M-1"}).json()["events"]
    assert event["state"] == "settled"
    assert billed(client, connection)["energyKwh"] == told["energyKwh"] + 1


def test_a_record_names_the_key_that_made_it(client: Any, post: Any, database_url: str) -> None:
    post([vehicle(ts=BEGIN)])
    key = make_key(database_url, "admin", note="billing")
    said = {"record": "booking", "vehicleId": "V-1", "from": text(BEGIN), "at": text(BEGIN)}
    answer = client.post(RECORDS, json={**said, "energyKwh": 1, "reason": "x"}, headers=bearer(key))
    assert answer.status_code == 201
    assert answer.json()["madeBy"] == f"key {key_id(key)} (billing)"
    told = explained(client, "vehicles/V-1")
    assert (told["vehicleId"], told["meterId"]) == ("V-1", None)
    assert told["records"][0]["madeBy"] == answer.json()["madeBy"]


@pytest.mark.shares_a_service
@pytest.mark.parametrize(
    ("said", "status"),
    [
        ({}, 400),
        ({"vehicleId": "V-1"}, 400),
        ({"meterId": "nobody"}, 400),
        ({"record": "correction", "valueKwh": 1}, 400),
        ({"record": "correction"}, 400),
        ({"record": "exchange"}, 400),
        ({"record": "cancellation"}, 400),
        ({"record": "resolution", "resolution": "book"}, 400),
        ({"energyKwh": 1e10}, 400),
        ({"from": None}, 400),
        ({"from": text(NOW), "at": text(BEGIN)}, 400),
        ({"reason": ""}, 400),
        ({"at": "2100-01-01T00:00:00Z"}, 400),
        ({"more": 1}, 400),
    ],
)
def test_what_is_no_record_is_refused(
    client: Any, connection: Connection, said: dict[str, Any], status: int
) -> None:
    client.post("/v1/ingest", json=[meter(ts=BEGIN), vehicle(ts=BEGIN)])
    good = {"record": "booking", "from": text(BEGIN), "at": text(NOW), "energyKwh": 1}
    sent = {**good, "reason": "x", **({} if not said else {"meterId": "M-1"}), **said}
    answer = client.post(RECORDS, json=sent)
    assert answer.status_code == status, answer.text
    rows = connection.execute("SELECT FROM telemetry.ledger_record").fetchall()
    assert rows == []


@pytest.mark.shares_a_service
def test_what_nobody_knows_is_404_and_what_is_kept_no_more_410(client: Any) -> None:
    for path in (f"{RECORDS}/999", f"{RECORDS}/x", "/v1/explain/meters/nobody"):
        assert client.get(path, params={"hour": text(NOW)}).status_code == 404
    assert client.post(f"{RECORDS}/999/cancel", json={"reason": "x"}).status_code == 404
    client.post("/v1/ingest", json=[meter(ts=BEGIN)])
    assert client.get("/v1/explain/meters/M-1").status_code == 400
    answer = client.get("/v1/explain/meters/M-1", params={"hour": "2001-01-01T00:00:00Z"})
    assert (answer.status_code, "/v1/reports/month" in answer.json()["hint"]) == (410, True)


def test_an_hour_without_raw_readings_is_known_by_itself(
    client: Any, post: Any, connection: Connection
) -> None:
    post([meter(ts=BEGIN + n * MINUTE, kwhConsumedAc=0.5) for n in range(1, 60, 5)])
    known = billed(client, connection)
    connection.execute(
        "UPDATE telemetry.dataset SET complete_since = %s WHERE dataset = 'meter_reading'",
        [BEGIN + HOUR],
    )
    told = exact(client.get("/v1/explain/meters/M-1", params={"hour": text(BEGIN)}))
    assert (told["knownBy"], told["energyKwh"]) == ("hour", known["energyKwh"])
    assert "not kept any more" in told["sentence"]
    assert told["readings"] == told["entries"] == []


def test_a_key_for_some_devices_reads_what_is_of_them_and_makes_no_records(
    client: Any, post: Any, database_url: str
) -> None:
    post([meter(ts=BEGIN), meter("M-2", ts=BEGIN)])
    said = {"record": "booking", "from": text(BEGIN), "at": text(BEGIN), "energyKwh": 1}
    for name in ("M-1", "M-2"):
        body = {**said, "meterId": name, "reason": "x"}
        assert client.post(RECORDS, json=body).status_code == 201
    key = bearer(make_key(database_url, "admin", devices=["M-1"]))
    found = client.get(RECORDS, params={"meter": "M-1"}, headers=key).json()["records"]
    assert [one["meterId"] for one in found] == ["M-1"]
    hour = {"hour": text(BEGIN)}
    assert client.get("/v1/explain/meters/M-1", params=hour, headers=key).status_code == 200
    assert client.get("/v1/register-events?meter=M-1", headers=key).status_code == 200
    refused = [
        client.get(RECORDS, headers=key),
        client.get(RECORDS, params={"meter": "M-2"}, headers=key),
        client.get(f"{RECORDS}/1", headers=key),
        client.get("/v1/register-events", headers=key),
        client.get("/v1/explain/meters/M-2", params=hour, headers=key),
        client.post(RECORDS, json={**said, "meterId": "M-1", "reason": "y"}, headers=key),
        client.post(f"{RECORDS}/1/cancel", json={"reason": "y"}, headers=key),
    ]
    assert [answer.status_code for answer in refused] == [403] * len(refused)
