"""Events: a browser hears of what is stored within moments, of its own devices, until the end."""

from __future__ import annotations

import io
import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from queue import Queue
from typing import Any

import httpx
import psycopg
import pytest

from service.app import create_app, logged
from service.cli.serve import PROTOCOL
from service.page import changes as of_page
from service.settings import Settings
from tests.support.http import meter, vehicle, wait_for, wait_until_ready
from tests.support.in_process import Peer, listening
from tests.support.keys import bearer, key_id, make_key
from tests.support.readings import Connection
from tests.support.server import as_service

EVENTS = "/v1/events"
# a machine that does much else may take so long
SECONDS = 20.0


class Ear:
    """One who listens, in a thread."""

    def __init__(self, url: str, headers: dict[str, str], **params: str) -> None:
        self._heard: Queue[tuple[str, Any, str | None]] = Queue()
        self._url, self._headers, self._params = url, headers, params
        self.headers: httpx.Headers | None = None
        self.status = 0
        self._thread = threading.Thread(target=self._listen, daemon=True)
        self._thread.start()

    def _listen(self) -> None:
        try:
            with httpx.stream(
                "GET", self._url, headers=self._headers, params=self._params, timeout=SECONDS * 2
            ) as answer:
                self.headers, self.status = answer.headers, answer.status_code
                fields: dict[str, str] = {}
                for line in answer.iter_lines():
                    name, _, value = line.partition(": ")
                    if name:
                        fields[name] = value
                    elif fields:
                        if "event" in fields:
                            data = json.loads(fields["data"])
                            self._heard.put((fields["event"], data, fields.get("id")))
                        fields = {}
            self._heard.put(("closed", None, None))
        except httpx.HTTPError as error:
            self._heard.put(("broken", str(error), None))

    def next(self) -> tuple[str, Any, str | None]:
        """The next event: its name, data and id."""
        return self._heard.get(timeout=SECONDS)

    def hears(self, **wanted: Any) -> dict[str, Any]:
        """Wait for a change that has such parts; return all of it."""
        deadline = time.monotonic() + SECONDS
        while True:
            name, data, _ = self.next()
            assert name == "changed", (name, data)
            if all(data.get(part) == value for part, value in wanted.items()):
                return data
            assert time.monotonic() < deadline

    def ready(self) -> bool:
        """Wait until what changes is told; whether some was missed."""
        name, data, _ = self.next()
        assert name == "ready", (name, data)
        return data["missed"]

    def hears_nothing(self, seconds: float = 2.5) -> bool:
        """Whether nothing comes for so long."""
        time.sleep(seconds)
        return self._heard.empty()


@contextmanager
def serving(url: str, stream: io.StringIO | None = None, **chosen: Any) -> Iterator[str]:
    settings = Settings(**chosen)
    app = logged(create_app(url, settings), settings, stream or io.StringIO())
    with listening(app, PROTOCOL) as port:
        found = f"http://127.0.0.1:{port}"
        wait_until_ready(lambda: httpx.get(f"{found}/health/ready").status_code)
        yield found


@pytest.fixture
def url(service_url: str) -> Iterator[str]:
    with serving(service_url, key_cache_seconds=0.5) as found:
        yield found


def post(url: str, *readings: dict[str, Any]) -> None:
    answer = httpx.post(f"{url}/v1/ingest", json=list(readings), headers=bearer())
    assert answer.status_code == 201, answer.text


def test_reading_is_told_within_moments(url: str) -> None:
    ear = Ear(url + EVENTS, bearer())
    assert ear.ready()
    assert ear.headers is not None
    assert ear.headers["content-type"] == "text/event-stream; charset=utf-8"
    assert ear.headers["cache-control"] == "no-store"
    posted = time.monotonic()
    post(url, meter("M-1"), vehicle("V-1"))
    ear.hears(meters=["M-1"], vehicles=["V-1"])
    took = time.monotonic() - posted
    print(f"told after {took:.2f} s")
    post(url, meter("M-2"))
    # what was told is not told again
    assert ear.hears(meters=["M-2"]) == {"meters": ["M-2"]}


