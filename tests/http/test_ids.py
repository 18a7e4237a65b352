"""Any text as an id: it reads back identical everywhere, or is refused with a reason everywhere."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator
from datetime import timedelta
from typing import Any
from urllib.parse import quote

import httpx
import msgspec
import psycopg
import pytest
from hypothesis import HealthCheck, example, given
from hypothesis import strategies as st

from tests.support.examples import examples
from tests.support.http import meter, vehicle
from tests.support.kept_charging import keep
from tests.support.readings import NOW, Connection

AWKWARD = [
    "'; DROP TABLE telemetry.meter_reading; --",
    '"quoted"',
    "$$ || $1 || %s || %(id)s",
    "back\\slash",
    "100%",
    "%00",
    "%2F",
    "%2e%2e",
    "a+b c",
    " leading and trailing ",
    "\u00a0",
    "?x=1&after=2#f",
    ";:@&=+$,",
    "...",
    "..a",
    "~",
    "\u202eright to left",
    "zero\u200bwidth\u200d\ufeff",
    "\u2028line\u2029paragraph",
    "🔋👩🏽‍🔧",
    "e\u0301",
    "\u00e9",
    "ﬁ",
    "İıß",
    "\ue000\U0010fffd",
    "\ufffd",
    "\ufffe\uffff",
    "null",
    "-",
    "{}",
    "*",
    "🔋" * 128,
]
REFUSED = [
    "",
    ".",
    "..",
    "a/b",
    "/",
    "\0",
    "a\0",
    "\x1b[31m",
    "\t",
    "a\n",
    "\x7f",
    "\x85",
    "x" * 129,
]
# of what is likely to go wrong somewhere, and of everything
TEXTS = st.text(
    st.sampled_from("'\"\\%/.?#&+; \0\n\x85\u200b\u202e\u0301é🔋a"), max_size=12
) | st.text(st.characters(exclude_categories=["Cs"]), max_size=140)
MINUTES = itertools.count()


@pytest.fixture(scope="module")
def database(module_url: str) -> Iterator[Connection]:
    """A connection to the service's database."""
    with psycopg.connect(module_url, autocommit=True) as opened:
        yield opened


def path(*parts: str) -> str:
    return "/".join(["", *(quote(part, safe="") for part in parts)])


def sent(http: httpx.Client, device_id: str) -> dict[str, Any] | None:
    """Store a reading of a meter and of a vehicle of this name; the refusal where it is one."""
    at = NOW - timedelta(minutes=next(MINUTES))
    answer = http.post("/v1/ingest", json=[meter(device_id, at), vehicle(device_id, at)])
    if answer.status_code == 201:
        return None
    assert answer.status_code == 400
    return answer.json()


def page(http: httpx.Client, kind: str, before: str) -> list[str]:
    """The ids of the page that follows an id."""
    answer = http.get(f"/v1/{kind}", params={"after": before, "limit": 1000})
    assert answer.status_code == 200, answer.text
    return [one[f"{kind[:-1]}Id"] for one in answer.json()[kind]]


def assert_reads_back(http: httpx.Client, database: Connection, device_id: str) -> None:
    for kind in ("meters", "vehicles"):
        found = http.get(path("v1", kind, device_id))
        assert (found.status_code, found.json()[f"{kind[:-1]}Id"]) == (200, device_id)
        first = http.get(f"/v1/{kind}", params={"limit": 1000}).json()[kind]
        ids = [one[f"{kind[:-1]}Id"] for one in first]
        assert ids.count(device_id) == 1
        assert page(http, kind, device_id) == ids[ids.index(device_id) + 1 :]
    put = http.put(path("v1", "links", device_id), json={"meterId": device_id})
    assert put.status_code in (200, 201)
    link = {"vehicleId": device_id, "meterId": device_id, "from": None, "to": None}
    assert put.json() == link
    for name in ("vehicleId", "meterId"):
        listed = http.get("/v1/links", params={name: device_id}).json()["links"]
        assert [one for one in listed if one["to"] is None] == [link]
    answer = http.get(path("v1", "analytics", "performance", device_id)).json()
    assert (answer["vehicleId"], answer["meterSamples"] > 0) == (device_id, True)
    hours = http.get(path("v1", "analytics", "performance", device_id, "hourly")).json()
    assert (hours["vehicleId"], bool(hours["hours"])) == (device_id, True)
    keep(database)
    fleet = http.get("/v1/analytics/fleet", params={"limit": 1000, "order": "vehicle_id"}).json()
    assert [one["vehicleId"] for one in fleet["vehicles"]].count(device_id) == 1
    after = {"limit": 1000, "order": "vehicle_id", "after": device_id}
    rest = http.get("/v1/analytics/fleet", params=after).json()
    assert device_id not in [one["vehicleId"] for one in rest["vehicles"]]
    ended = http.delete(path("v1", "links", device_id))
    assert (ended.status_code, ended.json()["meterId"]) == (200, device_id)


