"""Keys of requests to ingest readings: asked about, waited for, remembered, by either way."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest

from service.http.connection import Connection as Protocol
from tests.http.running import PROTOCOLS, Running, dumped, running
from tests.http.running import request as posted
from tests.support.http import meter, vehicle
from tests.support.in_process import Peer
from tests.support.keys import key_id, make_key
from tests.support.readings import NOW, Connection, meter_history

CACHE_SECONDS = 0.4
MINUTE = timedelta(minutes=1)


@pytest.fixture(params=PROTOCOLS)
def protocol(request: pytest.FixtureRequest) -> type[Protocol]:
    return request.param


@pytest.fixture
def service(
    service_url: str, monkeypatch: pytest.MonkeyPatch, protocol: type[Protocol]
) -> Iterator[Running]:
    with running(service_url, monkeypatch, protocol, key_cache_seconds=CACHE_SECONDS) as started:
        yield started


def request(key: str | None, *readings: dict[str, Any]) -> bytes:
    return posted(dumped(*readings), key=key)


def readings(count: int) -> list[dict[str, Any]]:
    return [meter(ts=NOW - timedelta(minutes=n)) for n in range(count)]


def test_a_key_is_looked_up_once_it_is_needed(service: Running, database_url: str) -> None:
    key = make_key(database_url, "ingest")
    with Peer(service.port) as peer:
        for reading in readings(3):
            peer.send(request(key, reading))
            assert peer.answer()[0] == 201
    service.assert_by_lane()


def test_what_is_sent_ahead_while_a_key_is_looked_up_is_answered_in_order(
    service: Running, database_url: str, connection: Connection
) -> None:
    key = make_key(database_url, "ingest")
    with Peer(service.port) as peer:
        peer.send(request(key, readings(1)[0]))
        # in the same moment, and by pieces
        whole = b"".join(request(key, reading) for reading in readings(30)[1:])
        for start in range(0, len(whole), 700):
            peer.send(whole[start : start + 700])
        assert [peer.answer()[0] for _ in range(30)] == [201] * 30
    assert len(meter_history(connection)) == 30


def test_a_client_that_leaves_while_its_key_is_looked_up_harms_nobody(
    service: Running, database_url: str
) -> None:
    for _ in range(10):
        with Peer(service.port) as peer:
            peer.send(request(make_key(database_url, "ingest"), meter()))
    with Peer(service.port) as peer:
        peer.send(request(make_key(database_url, "ingest"), meter()))
        assert peer.answer()[0] == 201


def test_a_revoked_key_is_refused_within_the_stated_time_on_the_same_connection(
    service: Running, database_url: str, connection: Connection
) -> None:
    key = make_key(database_url, "ingest")
    with Peer(service.port) as peer:
        peer.send(request(key, meter()))
        assert peer.answer()[0] == 201
        connection.execute("SELECT ops.revoke_key(%s)", [key_id(key)])
        time.sleep(CACHE_SECONDS)
        peer.send(request(key, meter("M-2")))
        status, headers, body = peer.answer()
        assert (status, headers["www-authenticate"]) == (401, "Bearer")
        assert json.loads(body)["detail"] == "the API key was revoked"
    assert len(meter_history(connection)) == 1


@pytest.mark.parametrize("batch", [1, 2])
def test_a_device_key_posts_for_its_own_device_and_is_refused_for_others(
    service: Running, database_url: str, connection: Connection, batch: int
) -> None:
    key = make_key(database_url, "ingest", devices=["M-1"])
    with Peer(service.port) as peer:
        peer.send(request(key, *readings(batch)))
        assert peer.answer()[0] == 201
        service.assert_by_lane()
        peer.send(request(key, *readings(batch - 1), meter("M-2")))
        assert peer.answer()[0] == 403
    assert len(meter_history(connection)) == batch


def test_every_reading_counts_against_a_keys_rate(service: Running, database_url: str) -> None:
    key = make_key(database_url, "ingest", readings_per_second=0.5, burst_readings=3.0)
    with Peer(service.port) as peer:
        peer.send(request(key, *readings(3)))
        assert peer.answer()[0] == 201
        peer.send(request(key, readings(4)[3]))
        status, headers, _ = peer.answer()
        assert (status, headers["retry-after"]) == (429, "2")


def test_a_body_of_which_nothing_is_taken_costs_a_token(
    service: Running, database_url: str
) -> None:
    key = make_key(database_url, "ingest", readings_per_second=0.001, burst_readings=3.0)
    with Peer(service.port) as peer:
        peer.send(request(key, readings(1)[0]))
        assert peer.answer()[0] == 201
        service.assert_by_lane()
        for status in (400, 400, 429):
            peer.send(request(key, {"x": 1}))
            assert peer.answer()[0] == status


def test_a_body_that_does_not_come_in_time_costs_a_token(
    service_url: str,
    monkeypatch: pytest.MonkeyPatch,
    protocol: type[Protocol],
    database_url: str,
) -> None:
    key = make_key(database_url, "ingest", readings_per_second=0.001, burst_readings=1.0)
    with running(service_url, monkeypatch, protocol, body_timeout_seconds=0.3) as service:
        for status, sent in ((408, request(key, meter())[:-1]), (429, request(key, meter()))):
            with Peer(service.port) as peer:
                peer.send(sent)
                assert peer.answer()[0] == status


def test_what_the_database_refused_is_kept_as_the_keys(
    service: Running, database_url: str, connection: Connection
) -> None:
    key = make_key(database_url, "ingest")
    with Peer(service.port) as peer:
        for sent, status in ((meter(kwhConsumedAc=-1), 400), (meter(), 201), ({"x": 1}, 400)):
            peer.send(request(key, sent))
            assert peer.answer()[0] == status
    rows = connection.execute("SELECT key_id, reason FROM ops.quarantine").fetchall()
    assert sorted(rows) == [(key_id(key), "malformed"), (key_id(key), "out_of_range")]


@pytest.mark.parametrize("scope", ["read", None])
def test_who_may_not_post_is_refused(
    service: Running, database_url: str, connection: Connection, scope: str | None
) -> None:
    with Peer(service.port) as peer:
        peer.send(request(make_key(database_url, scope) if scope else None, meter()))
        assert peer.answer()[0] == (403 if scope else 401)
    assert meter_history(connection) == []


def test_without_keys_nobody_needs_one(
    service_url: str, monkeypatch: pytest.MonkeyPatch, protocol: type[Protocol]
) -> None:
    with (
        running(service_url, monkeypatch, protocol, keys="off") as service,
        Peer(service.port) as peer,
    ):
        peer.send(request(None, meter()))
        assert peer.answer()[0] == 201
        service.assert_by_lane()


def test_logs_and_answers_name_the_key_by_its_id_and_never_hold_the_secret(
    service: Running, database_url: str
) -> None:
    keys = [make_key(database_url, scope) for scope in ("ingest", "read")]
    answers: list[Any] = []
    with Peer(service.port) as peer:
        for key in keys:
            for reading in (meter(), meter(kwhConsumedAc=-1), {"x": 1}):
                peer.send(request(key, reading))
                answers.append(peer.answer())
    told = "".join(service.lines()) + str(answers)
    assert f"key={key_id(keys[0])}" in told
    for key in keys:
        assert key.split("_")[2] not in told


def test_the_sides_of_devices_are_told_apart(
    service: Running, database_url: str, connection: Connection
) -> None:
    key = make_key(database_url, "ingest", devices=["meter:X", "vehicle:Y"])
    with Peer(service.port) as peer:
        for readings_sent, status in (
            ([meter("X")], 201),
            ([vehicle("Y")], 201),
            ([meter("X", NOW - MINUTE), vehicle("Y", NOW - MINUTE)], 201),
        ):
            peer.send(request(key, *readings_sent))
            assert peer.answer()[0] == status
        service.assert_by_lane()
        for refused in ([vehicle("X")], [meter("Y")], [meter("X"), vehicle("X")]):
            peer.send(request(key, *refused))
            assert peer.answer()[0] == 403
    assert len(meter_history(connection)) == 2
