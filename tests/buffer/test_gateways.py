"""Gateways that produce their readings themselves, to a topic of their own."""

from __future__ import annotations

import json
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

import msgspec
import psycopg
import pytest
from click.testing import CliRunner
from confluent_kafka import Producer
from hypothesis import given
from hypothesis import strategies as st

from service.buffer.address import Address
from service.buffer.gateway import decoded_body
from service.buffer.record import UnreadableRecord
from service.buffer.taken import Record
from service.cli import main
from service.settings import Settings, SettingsError
from tests.buffer.conftest import Environment, Start
from tests.buffer.test_way import SECONDS, count, put, readings, row
from tests.support.http import meter, vehicle, wait_for
from tests.support.kafka import Brokers

Connection = psycopg.Connection[tuple[Any, ...]]
MOST_BYTES = 2_000
JSON, MSGPACK, NDJSON = "application/json", "application/msgpack", "application/x-ndjson"


@pytest.fixture
def gateways(brokers: Brokers, topic: str, environment: Environment) -> str:
    """The topic of gateways, of one partition, beside the buffer's own."""
    name = brokers.topic(partitions=1)
    environment["WATTLEDGER_GATEWAY_TOPIC"] = name
    environment["WATTLEDGER_MAX_BODY_BYTES"] = str(MOST_BYTES)
    environment["WATTLEDGER_MAX_READINGS"] = "10"
    return name


def produce(brokers: Brokers, topic: str, *records: tuple[str | None, Any, str | None]) -> None:
    """Put records of a key, a value (bytes, None or JSON) and a content type into a topic."""
    producer = Producer({"bootstrap.servers": brokers.addresses, "log_level": 0})
    for key, value, kind in records:
        sent = value if isinstance(value, bytes | None) else json.dumps(value).encode()
        headers = [("content-type", kind.encode())] if kind else []
        producer.produce(topic, key=key, value=sent, partition=0, headers=headers)
    assert producer.flush(30) == 0


def kept(connection: Connection) -> dict[int, tuple[Any, ...]]:
    """What is in quarantine of one topic's partition, by offset: place, reason, detail, raw."""
    found = connection.execute(
        "SELECT split_part(q.source, '/', 3)::integer, q.reading_index, q.reason, q.detail, q.raw,"
        " q.content_type, q.key_id FROM telemetry.quarantine AS q WHERE q.source IS NOT NULL"
    ).fetchall()
    assert len({offset for offset, *_ in found}) == len(found)
    return {offset: tuple(rest) for offset, *rest in found}


def devices(connection: Connection) -> set[str]:
    """The devices of which readings are stored."""
    found = connection.execute(
        "SELECT m.meter_id FROM telemetry.meter_reading AS m WHERE m.entry = 0"
        " UNION ALL SELECT v.vehicle_id FROM telemetry.vehicle_reading AS v WHERE v.entry = 0"
    ).fetchall()
    return {device for (device,) in found}


def test_bodies_of_every_shape_are_stored_and_the_rest_is_told_by_place(
    brokers: Brokers, topic: str, gateways: str, start_worker: Start, connection: Connection
) -> None:
    now = datetime.now(UTC)
    generic = {"type": "vehicle", "id": "V-2", "value1": 1.5, "value2": 30.0}
    generic["timestamp"] = int(now.timestamp() * 1000)
    odd = meter("M-8", now, voltage="high")
    high = meter("M-9", now, kwhConsumedAc=1e9)
    lines = b"\n".join(json.dumps(meter(f"M-{n}", now)).encode() for n in (3, 4))
    good = [
        ("M-1", meter("M-1", now), None),
        ("gateway 1", [meter("M-2", now), vehicle("V-1", now)], "application/json; charset=utf-8"),
        ("V-2", generic, None),
        ("gateway 1", lines, NDJSON),
        ("M-5", msgspec.msgpack.encode(meter("M-5", now)), MSGPACK),
    ]
    bad = [
        (None, meter("M-6", now), None),
        ("", meter("M-6", now), None),
        ("M-6", None, None),
        ("M-6", b"", None),
        ("M-6", b"{", None),
        ("M-6", b"[" * 1_999, None),
        ("M-6", [meter("M-6", now)] * 11, None),
        ("M-6", b"x" * (MOST_BYTES + 1), None),
        ("M-6", readings(row("M-6")), None),
        ("M-6", meter("M-6", now), "text/plain\0"),
    ]
    partly = [
        ("gateway 2", [meter("M-7", now), odd], None),
        ("gateway 2", [vehicle("V-3", now), high, meter("M-10", now)], None),
    ]
    last = ("M-last", meter("M-last", now), None)
    # what is ours is not a gateway's, and the other way round
    put(brokers, topic, readings(row("M-ours")), json.dumps(meter("M-11", now)).encode())
    produce(brokers, gateways, *good, *bad, *partly, last)
    worker = start_worker()
    stored = {"M-1", "M-2", "V-1", "V-2", "M-3", "M-4", "M-5", "M-7", "V-3", "M-10", "M-last"}
    wait_for(lambda: devices(connection) == {*stored, "M-ours"}, SECONDS)
    total = len(bad) + len(partly) + 1
    wait_for(
        lambda: connection.execute("SELECT count(*) FROM ops.quarantine").fetchone() == (total,),
        SECONDS,
    )
    connection.execute("DELETE FROM telemetry.quarantine WHERE source LIKE %s", [f"{topic}/%"])
    told = kept(connection)
    first = len(good)
    assert sorted(told) == list(range(first, first + len(bad) + len(partly)))
    needed = [
        *("no key", "no key", "is empty: send", "is empty: send", "not valid JSON", "too deeply"),
        *("more than 10 readings", "has 2001 bytes", "not valid JSON", "text/plain"),
    ]
    for offset, words in enumerate(needed, first):
        index, reason, detail, raw, *_ = told[offset]
        assert (index, reason) == (None, "malformed")
        assert words in detail
        sent = bad[offset - first][1]
        whole = json.dumps(sent).encode() if isinstance(sent, dict | list) else sent or b""
        assert raw == (whole if len(whole) <= MOST_BYTES else whole[:1_000])
    refused, bounds = told[first + len(bad)], told[first + len(bad) + 1]
    assert refused[:2] == (1, "malformed")
    assert refused[3:] == (json.dumps(odd).encode(), JSON, None)
    assert bounds[:2] == (1, "out_of_range")
    assert bounds[3:] == (json.dumps(high).encode(), JSON, None)
    assert worker.process.poll() is None
    assert "Traceback" not in worker.said()


