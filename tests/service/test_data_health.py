"""Health of the data: who is silent or late, what was refused, what registers did, what waits."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from tests.service.test_reads import HOUR, text
from tests.support.http import meter, vehicle
from tests.support.keys import bearer, make_key
from tests.support.readings import NOW, Connection

PATH = "/v1/data-health"
MINUTE = timedelta(minutes=1)


def health(client: Any, **params: Any) -> Any:
    answer = client.get(PATH, params=params)
    assert answer.status_code == 200, answer.text
    return answer.json()


def just_now() -> datetime:
    return datetime.now(UTC).replace(microsecond=0)


def counts(told: Any, side: str) -> tuple[int, int, int]:
    """How many devices of a side there are, are silent, and late."""
    [found] = [one for one in told["devices"] if one["side"] == side]
    return found["devices"], found["silent"], found["late"]


def ids(told: Any, name: str) -> list[tuple[str, str]]:
    return [(one["side"], one["id"]) for one in told[name]]


def test_nothing_is_wrong_with_no_data(client: Any) -> None:
    told = health(client)
    assert counts(told, "meter") == counts(told, "vehicle") == (0, 0, 0)
    lists = ("silent", "late", "refused", "discarded", "registerEvents")
    assert {name: told[name] for name in lists} == {name: [] for name in lists}
    assert told["openRegisterEvents"] == 0
    assert told["waiting"] == {
        "settling": 0,
        "settlingSince": None,
        "charging": 0,
        "chargingSince": None,
        "failing": 0,
    }


def test_silent_is_who_reported_nothing_for_long_while_others_did(client: Any, post: Any) -> None:
    post([meter("M-1", NOW - 50 * HOUR), meter("M-2", NOW - 30 * HOUR), vehicle("V-1", NOW)])
    post(meter("M-3", just_now()))
    told = health(client)
    assert (counts(told, "meter")[:2], counts(told, "vehicle")[:2]) == ((3, 2), (1, 0))
    # what fell silent last comes first
    assert ids(told, "silent") == [("meter", "M-2"), ("meter", "M-1")]
    assert told["silent"][0]["timestamp"] == text(NOW - 30 * HOUR)


def test_nobody_waits_for_a_retired_device(client: Any, post: Any) -> None:
    post([meter("M-1", NOW - 50 * HOUR), meter("M-2", NOW - 30 * HOUR), meter("M-3", just_now())])
    for device in ("M-1", "M-2"):
        # one of the two reported after it was retired
        retired = {"retiredAt": text(NOW - 40 * HOUR)}
        assert client.put(f"/v1/devices/meters/{device}", json=retired).status_code == 200
    assert ids(health(client), "silent") == [("meter", "M-2")]


def test_outage_of_all_is_not_the_silence_of_each(client: Any, post: Any) -> None:
    post([meter("M-1", NOW - 50 * HOUR), meter("M-2", NOW - 49 * HOUR)])
    assert health(client)["silent"] == []


def test_late_is_whose_latest_reading_came_long_after_it_was_taken(client: Any, post: Any) -> None:
    post([meter("M-1", just_now() - 3 * HOUR), vehicle("V-1", just_now() - 2 * HOUR)])
    post([meter("M-2", just_now()), meter("M-3", just_now() - 5 * MINUTE)])
    told = health(client)
    assert ids(told, "late") == [("meter", "M-1"), ("vehicle", "V-1")]
    assert (counts(told, "meter")[2], counts(told, "vehicle")[2]) == (1, 1)
    before = {"from": text(NOW - 24 * HOUR), "to": text(NOW - HOUR)}
    assert health(client, **before)["late"] == []


def test_refused_readings_are_told_by_reason_with_what_to_fix(client: Any, post: Any) -> None:
    post([meter("M-1", NOW), meter("M-1", NOW, kwhConsumedAc=0.5)])
    post([meter("M-1"), meter("M-2", kwhConsumedAc=-1)])
    post([meter("M-1"), meter("M-3", kwhConsumedAc=-2)])
    post([vehicle("V-1"), vehicle("V-2", soc=101)])
    post(b"{")
    told = health(client)["refused"]
    assert [(one["reason"], one["side"], one["readings"], one["devices"]) for one in told] == [
        ("out_of_range", "meter", 2, 2),
        ("conflict", "meter", 1, 1),
        ("malformed", None, 1, 0),
        ("out_of_range", "vehicle", 1, 1),
    ]
    first = told[0]
    assert first["exampleOf"] == "M-3"
    assert "kwhConsumedAc" in first["example"] or "energy" in first["example"]
    earlier = {"from": text(NOW - 24 * HOUR), "to": text(NOW - HOUR)}
    assert health(client, **earlier)["refused"] == []


def test_measurements_that_were_taken_as_not_reported_are_counted(
    client: Any, post: Any, connection: Connection
) -> None:
    connection.execute(
        "SELECT ops.set_limit('vehicle_reading', 'soc_percent', when_outside => 'store_null')"
    )
    readings = [vehicle("V-1", NOW - n * MINUTE, soc=255) for n in range(3)]
    assert post(readings).status_code == 201
    [told] = health(client)["discarded"]
    assert told == {
        "side": "vehicle",
        "field": "soc_percent",
        "devices": 1,
        "readings": 3,
        "newest": text(NOW),
    }


def test_open_events_of_registers_come_first_however_old(
    client: Any, connection: Connection
) -> None:
    for device, hours, event in (
        ("M-1", 94, "reset"),
        ("M-2", 3, "glitch"),
        ("M-3", 2, "jump"),
        ("M-4", 94, "glitch"),
    ):
        connection.execute(
            "INSERT INTO telemetry.register_event (dataset, device_id, happened_at, event,"
            " source_day, booked_mwh, explained_mwh, is_final)"
            " VALUES ('meter_reading', %s, %s, %s, %s, 3123456, -1, true)",
            [device, NOW - hours * HOUR, event, (NOW - hours * HOUR).date()],
        )
    told = health(client)
    assert told["openRegisterEvents"] == 2
    found = [(one["id"], one["event"], one["state"]) for one in told["registerEvents"]]
    assert found == [
        ("M-3", "jump", "open"),
        ("M-1", "reset", "open"),
        ("M-2", "glitch", "settled"),
    ]
    event = told["registerEvents"][1]
    assert (event["side"], event["happenedAt"]) == ("meter", text(NOW - 94 * HOUR))
    assert (event["bookedKwh"], event["explainedKwh"]) == (3.123456, -0.000001)


def test_what_waits_is_told(client: Any, connection: Connection) -> None:
    connection.execute(
        "INSERT INTO telemetry.settle_queue (dataset, device_id, day, due_at, retry_at, last_error)"
        " VALUES ('meter_reading', 'M-1', current_date, now() - interval '1 hour',"
        " now() + interval '1 hour', 'broken')"
    )
    connection.execute(
        "INSERT INTO telemetry.charging_queue (dataset, device_id, day, is_certain, retry_at)"
        " VALUES ('meter_reading', 'M-1', current_date, true, now() + interval '1 hour')"
    )
    waiting = health(client)["waiting"]
    assert (waiting["settling"], waiting["charging"], waiting["failing"]) == (1, 1, 1)
    assert waiting["settlingSince"]
    assert waiting["chargingSince"]


def test_lists_are_bounded(client: Any, post: Any) -> None:
    post([meter(f"M-{number}", just_now() - 3 * HOUR) for number in range(120)])
    told = health(client)
    assert (len(told["late"]), counts(told, "meter")[2]) == (100, 120)


def test_empty_window_is_400(client: Any) -> None:
    answer = client.get(PATH, params={"from": text(NOW), "to": text(NOW)})
    assert answer.status_code == 400
    assert "window" in answer.json()["detail"]


def test_key_for_some_devices_is_refused(client: Any, database_url: str) -> None:
    some = bearer(make_key(database_url, "read", devices=["vehicle:V-1"]))
    assert client.get(PATH, headers=some).status_code == 403
