"""The service's own upkeep of history: the real timer, on a real database."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from litestar.testing import TestClient
from psycopg import conninfo, sql

from service import upkeep
from service.app import create_app
from service.database.session import connect
from service.settings import Settings
from service.upkeep import Upkeep
from tests.support.http import meter, wait_for, wait_until_ready
from tests.support.keys import bearer
from tests.support.quarantine import Refused, keep
from tests.support.readings import NOW, Connection, MeterReading, ingest_meters

OLD = NOW - timedelta(days=20)


@pytest.fixture
def expired(connection: Connection, needs_apache: object) -> Connection:
    """A reading of today, and one of a day that is kept no longer, where the service drops it."""
    del needs_apache
    ingest_meters(connection, [MeterReading(ts=OLD), MeterReading(ts=NOW)])
    connection.execute(
        "UPDATE telemetry.dataset SET keep = '5 days' WHERE dataset = 'meter_reading'"
    )
    return connection


def stored(connection: Connection) -> int:
    return one(connection, "SELECT count(*) FROM telemetry.meter_reading")


def chunks(connection: Connection) -> int:
    """How many chunks hold readings; who counts the readings instead may deadlock with a drop."""
    return one(
        connection,
        "SELECT count(*) FROM timescaledb_information.chunks"
        " WHERE hypertable_name = 'meter_reading'",
    )


def one(connection: Connection, query: str) -> Any:
    row = connection.execute(query).fetchone()
    assert row is not None
    return row[0]


def maintain(service_url: str) -> int:
    return asyncio.run(Upkeep(service_url, every_seconds=60).maintain())


def test_upkeep_drops_what_is_kept_no_longer_and_leaves_the_rollups(
    expired: Connection, service_url: str
) -> None:
    rollups = "SELECT sum(samples) FROM bi.meter_energy_hourly"
    assert maintain(service_url) == 1
    assert (stored(expired), one(expired, rollups)) == (1, 2)
    job = expired.execute(
        "SELECT last_run_status, total_runs, needs_attention FROM ops.jobs"
    ).fetchone()
    assert job == ("Success", 1, False)
    assert maintain(service_url) == 0


def test_of_several_services_one_does_the_upkeep(expired: Connection, service_url: str) -> None:
    lock = "SELECT pg_advisory_xact_lock(hashtextextended('telemetry.drop_next', 0))"
    with expired.transaction():
        expired.execute(lock)
        assert maintain(service_url) == 0
    assert stored(expired) == 2
    assert maintain(service_url) == 1


@pytest.fixture
def served(service_url: str) -> Iterator[None]:
    """A running service that looks after history some times a second."""
    with TestClient(create_app(service_url, Settings(maintenance_minutes=0.002))):
        yield


@pytest.mark.usefixtures("served")
def test_a_running_service_does_it_on_its_timer(expired: Connection) -> None:
    wait_for(lambda: chunks(expired) == 1)
    # and again, whenever something has expired
    ingest_meters(expired, [MeterReading("M-2", NOW)])
    expired.execute("UPDATE telemetry.dataset SET keep = '90 days'")
    ingest_meters(expired, [MeterReading("M-2", OLD)])
    expired.execute("UPDATE telemetry.dataset SET keep = '5 days' WHERE dataset = 'meter_reading'")
    wait_for(lambda: chunks(expired) == 1)
    assert stored(expired) == 2


@pytest.fixture
def often(monkeypatch: pytest.MonkeyPatch) -> None:
    """A service looks some times a second for readings whose time has come."""
    monkeypatch.setattr(upkeep, "REPLAY_SECONDS", 0.1)


@pytest.mark.usefixtures("often")
def test_a_reading_ahead_of_the_clock_is_refused_for_good_and_stored_when_its_time_has_come(
    service_url: str, connection: Connection
) -> None:
    ahead = datetime.now(UTC).replace(microsecond=0) + timedelta(hours=1)
    with TestClient(create_app(service_url, Settings())) as client:
        client.headers.update(bearer())
        wait_until_ready(lambda: client.get("/health/ready").status_code)
        alone = client.post("/v1/ingest", json=meter("M-1", ahead))
        batch = client.post("/v1/ingest", json=[meter("M-2", ahead), meter("M-3")])
        assert (alone.status_code, batch.status_code) == (400, 207)
        for refused in (alone.json()["rejected"], batch.json()["rejected"]):
            assert [(one["index"], one["reason"]) for one in refused] == [(0, "future")]
            assert (
                "set the device's clock; this reading is kept, and stored" in refused[0]["detail"]
            )
        assert alone.json()["detail"] == alone.json()["rejected"][0]["detail"]
        assert stored(connection) == 1
        # as if its time had come
        connection.execute("UPDATE telemetry.rules SET clock_skew = '2 hours'")
        wait_for(lambda: stored(connection) == 3)
        again = client.post("/v1/ingest", json=[meter("M-1", ahead), meter("M-2", ahead)])
        assert (again.status_code, again.json()["duplicates"]) == (201, 2)


@pytest.mark.usefixtures("often")
def test_a_reading_ahead_of_the_clock_is_stored_with_its_register_session_and_start(
    service_url: str, connection: Connection
) -> None:
    ahead = datetime.now(UTC).replace(microsecond=0) + timedelta(hours=1)
    since = ahead - timedelta(minutes=10)
    sent: list[dict[str, Any]] = [
        {"meterId": "A", "kwhTotalAc": 16358.21},
        {"meterId": "B", "kwhSessionAc": 1.5, "session": "S-1"},
        {"meterId": "C", "kwhConsumedAc": 0.5, "from": since.isoformat(), "session": "S-2"},
        {"vehicleId": "A", "kwhTotalDc": 9120.4, "session": "S-1", "soc": 50},
        {"vehicleId": "B", "kwhSessionDc": 1.5, "session": "S-1"},
        {"vehicleId": "C", "kwhDeliveredDc": 0.5, "from": since.isoformat()},
    ]
    sent = [reading | {"timestamp": ahead.isoformat()} for reading in sent]
    with TestClient(create_app(service_url, Settings())) as client:
        client.headers.update(bearer())
        wait_until_ready(lambda: client.get("/health/ready").status_code)
        assert client.post("/v1/ingest", json=sent).status_code == 400
        # as if its time had come
        connection.execute("UPDATE telemetry.rules SET clock_skew = '2 hours'")
        unsent = "SELECT count(*) FROM telemetry.quarantine WHERE replayed_at IS NULL"
        wait_for(lambda: one(connection, unsent) == 0)
        # all that is compared is as it was sent
        again = client.post("/v1/ingest", json=sent)
        assert (again.status_code, again.json()) == (201, {"accepted": 0, "duplicates": 6})


def test_many_readings_are_stored_in_pieces(service_url: str, connection: Connection) -> None:
    ahead = datetime.now(UTC) + timedelta(hours=1)
    keep(
        connection,
        *[
            Refused(0, "future", read_at=ahead + timedelta(milliseconds=n), energy_kwh=energy)
            for n, energy in enumerate([0.1] * 1200 + [5000.0])
        ],
    )
    connection.execute("UPDATE telemetry.rules SET clock_skew = '2 hours'")
    ingest_meters(connection, [MeterReading(ts=ahead, energy_kwh=0.1)])
    upkeep_of = Upkeep(service_url, every_seconds=60)
    assert asyncio.run(upkeep_of.replay()) == (1199, 1, 1)
    assert asyncio.run(upkeep_of.replay()) == (0, 0, 0)


def test_a_database_that_is_away_is_logged_and_tried_again(
    expired: Connection, service_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    name = conninfo.conninfo_to_dict(service_url)["dbname"]
    limit_connections = sql.SQL("ALTER DATABASE {} CONNECTION LIMIT {}").format

    async def upkeep_through_an_outage() -> None:
        running = Upkeep(service_url, every_seconds=0.1)
        # a superuser still gets in
        expired.execute(limit_connections(sql.Identifier(str(name)), 0))
        running.start()
        try:
            await wait_in_loop(lambda: "tried again" in caplog.text)
            assert stored(expired) == 2
            expired.execute(limit_connections(sql.Identifier(str(name)), -1))
            await wait_in_loop(lambda: chunks(expired) == 1)
        finally:
            await running.stop()

    with caplog.at_level(logging.INFO, logger="service.upkeep"):
        asyncio.run(upkeep_through_an_outage())
    assert "too many connections" in caplog.text


async def wait_in_loop(happened: Callable[[], bool]) -> None:
    await asyncio.to_thread(wait_for, happened)


SETTLE = """
CREATE OR REPLACE FUNCTION api.settle(most integer DEFAULT 200, queued_for interval DEFAULT '0')
RETURNS TABLE (settled integer, entries integer, waiting integer)
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
AS $$ BEGIN {} END $$
"""


def registers(connection: Connection) -> None:
    """Two levels of a meter on both sides of a full hour, not yet settled."""
    hour = NOW.replace(minute=0) - timedelta(hours=3)
    for minutes, level in ((-10, 100.0), (10, 102.0)):
        ts = hour + timedelta(minutes=minutes)
        ingest_meters(connection, [MeterReading("M-1", ts, level, kind="lifetime_register")])


def hours(connection: Connection) -> list[float]:
    """The energy of each hour, in kWh."""
    rows = connection.execute("SELECT energy_kwh FROM bi.meter_energy_hourly ORDER BY bucket")
    return [float(row[0]) for row in rows]


def settling(
    service_url: str, meanwhile: Callable[[], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Let the upkeep run while `meanwhile` waits for what it does; it tries again at once."""
    monkeypatch.setattr(upkeep, "_RECOVER_SECONDS", 0.05)

    async def run() -> None:
        running = Upkeep(service_url, every_seconds=60)
        running.start()
        try:
            await asyncio.to_thread(meanwhile)
        finally:
            await running.stop()

    asyncio.run(run())


