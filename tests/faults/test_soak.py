"""`just soak` for some seconds: it finds nothing amiss, and finds what is taken away or added."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from psycopg import sql

from loadtests.soak import report, retention
from loadtests.soak.plan import Plan
from loadtests.soak.run import Soak
from loadtests.support import stack
from loadtests.support.place import Place, on_server
from tests.support import server

PLAN = Plan(
    seconds=6,
    rate=200,
    devices=40,
    clients=10,
    history_days=40,
    history_minutes=240,
    retention_seconds=1,
    refresh_seconds=2,
)
DATASETS = {
    "raw readings": ("meter_reading", "ts"),
    "hours": ("meter_energy_hourly", "bucket"),
    "days": ("meter_energy_daily", "bucket"),
}


class Soaked:
    """A soak that is over, and its database."""

    def __init__(self, place: Place, soak: Soak) -> None:
        self.place = place
        self.soak = soak


@pytest.fixture(scope="module")
def soaked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Soaked]:
    log: Path = tmp_path_factory.mktemp("soak") / "service.log"
    with (
        on_server(os.environ[server.URL_VARIABLE], keep=False) as place,
        stack.wattledger(place.service_url, log) as service,
    ):
        soak = Soak(place, service.port, PLAN, lambda _: None)
        soak.prepare()
        asyncio.run(run(soak))
        yield Soaked(place, soak)


async def run(soak: Soak) -> None:
    try:
        await soak.load()
        await soak.settle()
    finally:
        await soak.close()


def amiss(soaked: Soaked, connection: psycopg.Connection) -> dict[str, tuple[int, int]]:
    """Readings missing and too many, of the stores that are not as they should be."""
    found = soaked.soak.check(connection)
    return {one.store: (one.missing, one.extra) for one in found if not one.is_good}


@pytest.mark.slow
def test_a_soak_of_seconds_finds_all_that_was_acknowledged(soaked: Soaked) -> None:
    with psycopg.connect(soaked.place.admin_url) as connection:
        findings = soaked.soak.check(connection)
    told = report.text(soaked.soak, findings, "a server")
    assert report.is_good(soaked.soak, findings), told
    # there was something to lose: late and repeated readings, chunks that were dropped, calls
    assert soaked.soak.fleet.readings > 500
    assert soaked.soak.retention.dropped > 0
    assert {name for name, _ in soaked.soak.fleet.answers} > {"live", "late", "sent again"}
    assert soaked.soak.calls.count["ops.maintain"] > 1


@pytest.mark.slow
@pytest.mark.parametrize("store", DATASETS)
def test_a_soak_finds_readings_that_are_missing(soaked: Soaked, store: str) -> None:
    dataset, time = DATASETS[store]
    with (
        psycopg.connect(soaked.place.admin_url) as connection,
        connection.transaction(force_rollback=True),
    ):
        row = connection.execute(
            "SELECT h.hypertable_schema, h.hypertable_name"
            " FROM telemetry.dataset_hypertable() AS h WHERE h.dataset = %s",
            [dataset],
        ).fetchone()
        assert row is not None
        # without the triggers that refuse it
        connection.execute("SET LOCAL session_replication_role = replica")
        gone = connection.execute(
            sql.SQL(
                "DELETE FROM {} WHERE meter_id = 'M-2'"
                " AND {} >= date_trunc('day', now(), 'UTC') - INTERVAL '72 hours'"
                " AND {} < date_trunc('day', now(), 'UTC') - INTERVAL '48 hours'"
            ).format(sql.Identifier(*row), sql.Identifier(time), sql.Identifier(time))
        ).rowcount
        assert gone > 0
        found = amiss(soaked, connection)
        # ops.verify sees it too
        assert found.keys() == {store, "whole ledgers"}
        assert found[store][0] >= gone
        findings = soaked.soak.check(connection)
        assert not report.is_complete(soaked.soak, findings)
        assert "M-2" in report.text(soaked.soak, findings, "a server")


@pytest.mark.slow
def test_a_soak_finds_a_reading_that_nobody_acknowledged(soaked: Soaked) -> None:
    with (
        psycopg.connect(soaked.place.admin_url) as connection,
        connection.transaction(force_rollback=True),
    ):
        connection.execute(
            "INSERT INTO telemetry.meter_reading (meter_id, ts, energy_mwh)"
            " VALUES ('M-2', now() - INTERVAL '1 second', 7)"
        )
        found = amiss(soaked, connection)
    assert found["raw readings"] == (0, 1)
    # on the Community edition as soon as a query asks, on the Apache edition by every write
    assert found == dict.fromkeys(DATASETS, (0, 1)) | {"whole ledgers": (0, 0)}


def test_retention_is_shortened_and_lengthened_and_hours_stay_a_week_longer() -> None:
    planned = retention.steps(6, 60)
    assert [step.shorter for step in planned] == [True, False] * 3
    shorter = [step.readings_days for step in planned if step.shorter]
    assert shorter == sorted(shorter, reverse=True)
    assert len(set(shorter)) == 3
    assert all(step.hours_days >= step.readings_days + 7 for step in planned)