def test_a_gateways_record_that_comes_twice_is_stored_and_quarantined_once(
    brokers: Brokers,
    gateways: str,
    environment: Environment,
    start_worker: Start,
    connection: Connection,
) -> None:
    now = datetime.now(UTC)
    batch = [meter("M-1", now), meter("M-2", now, kwhConsumedAc=1e9), meter("M-3", now, soc=1)]
    produce(brokers, gateways, ("gateway", batch, None), (None, batch, None))

    def quarantined() -> int:
        row = connection.execute("SELECT count(*) FROM ops.quarantine").fetchone()
        assert row is not None
        return row[0]

    start_worker()
    wait_for(lambda: (count(connection), quarantined()) == (1, 3), SECONDS)
    environment["WATTLEDGER_BUFFER_GROUP"] = "again"
    produce(brokers, gateways, ("M-4", meter("M-4", now), None))
    start_worker()
    wait_for(lambda: count(connection) == 2, SECONDS)
    # the second one has taken all when it has taken what comes after it
    produce(brokers, gateways, (None, b"last", None))
    wait_for(lambda: quarantined() == 4, SECONDS)
    produce(brokers, gateways, ("M-5", meter("M-5", now), None))
    wait_for(lambda: count(connection) == 3, SECONDS)
    assert quarantined() == 4


@pytest.mark.parametrize(
    ("name", "buffer", "told"),
    [
        ("t", "kafka://broker/t", "the buffer's own topic"),
        ("a topic", "kafka://broker/t", "not a topic's name"),
        ("gateways", "", "needs WATTLEDGER_BUFFER"),
    ],
)
def test_a_topic_that_cannot_be_the_gateways_is_refused(
    name: str, buffer: str, told: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WATTLEDGER_BUFFER", buffer)
    monkeypatch.setenv("WATTLEDGER_GATEWAY_TOPIC", name)
    answer = CliRunner().invoke(main, ["config"])
    assert answer.exit_code == 1
    assert told in answer.output
    if buffer:
        with pytest.raises(SettingsError, match=told):
            Address(Settings(buffer=buffer, gateway_topic=name))


KINDS = st.sampled_from(["", JSON, NDJSON, MSGPACK]) | st.text(max_size=20)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=10,
)
FIELDS = st.fixed_dictionaries(
    {},
    optional={
        **dict.fromkeys(("type", "id", "value1", "value2", "timestamp", "from"), VALUES),
        **dict.fromkeys(("meterId", "vehicleId", "kwhConsumedAc", "soc", "session"), VALUES),
    },
)
BODIES = (
    st.binary(max_size=200)
    | st.builds(msgspec.msgpack.encode, FIELDS | VALUES | st.lists(FIELDS, max_size=3))
    | st.builds(msgspec.json.encode, FIELDS | VALUES | st.lists(FIELDS, max_size=3))
)


@given(value=BODIES, key=st.binary(max_size=3), kind=KINDS)
def test_a_record_of_anything_is_decoded_or_refused_by_the_one_error(
    value: bytes, key: bytes, kind: str
) -> None:
    record = Record("t", 0, 0, value, 0, by_gateway=True, key=key, content_type=kind)
    with suppress(UnreadableRecord):
        batch = decoded_body(record, 100, 2)
        assert key
        assert len(value) <= 100
        assert len(batch.meters) + len(batch.vehicles) + len(batch.refused) == batch.size <= 2