def test_what_is_due_is_settled_by_itself(
    connection: Connection, service_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    registers(connection)
    assert hours(connection) == [0, 2]
    settling(service_url, lambda: wait_for(lambda: hours(connection) == [1, 1]), monkeypatch)


def test_what_was_queued_just_now_waits_for_what_comes_with_it(
    connection: Connection, service_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(upkeep, "_QUEUED_FOR", timedelta(hours=1))

    async def call() -> None:
        async with await connect(service_url, "test") as opened:
            await Upkeep(service_url, 3600)._settle(opened)

    registers(connection)
    asyncio.run(call())
    assert hours(connection) == [0, 2]
    connection.execute("UPDATE telemetry.settle_queue SET due_at = due_at - INTERVAL '3 days'")
    asyncio.run(call())
    assert hours(connection) == [1, 1]


def test_a_maintenance_settles_what_was_due_and_leaves_what_comes_meanwhile(
    connection: Connection,
) -> None:
    registers(connection)
    # as if a reading of the device came whenever it was settled
    connection.execute("""
        CREATE FUNCTION telemetry.come_again() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            INSERT INTO telemetry.settle_queue
            VALUES (old.dataset, old.device_id, old.day, clock_timestamp());
            RETURN NULL;
        END $$;
        CREATE TRIGGER come_again AFTER DELETE ON telemetry.settle_queue
        FOR EACH ROW EXECUTE FUNCTION telemetry.come_again();
    """)
    connection.execute("SET statement_timeout = '10s'")
    connection.execute("CALL ops.maintain()")
    assert hours(connection) == [1, 1]
    assert one(connection, "SELECT count(*) FROM telemetry.settle_queue WHERE due_at <= now()") > 0


@pytest.mark.parametrize(
    ("fault", "told"),
    [
        ("RAISE EXCEPTION 'no turn' USING ERRCODE = 'WL024';", "no turn"),
        ("RAISE EXCEPTION 'a defect';", "a defect"),
        # no row, which the service does not expect
        ("RETURN;", "AssertionError"),
    ],
)
def test_settling_that_fails_is_logged_once_and_goes_on(
    connection: Connection,
    service_url: str,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    fault: str,
    told: str,
) -> None:
    registers(connection)
    row = connection.execute("SELECT pg_get_functiondef('api.settle'::regproc)").fetchone()
    assert row is not None
    connection.execute("CREATE SEQUENCE telemetry.calls")
    connection.execute("ALTER SEQUENCE telemetry.calls OWNER TO wattledger_owner")
    connection.execute(SETTLE.format(f"PERFORM nextval('telemetry.calls'); {fault}"))

    def meanwhile() -> None:
        wait_for(lambda: one(connection, "SELECT last_value FROM telemetry.calls") >= 3)
        connection.execute(row[0])
        wait_for(lambda: hours(connection) == [1, 1])

    with caplog.at_level(logging.WARNING, logger="service.upkeep"):
        settling(service_url, meanwhile, monkeypatch)
    assert caplog.text.count("settling failed, and is tried again") == 1
    assert told in caplog.text


def test_a_call_that_waits_ends_with_the_service(
    connection: Connection, service_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    registers(connection)
    connection.execute(SETTLE.format("PERFORM pg_sleep(3600); RETURN QUERY SELECT 0, 0, 0;"))
    calls = (
        "SELECT count(*) FROM pg_stat_activity"
        " WHERE query LIKE '%api.settle(%' AND pid <> pg_backend_pid()"
    )
    settling(service_url, lambda: wait_for(lambda: one(connection, calls) == 1), monkeypatch)
    wait_for(lambda: one(connection, calls) == 0)


@pytest.mark.parametrize(
    ("waiting", "took", "shortest", "longest"),
    [(200, 0.75, 1.5, 1.5), (1, 0.0, 0.0, 0.0), (0, 0.0, 0.4, 0.5), (0, 0.75, 1.5, 1.5)],
)
def test_settling_rests_twice_as_long_as_it_took_and_half_a_second_where_none_waits(
    connection: Connection,
    service_url: str,
    monkeypatch: pytest.MonkeyPatch,
    waiting: int,
    took: float,
    shortest: float,
    longest: float,
) -> None:
    connection.execute(SETTLE.format(f"RETURN QUERY SELECT 1, 0, {waiting};"))
    clock = iter([7.0, *[7.0 + took] * 2])
    monkeypatch.setattr(upkeep, "monotonic", lambda: next(clock))

    async def rest() -> float:
        async with await connect(service_url, "test") as opened:
            return await Upkeep(service_url, 3600)._settle(opened)

    assert shortest <= asyncio.run(rest()) <= longest


def test_charging_rests_longer_while_settling_has_a_backlog(
    connection: Connection, service_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    connection.execute("""
        CREATE OR REPLACE FUNCTION api.settle_charging(
            most integer DEFAULT 1, kept_for interval DEFAULT '0', patience interval DEFAULT '0'
        ) RETURNS TABLE (kept integer, waiting integer)
        LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
        AS $$ BEGIN RETURN QUERY SELECT 1, 200; END; $$
    """)
    now = 100.0

    def clock() -> float:
        nonlocal now
        now += 0.25
        return now

    monkeypatch.setattr(upkeep, "monotonic", clock)

    kept = Upkeep(service_url, 3600)

    async def rest(waiting: int | None) -> float:
        async with await connect(service_url, "test") as opened:
            if waiting is not None:
                connection.execute(SETTLE.format(f"RETURN QUERY SELECT 1, 0, {waiting};"))
                await kept._settle(opened)
            return await kept._keep_charging(opened)

    assert asyncio.run(rest(0)) == 0.5
    assert asyncio.run(rest(1)) == 2.5
    assert asyncio.run(rest(None)) == 2.5
    # where settling fails from then on
    now += 20
    assert asyncio.run(rest(None)) == 0.5
