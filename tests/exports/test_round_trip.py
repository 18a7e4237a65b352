"""Exported readings make the same ledger elsewhere."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from hypothesis import HealthCheck, Phase, given
from hypothesis import strategies as st
from litestar.testing import TestClient

from service.app import create_app
from service.settings import Settings as ServiceSettings
from service.wire import decode
from tests.exports.running import exported, fill
from tests.ledger.histories import Settings, histories
from tests.support.examples import examples
from tests.support.fold import Reading
from tests.support.http import wait_until_ready
from tests.support.keys import bearer
from tests.support.ledger import Device, check, history, new_device, send, settle
from tests.support.readings import (
    Connection,
    MeterReading,
    VehicleReading,
    ingest_meters,
    ingest_vehicles,
    meter_states,
    vehicle_states,
)
from tests.support.server import Server, as_service

NDJSON = "application/x-ndjson"


@pytest.fixture(scope="module")
def source(database_server: Server) -> Iterator[str]:
    """A database to export from."""
    with database_server.clone() as url:
        yield url


@pytest.fixture(scope="module")
def target(database_server: Server) -> Iterator[str]:
    """An empty one for what was exported."""
    with database_server.clone() as url:
        yield url


def store(db: Connection, body: str) -> None:
    """Store a body of NDJSON, as it is decoded by the service."""
    batch = decode(body.encode(), NDJSON)
    assert batch.refused == []
    assert (
        ingest_meters(
            db,
            [
                MeterReading(device, ts, kwh, volts, kind, since, session)
                for device, ts, kind, kwh, since, session, volts in batch.meters.rows
            ],
        )
        == []
    )
    assert (
        ingest_vehicles(
            db,
            [
                VehicleReading(device, ts, kwh, soc, temp, kind, since, session)
                for device, ts, kind, kwh, since, session, soc, temp in batch.vehicles.rows
            ],
        )
        == []
    )


def state(db: Connection, device: Device) -> dict[str, Any]:
    """The device's state but when that was received."""
    (found,) = db.execute(
        f"SELECT to_jsonb(s) FROM telemetry.{device.side}_state AS s WHERE s.{device.side}_id = %s",
        [device.device_id],
    ).fetchone() or ({},)
    return {name: value for name, value in found.items() if "received_at" not in name}


@examples(
    25,
    suppress_health_check=list(HealthCheck),
    phases=[Phase.explicit, Phase.reuse, Phase.generate],
)
@given(readings=histories(Settings(), 20), side=st.sampled_from(["meter", "vehicle"]))
def test_what_is_exported_makes_the_same_history_state_and_totals(
    source: str, target: str, readings: list[Reading], side: Any
) -> None:
    device = new_device(side)
    with psycopg.connect(source, autocommit=True) as db:
        refused = {answer.index for answer in send(db, device, readings)}
        kept = [one for index, one in enumerate(readings) if index not in refused]
        settle(db)
        expected = history(db, device), state(db, device)
    assert expected[0] == kept
    body = exported(source, "readings", f"--{side}", device.device_id, "--format", "ndjson")
    with psycopg.connect(target, autocommit=True) as db:
        if kept:
            store(db, body)
        settle(db)
        assert (history(db, device), state(db, device)) == expected
        check(db, device, kept)


# what devices reported, and the ledger's hours, but when it was received
_ALL = [
    "SELECT to_jsonb(r) - 'received_at' FROM ops.{side}_readings AS r ORDER BY {side}_id, read_at",
    "SELECT to_jsonb(h) - 'last_received_at' FROM bi.{side}_energy_hourly AS h"
    " ORDER BY {side}_id, bucket",
]


def all_of(url: str) -> list[list[Any]]:
    """All that was settled in a database."""
    with psycopg.connect(url, autocommit=True) as db:
        settle(db)
        found = [
            db.execute(query.format(side=side)).fetchall()
            for side in ("meter", "vehicle")
            for query in _ALL
        ]
        return [*found, meter_states(db), vehicle_states(db)]


def test_what_is_exported_as_ndjson_can_be_posted(
    database_url: str, database_server: Server
) -> None:
    with psycopg.connect(database_url, autocommit=True) as db:
        fill(db)
    with database_server.clone() as target:
        with TestClient(create_app(as_service(target), ServiceSettings())) as client:
            client.headers.update(bearer())
            wait_until_ready(lambda: client.get("/health/ready").status_code)
            for side in ("meters", "vehicles"):
                body = exported(database_url, "readings", f"--{side}", "--format", "ndjson")
                headers = {"Content-Type": NDJSON}
                answer = client.post("/v1/ingest", content=body.encode(), headers=headers)
                count = body.count("\n")
                assert answer.json() == {"accepted": count, "duplicates": 0}
                again = client.post("/v1/ingest", content=body.encode(), headers=headers)
                assert again.json() == {"accepted": 0, "duplicates": count}
        assert all_of(target) == all_of(database_url)
