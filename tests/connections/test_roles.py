"""What each login may wait for and hold, and what holds whoever calls."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from datetime import timedelta
from typing import Any

import psycopg
import pytest
from psycopg import conninfo, sql

from service.embedded import Cluster
from service.ingest.store import Store
from service.migrate import files
from service.settings import Settings
from service.upkeep import Upkeep
from tests.support.readings import NOW, Connection, MeterReading, ingest_meters

NAMES = (
    "synchronous_commit",
    "TimeZone",
    "statement_timeout",
    "lock_timeout",
    "idle_in_transaction_session_timeout",
)
EXPECTED = {
    "wattledger_service": {
        "synchronous_commit": "on",
        "TimeZone": "UTC",
        "statement_timeout": "1min",
        "lock_timeout": "10s",
        "idle_in_transaction_session_timeout": "30s",
    },
    "wattledger_bi": {
        "default_transaction_read_only": "on",
        "search_path": "bi, public",
        "jit": "off",
        "work_mem": "64MB",
        "TimeZone": "UTC",
        "statement_timeout": "1min",
        "lock_timeout": "10s",
        "idle_in_transaction_session_timeout": "1min",
    },
    "wattledger_dba": {
        "statement_timeout": "0",
        "lock_timeout": "10s",
        "idle_in_transaction_session_timeout": "5min",
    },
    "wattledger_owner": {
        "TimeZone": "UTC",
        "statement_timeout": "0",
        "lock_timeout": "2s",
        "idle_in_transaction_session_timeout": "5min",
    },
}


def one(connection: Connection, query: str) -> Any:
    row = connection.execute(query.encode()).fetchone()
    assert row is not None
    return row[0]


@pytest.mark.parametrize("role", EXPECTED)
def test_a_login_has_the_settings_of_its_role(cluster: Cluster, role: str) -> None:
    with psycopg.connect(cluster.url(), autocommit=True) as connection:
        connection.execute(
            sql.SQL("ALTER ROLE {} LOGIN PASSWORD {}").format(
                sql.Identifier(role), sql.Literal(cluster.password_of(role))
            )
        )
    with psycopg.connect(cluster.url(role)) as connection:
        seen = {name: one(connection, f"SHOW {name}") for name in EXPECTED[role]}
    assert seen == EXPECTED[role]


def test_another_login_takes_the_services_settings_with_its_rights(database_url: str) -> None:
    async def look() -> dict[str, Any]:
        store = Store(database_url, Settings())
        await store.connect()
        connection = store._connection
        assert connection is not None
        seen = {}
        for name in (*NAMES, "role"):
            row = await (await connection.execute(f"SHOW {name}".encode())).fetchone()
            seen[name] = row[0] if row else None
        await store.close()
        return seen

    assert asyncio.run(look()) == {
        **EXPECTED["wattledger_service"],
        "role": "wattledger_service",
    }


def test_a_choice_of_a_dba_is_left_alone_by_the_migration(connection: Connection) -> None:
    statement = (files.MIGRATIONS / "0011.role-settings.sql").read_bytes()
    with connection.transaction(force_rollback=True):
        connection.execute("ALTER ROLE wattledger_service SET lock_timeout = '3s'")
        connection.execute("ALTER ROLE wattledger_service RESET statement_timeout")
        connection.execute(statement)
        config = one(
            connection,
            "SELECT s.setconfig FROM pg_db_role_setting AS s"
            " WHERE s.setrole = 'wattledger_service'::regrole AND s.setdatabase = 0",
        )
    assert "lock_timeout=3s" in config
    assert "statement_timeout=60s" in config


def test_what_a_dba_did_not_choose_is_set_by_the_migration(connection: Connection) -> None:
    """One setting of a role says nothing of its others, nor does one for another database."""
    statement = (files.MIGRATIONS / "0011.role-settings.sql").read_bytes()
    with connection.transaction(force_rollback=True):
        connection.execute("ALTER ROLE wattledger_bi RESET ALL")
        connection.execute("ALTER ROLE wattledger_bi SET work_mem = '1GB'")
        connection.execute("ALTER ROLE wattledger_bi SET search_path = bi")
        connection.execute("ALTER ROLE wattledger_bi IN DATABASE postgres SET jit = on")
        connection.execute(statement)
        config = one(
            connection,
            "SELECT s.setconfig FROM pg_db_role_setting AS s"
            " WHERE s.setrole = 'wattledger_bi'::regrole AND s.setdatabase = 0",
        )
    assert sorted(config) == [
        "TimeZone=UTC",
        "default_transaction_read_only=on",
        "idle_in_transaction_session_timeout=60s",
        "jit=off",
        "lock_timeout=10s",
        "search_path=bi",
        "statement_timeout=60s",
        "work_mem=1GB",
    ]


@pytest.mark.parametrize(
    "call",
    [
        "SELECT * FROM api.ingest_meter_readings("
        "'{M}', ARRAY[now()], NULL, '{1}', NULL, NULL, '{230}')",
        "SELECT * FROM api.ingest_vehicle_readings("
        "'{V}', ARRAY[now()], NULL, '{1}', NULL, NULL, '{50}', '{20}')",
        "SELECT api.put_charging_link('V', 'M', NULL, NULL)",
        "SELECT * FROM api.end_charging_link('V', NULL)",
    ],
)
def test_what_is_acknowledged_is_flushed_whatever_the_session_has_set(
    connection: Connection, call: str
) -> None:
    connection.execute("SET synchronous_commit = off")
    with connection.transaction():
        connection.execute(call.encode())
        assert one(connection, "SHOW synchronous_commit") == "on"
    assert one(connection, "SHOW synchronous_commit") == "off"
    connection.execute("SET synchronous_commit = remote_apply")
    with connection.transaction():
        connection.execute(call.replace("now()", "now() - interval '1 s'").encode())
        assert one(connection, "SHOW synchronous_commit") == "remote_apply"


def test_a_session_idle_in_a_transaction_is_ended(service_url: str) -> None:
    url = conninfo.make_conninfo(
        service_url, options="-c idle_in_transaction_session_timeout=300ms"
    )
    with psycopg.connect(url) as connection:
        connection.execute("SELECT 1")
        time.sleep(0.8)
        with pytest.raises(psycopg.errors.IdleInTransactionSessionTimeout):
            connection.execute("SELECT 1")
        connection.close()


@pytest.fixture
def expired(connection: Connection) -> Connection:
    """Readings of today, and of a day that is kept no longer."""
    ingest_meters(connection, [MeterReading(ts=NOW - timedelta(days=20)), MeterReading(ts=NOW)])
    connection.execute(
        "UPDATE telemetry.dataset SET keep = '5 days' WHERE dataset = 'meter_reading'"
    )
    return connection


# elsewhere a job of TimescaleDB's drops, and not the service
@pytest.mark.usefixtures("needs_apache")
def test_a_drop_gives_way_to_a_reader_says_so_and_is_done_at_the_next_run(
    expired: Connection, database_url: str, service_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    with psycopg.connect(database_url) as reader:
        assert one(reader, "SELECT count(*) FROM telemetry.meter_reading") == 2
        began = time.monotonic()
        with caplog.at_level(logging.WARNING, logger="service.upkeep"):
            assert asyncio.run(Upkeep(service_url, 60).maintain()) == 0
        assert time.monotonic() - began < 30
        assert "expired chunks of meter_reading stay until the next run" in caplog.text
        # the reader goes on, and sees what it saw
        assert one(reader, "SELECT count(*) FROM telemetry.meter_reading") == 2
    assert asyncio.run(Upkeep(service_url, 60).maintain()) == 1
    assert one(expired, "SELECT count(*) FROM telemetry.meter_reading") == 1


def test_readers_beside_drops_never_deadlock(
    expired: Connection, database_url: str, service_url: str
) -> None:
    failures: list[BaseException] = []
    stop = threading.Event()

    def read() -> None:
        try:
            with psycopg.connect(database_url, autocommit=True) as reader:
                while not stop.is_set():
                    reader.execute("SELECT count(*) FROM telemetry.meter_reading")
        except psycopg.Error as error:
            failures.append(error)

    threads = [threading.Thread(target=read) for _ in range(3)]
    for thread in threads:
        thread.start()
    try:
        for day in range(6, 14):
            expired.execute("UPDATE telemetry.dataset SET keep = '90 days'")
            ingest_meters(expired, [MeterReading(f"M-{day}", NOW - timedelta(days=20))])
            expired.execute(
                "UPDATE telemetry.dataset SET keep = '5 days' WHERE dataset = 'meter_reading'"
            )
            asyncio.run(Upkeep(service_url, 60).maintain())
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    assert failures == []