def test_reading_that_another_service_stored_is_told(url: str, service_url: str) -> None:
    ear = Ear(url + EVENTS, bearer())
    ear.ready()
    with serving(service_url) as other:
        post(other, meter("M-7"))
    ear.hears(meters=["M-7"])


def test_alert_is_told_when_it_opens_and_when_it_is_acknowledged(
    url: str, connection: Connection
) -> None:
    connection.execute("SELECT telemetry.start_alert('silent', 'M-0', '', now(), 'warning')")
    ear = Ear(url + EVENTS, bearer())
    ear.ready()
    connection.execute("SELECT telemetry.start_alert('silent', 'M-1', '', now(), 'warning')")
    name, data, _ = ear.next()
    assert name == "changed"
    [told] = data["alerts"]
    assert {**told, "alertId": 0} == {
        "alertId": 0,
        "change": "opened",
        "meterId": "M-1",
        "vehicleId": None,
    }
    path = f"{url}/v1/alerts/{told['alertId']}/acknowledge"
    assert httpx.post(path, headers=bearer()).status_code == 200
    ear.hears(alerts=[{**told, "change": "acknowledged"}])


def test_charging_that_is_kept_anew_is_told(url: str, connection: Connection) -> None:
    ear = Ear(url + EVENTS, bearer())
    ear.ready()
    connection.execute(
        "INSERT INTO telemetry.charging_progress (dataset, device_id, seen_at, kept_at)"
        " VALUES ('meter_reading', 'M-1', now(), now())"
    )
    name, data, _ = ear.next()
    assert (name, set(data)) == ("changed", {"chargingKeptAt"})


def test_named_device_alone_is_told_of(url: str) -> None:
    ear = Ear(url + EVENTS, bearer(), vehicle="V-1", meter="M-1")
    ear.ready()
    post(url, meter("M-2"), vehicle("V-2"))
    post(url, vehicle("V-1"))
    assert ear.hears(vehicles=["V-1"]) == {"vehicles": ["V-1"]}


def test_key_for_some_devices_hears_of_them_alone(url: str, database_url: str) -> None:
    some = bearer(make_key(database_url, "read", devices=["vehicle:V-1"]))
    assert httpx.get(url + EVENTS, headers=some).status_code == 403
    assert httpx.get(url + EVENTS, headers=some, params={"vehicle": "V-2"}).status_code == 403
    both = {"vehicle": "V-1", "meter": "M-1"}
    assert httpx.get(url + EVENTS, headers=some, params=both).status_code == 403
    ear = Ear(url + EVENTS, some, vehicle="V-1")
    ear.ready()
    post(url, meter("M-1"), vehicle("V-2"), vehicle("V-1"))
    assert ear.hears(vehicles=["V-1"]) == {"vehicles": ["V-1"]}