def assert_refused(http: httpx.Client, device_id: str, refusal: dict[str, Any]) -> None:
    assert [one["reason"] for one in refusal["rejected"]] == ["malformed", "malformed"]
    for one, name in zip(refusal["rejected"], ("meterId", "vehicleId"), strict=True):
        assert one["detail"].startswith(f'"{name}" must ')
    # in a path "." and ".." are gone before they are sent, and nothing is another route
    if device_id not in ("", ".", ".."):
        for kind in ("meters", "vehicles", "links"):
            method = "DELETE" if kind == "links" else "GET"
            assert http.request(method, path("v1", kind, device_id)).status_code == 400
    for params in ({"after": device_id}, {"vehicleId": device_id}, {"meterId": device_id}):
        assert http.get("/v1/links", params=params).status_code == 400
    put = http.put("/v1/links/V-1", json={"meterId": device_id})
    assert put.status_code == 400
    assert '"meterId"' in put.json()["detail"]


@given(device_id=TEXTS)
@examples(60, suppress_health_check=list(HealthCheck))
@example("a\n")
@example("\ufeff")
def test_any_text_reads_back_identical_or_is_refused_with_a_reason(
    http: httpx.Client, database: Connection, device_id: str
) -> None:
    refusal = sent(http, device_id)
    if refusal is None:
        assert_reads_back(http, database, device_id)
    else:
        assert_refused(http, device_id, refusal)


@pytest.mark.parametrize("device_id", AWKWARD)
def test_an_awkward_id_reads_back_identical(
    http: httpx.Client, database: Connection, device_id: str
) -> None:
    assert sent(http, device_id) is None
    assert_reads_back(http, database, device_id)


@pytest.mark.parametrize("device_id", REFUSED)
def test_what_is_no_id_is_refused_with_a_reason(http: httpx.Client, device_id: str) -> None:
    refusal = sent(http, device_id)
    assert refusal is not None
    assert_refused(http, device_id, refusal)


def test_ids_that_look_alike_are_devices_of_their_own(http: httpx.Client) -> None:
    alike = [
        "look-é",
        "look-e\u0301",
        "look-e",
        "LOOK-e",
        "look-e ",
        "look-e\u200b",
        "l\u043e\u043ek-e",
    ]
    readings = [meter(one, NOW, kwhConsumedAc=n + 1) for n, one in enumerate(alike)]
    assert http.post("/v1/ingest", json=readings).json()["accepted"] == len(alike)
    found = [http.get(path("v1", "meters", one)).json()["kwhConsumedAc"] for one in alike]
    assert found == list(range(1, len(alike) + 1))


@pytest.mark.parametrize("media_type", ["application/x-ndjson", "application/msgpack"])
def test_an_id_is_the_same_in_every_media_type(http: httpx.Client, media_type: str) -> None:
    readings = [meter(one, NOW - timedelta(hours=1)) for one in AWKWARD]
    if media_type == "application/msgpack":
        body = msgspec.msgpack.encode(readings)
    else:
        body = "\n".join(json.dumps(one, ensure_ascii=False) for one in readings).encode()
    http.post("/v1/ingest", json=readings).raise_for_status()
    answer = http.post("/v1/ingest", content=body, headers={"Content-Type": media_type})
    assert answer.json() == {"accepted": 0, "duplicates": len(AWKWARD)}
