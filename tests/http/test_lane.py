"""Lane of the usual request: it answers as the application does, to the byte."""

from __future__ import annotations

import gzip
import time
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import msgspec
import pytest

from service.http.body import BodyRules
from service.ingest.fast.head import Heads
from service.ingest.writer import QueueFull, Writer
from service.wire import MEDIA_TYPES
from tests.http.running import Running, dumped, request, running
from tests.support.http import meter, vehicle
from tests.support.in_process import Peer
from tests.support.keys import make_key
from tests.support.readings import NOW, Connection


@pytest.fixture(name="running")
def _running(service_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Running]:
    with running(service_url, monkeypatch, max_readings=50, max_body_bytes=20_000) as started:
        yield started


GOOD = dumped(meter("M-LANE"))


def counted(device: str, energy: str, level: float, **fields: Any) -> dict[str, Any]:
    """A reading that says a level."""
    side = "vehicleId" if energy.endswith("Dc") else "meterId"
    return {side: device, energy: level, "timestamp": NOW.isoformat(), **fields}


REGISTERS = [
    counted("R-LANE", "kwhTotalAc", 163.53),
    counted("S-LANE", "kwhTotalAc", 163.53, session="S-1", voltage=230),
    counted("T-LANE", "kwhSessionAc", 1.5, session="S-1"),
    counted("R-LANE", "kwhTotalDc", 163.53, soc=50),
    counted("S-LANE", "kwhSessionDc", 1.5, session="S-1"),
]
SINCE = {"from": (NOW - timedelta(minutes=1)).isoformat()}
INTERVALS = [meter("I-LANE", **SINCE), vehicle("I-LANE", session="S-1", **SINCE)]
# readings' ids hold LANE, so that the other way gets ids of its own
BODIES: dict[str, tuple[bytes, str, bool]] = {
    "a reading": (GOOD, "application/json", True),
    "the same again": (GOOD, "application/json; charset=utf-8", True),
    "a batch": (
        dumped(meter("M-LANE"), vehicle("V-LANE"), vehicle("V-LANE")),
        "APPLICATION/JSON",
        True,
    ),
    "lines": (dumped(vehicle("W-LANE")) + b"\n" + GOOD, "application/x-ndjson", True),
    "messagepack": (msgspec.msgpack.encode(meter("X-LANE")), "application/msgpack", True),
    "a conflict": (dumped(meter("M-LANE", kwhConsumedAc=7)), "application/json", True),
    "out of range": (
        dumped(meter("M-LANE", NOW - timedelta(hours=1), kwhConsumedAc=5000), meter("N-LANE")),
        "application/json",
        True,
    ),
    "registers": (dumped(*REGISTERS), "application/json", True),
    "registers again": (msgspec.msgpack.encode(REGISTERS), "application/msgpack", True),
    "another level": (
        dumped(counted("R-LANE", "kwhTotalAc", 163.54), counted("R-LANE", "kwhTotalDc", 1)),
        "application/json",
        True,
    ),
    "a level of another session": (
        dumped(counted("T-LANE", "kwhSessionAc", 1.5, session="S-2")),
        "application/json",
        True,
    ),
    "intervals": (b"\n".join(map(dumped, INTERVALS)), "application/x-ndjson", True),
    "another interval": (dumped(meter("I-LANE")), "application/json", True),
    "an interval of a register": (
        dumped(counted("R-LANE", "kwhTotalAc", 163.53, **SINCE)),
        "application/json",
        False,
    ),
    "a counter of no session": (
        dumped(counted("T-LANE", "kwhSessionAc", 1.5)),
        "application/json",
        False,
    ),
    "two energies": (dumped(meter("M-LANE", kwhTotalAc=7)), "application/json", False),
    "one bad of two": (dumped(meter("O-LANE"), {"x": 1}), "application/json", False),
    "no json": (b"{", "application/json", False),
    "an empty array": (b"[]", "application/json", False),
    "too many": (dumped(*[meter("P-LANE")] * 51), "application/json", False),
    "an unknown type": (b"x", "text/plain", False),
}


HISTORY = """
SELECT replace(r.{side}_id, %s, ''), r.ts, r.kind::text, r.energy_mwh, r.register_mwh,
    r.interval_start, n.session_id
FROM telemetry.{side}_reading AS r
LEFT JOIN telemetry.device_session AS n
    ON n.dataset = '{side}_reading' AND n.device_id = r.{side}_id AND n.session_no = r.session_no
WHERE r.entry = 0 AND r.{side}_id LIKE '%%' || %s
ORDER BY 1, 2
"""
QUARANTINE = """
SELECT replace(q.device_id, %s, ''), q.reason, replace(q.raw, %s, ''), q.dataset, q.kind,
    q.energy_kwh, q.interval_start, q.session_id
FROM ops.quarantine AS q
WHERE q.raw LIKE '%%' || %s || '%%'
ORDER BY q.quarantine_id
"""