def test_too_many_are_not_named(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(of_page, "_MOST_NAMED", 3)
    ear, one = Ear(url + EVENTS, bearer()), Ear(url + EVENTS, bearer(), meter="M-1")
    ear.ready(), one.ready()
    post(url, *(meter(f"M-{number}") for number in range(5)))
    assert ear.hears(manyMeters=True) == {"manyMeters": True}
    assert one.hears() == {"meters": ["M-1"]}
    # told once, though they are still of the last seconds
    assert ear.hears_nothing()


def test_revoked_key_hears_no_more(url: str, connection: Connection, database_url: str) -> None:
    key = make_key(database_url, "read")
    ear = Ear(url + EVENTS, bearer(key))
    ear.ready()
    connection.execute("SELECT ops.revoke_key(%s)", [key_id(key)])
    assert ear.next() == ("end", {"reason": "key"}, None)
    assert ear.next()[0] == "closed"


def test_browser_that_is_signed_in_hears_until_the_cookie_ends(service_url: str) -> None:
    chosen = {"key_cache_seconds": 0.5, "sign_in_minutes": 3 / 60}
    with serving(service_url, **chosen) as url:
        key = bearer()["Authorization"].removeprefix("Bearer ")
        cookie = httpx.post(f"{url}/session", json={"key": key}).headers["set-cookie"]
        ear = Ear(url + EVENTS, {"Cookie": cookie.split(";")[0]})
        ear.ready()
        assert ear.next() == ("end", {"reason": "key"}, None)


def test_who_comes_back_is_told_what_came_meanwhile(url: str) -> None:
    stays, ear = Ear(url + EVENTS, bearer()), Ear(url + EVENTS, bearer())
    stays.ready(), ear.ready()
    post(url, meter("M-1"))
    number = ear.next()[2]
    assert number
    stays.hears(meters=["M-1"])
    post(url, meter("M-2"))
    stays.hears(meters=["M-2"])
    again = Ear(url + EVENTS, {**bearer(), "Last-Event-ID": number})
    assert not again.ready()
    again.hears(meters=["M-2"])
    # one that is not known has missed something
    assert Ear(url + EVENTS, {**bearer(), "Last-Event-ID": "1"}).ready()


def test_who_does_not_keep_up_is_told_to_ask_anew() -> None:
    listener = of_page.Listener()
    for number in range(60):
        listener.tell(of_page.Numbered(str(number), of_page.Event(meters=["M-1"])))
    assert listener.missed


def test_stopping_ends_all_at_once(service_url: str) -> None:
    with serving(service_url) as url:
        ears = [Ear(url + EVENTS, bearer()) for _ in range(3)]
        for ear in ears:
            ear.ready()
        began = time.monotonic()
    # not after the time that requests have to end
    assert time.monotonic() - began < 15
    for ear in ears:
        assert ear.next() == ("end", {"reason": "stopping"}, None)
        assert ear.next()[0] == "closed"


def test_listening_for_long_is_no_slow_request(service_url: str) -> None:
    stream = io.StringIO()
    with serving(service_url, stream, slow_milliseconds=500.0) as url:
        ear = Ear(url + EVENTS, bearer())
        ear.ready()
        time.sleep(1)
        metrics = f"{url}/metrics"
    [line] = [one for one in stream.getvalue().splitlines() if f"GET {EVENTS} 200" in one]
    assert not line.endswith(" slow")
    assert metrics


def test_too_many_listeners_are_turned_away(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(of_page, "_MOST_LISTENERS", 1)
    Ear(url + EVENTS, bearer()).ready()
    answer = httpx.get(url + EVENTS, headers=bearer())
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")


def test_who_hangs_up_is_forgotten(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(of_page, "_MOST_LISTENERS", 1)
    port = int(url.rpartition(":")[2])
    request = f"GET {EVENTS} HTTP/1.1\r\nHost: x\r\n"
    request += f"Authorization: {bearer()['Authorization']}\r\n\r\n"
    with Peer(port) as peer:
        peer.send(request.encode())
        assert peer.head()[0] == 200
        peer.read(1000)
    wait_for(lambda: _status(url) == 200)


def _status(url: str) -> int:
    with httpx.stream("GET", url + EVENTS, headers=bearer()) as answer:
        return answer.status_code


def test_head_ends_at_once(url: str) -> None:
    answer = httpx.head(url + EVENTS, headers=bearer())
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/event-stream")


def test_database_that_is_away_for_a_while_is_asked_again(
    service_url: str, database_url: str
) -> None:
    name = psycopg.conninfo.conninfo_to_dict(database_url)["dbname"]
    with serving(service_url, key_cache_seconds=30.0) as url:
        ear = Ear(url + EVENTS, bearer())
        ear.ready()
        with psycopg.connect(database_url, autocommit=True, dbname="postgres") as admin:
            admin.execute(
                "SELECT pg_terminate_backend(a.pid) FROM pg_stat_activity AS a"
                " WHERE a.datname = %s AND a.pid <> pg_backend_pid()",
                [name],
            )
        wait_for(lambda: _posts(url))
        ear.hears(meters=["M-1"])


def _posts(url: str) -> bool:
    answer = httpx.post(f"{url}/v1/ingest", json=meter("M-1"), headers=bearer())
    return answer.status_code in (200, 201)


def test_service_reads_as_its_own_login(database_url: str) -> None:
    with psycopg.connect(as_service(database_url), autocommit=True) as connection:
        row = connection.execute("SELECT c.as_of FROM api.changes_since() AS c").fetchone()
    assert row is not None