def test_the_lane_answers_as_the_application_does(running: Running, connection: Connection) -> None:
    with Peer(running.port) as peer:
        for name, (body, content_type, usual) in BODIES.items():
            before = len(running.asked)
            peer.send(request(body, content_type=content_type))
            by_lane = peer.answer()
            assert (len(running.asked) == before) is usual, name

            whole = request(body.replace(b"LANE", b"ASGI"), content_type=content_type)
            middle = whole.index(b"\r\n\r\n") + 2
            peer.send(whole[:middle])
            time.sleep(0.05)
            peer.send(whole[middle:])
            status, headers, answer = peer.answer()
            assert running.asked[before:][-1] == "/v1/ingest", name
            assert by_lane[::2] == (status, answer.replace(b"ASGI", b"LANE")), name
            assert list(by_lane[1]) == list(headers), name
            assert {**by_lane[1], "x-request-id": ""} == {
                **headers,
                "x-request-id": "",
                "date": by_lane[1]["date"],
            }, name

    def kept(query: str, way: str) -> list[Any]:
        return connection.execute(query, [way] * query.count("%s")).fetchall()

    for side, stored in (("meter", 8), ("vehicle", 5)):
        history = HISTORY.format(side=side)
        assert kept(history, "LANE") == kept(history, "ASGI")
        assert len(kept(history, "LANE")) == stored
    assert kept(QUARANTINE, "LANE") == kept(QUARANTINE, "ASGI")
    assert len(kept(QUARANTINE, "LANE")) == 9


@pytest.mark.parametrize(
    "headers",
    [
        ["Content-Encoding: gzip"],
        ["Connection: close"],
        ["Expect: 100-continue"],
    ],
)
def test_requests_that_ask_for_more_go_to_the_application(
    running: Running, headers: list[str]
) -> None:
    body = gzip.compress(GOOD) if "gzip" in headers[0] else GOOD
    with Peer(running.port) as peer:
        peer.send(request(body, *headers))
        if headers[0].startswith("Expect"):
            assert peer.continued()
        assert peer.answer()[0] == 201
    assert running.asked == ["/v1/ingest"]


def test_what_the_lane_has_no_room_for_costs_nothing(
    running: Running, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> None:
        raise QueueFull

    key = make_key(database_url, "ingest", readings_per_second=0.001, burst_readings=1.0)
    with Peer(running.port) as peer:
        with monkeypatch.context() as patched:
            # where the queue itself is asked, after the body was decoded
            patched.setattr(Writer, "queue", full)
            for _ in range(2):
                peer.send(request(GOOD, key=key))
                assert peer.answer()[0] == 503
        assert running.asked == []
        for status in (201, 429):
            peer.send(request(GOOD, key=key))
            assert peer.answer()[0] == status


@pytest.mark.parametrize(
    "head",
    [
        b"POST /v1/ingest HTTP/1.1\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n",
        b"POST /v1/ingest HTTP/1.1\r\nContent-Length: -5\r\n\r\n",
        b"POST /v1/ingest HTTP/1.1\r\nContent-Length: 5, 5\r\n\r\n",
        b"POST /v1/ingest HTTP/1.1\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"POST /v1/ingest HTTP/1.1\r\nContent-Length : 5\r\n\r\n",
        b"POST /v1/ingest HTTP/1.1\r\nContent-Length: 0\r\n\r\n",
        b"POST /v1/ingest HTTP/1.1\r\nContent-Length: 1001\r\n\r\n",
        b"POST /v1/ingest HTTP/1.1\r\nHost: x\r\n\r\n",
        b"POST /v1/ingest HTTP/1.1\r\nContent-Length: 5\r\nHost x\r\n\r\n",
        b"",
    ],
)
def test_a_head_that_leaves_room_for_doubt_is_not_usual(head: bytes) -> None:
    assert Heads(BodyRules(MEDIA_TYPES, 1_000)).parsed(head) is None


def test_known_heads_are_bounded_and_right() -> None:
    heads = Heads(BodyRules(MEDIA_TYPES, 1_000_000))
    for number in range(1, 15_000):
        parsed = heads.parsed(b"POST /v1/ingest HTTP/1.1\r\nContent-Length: %d\r\n\r\n" % number)
        assert parsed is not None
        assert parsed.length == number
    assert len(heads) <= 10_000


def test_a_head_in_use_is_remembered_while_many_others_come_and_go(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("service.ingest.fast.head._MOST_KNOWN", 3)
    heads = Heads(BodyRules(MEDIA_TYPES, 1_000_000))
    head = b"POST /v1/ingest HTTP/1.1\r\nContent-Length: %d\r\n\r\n"
    used = heads.parsed(head % 1)
    for number in range(2, 20):
        heads.parsed(head % number)
        # the very same, not one that was parsed anew
        assert heads.parsed(head % 1) is used
