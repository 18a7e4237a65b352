"""Jobs of a real scheduler beside a DBA and readings that come: a native Community engine."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import psycopg
import pytest

from tests.support import server
from tests.support.readings import NOW, Connection, MeterReading, ingest_meters

pytestmark = pytest.mark.usefixtures("native_community")

DAY = timedelta(days=1)
NOON = NOW.replace(hour=12, minute=0, second=0, microsecond=0)


@pytest.fixture
def scheduled(connection: Connection) -> Iterator[Connection]:
    """Fourteen days of readings, and each job every second."""
    connection.execute("SET timezone = 'UTC'")
    ingest_meters(connection, [MeterReading(ts=NOON - (age + 1) * DAY) for age in range(14)])
    connection.execute("SET ROLE wattledger_owner")
    connection.execute(
        "SELECT public.alter_job(job_id, schedule_interval => '1 second', next_start => now())"
        " FROM telemetry.present_policy"
    )
    connection.execute("RESET ROLE")
    server.start_jobs(connection)
    yield connection
    server.stop_jobs(connection)


def repeated(url: str, seconds: float, *calls: str) -> tuple[threading.Thread, list[Exception]]:
    """A thread that makes calls one after another for a while, and what they raised."""
    errors: list[Exception] = []

    def run() -> None:
        until = time.monotonic() + seconds
        with psycopg.connect(url, autocommit=True) as opened:
            while time.monotonic() < until:
                for call in calls:
                    try:
                        cursor = opened.execute(call)
                        if cursor.description:
                            cursor.fetchall()
                    except psycopg.Error as error:
                        errors.append(error)

    return threading.Thread(target=run), errors


def all_of(db: Connection, query: str) -> list[tuple[Any, ...]]:
    return db.execute(query).fetchall()


def wait_for(happened: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not happened():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_by_hand_and_by_schedule_never_collide(scheduled: Connection, database_url: str) -> None:
    refresh = "CALL ops.refresh(now() - INTERVAL '12 days', now(), force => true)"
    work = [
        repeated(database_url, 10, refresh),
        repeated(database_url, 10, refresh, "CALL ops.maintain()"),
        repeated(database_url, 10, "SELECT * FROM ops.jobs", "SELECT * FROM ops.freshness"),
    ]
    for thread, _ in work:
        thread.start()
    for thread, _ in work:
        thread.join()
    assert [error for _, errors in work for error in errors] == []
    ran = all_of(scheduled, "SELECT sum(total_runs), sum(total_failures) FROM ops.jobs")
    assert ran[0][0] > 10
    assert ran[0][1] == 0


def test_what_was_done_by_hand_needs_no_attention(scheduled: Connection) -> None:
    scheduled.execute(
        "ALTER FUNCTION telemetry.refresh_pieces(text, timestamptz, timestamptz, boolean)"
        " RENAME TO lost"
    )
    attention = "SELECT DISTINCT job FROM ops.jobs WHERE needs_attention"
    wait_for(lambda: all_of(scheduled, attention) == [("refresh",)])
    server.stop_jobs(scheduled)
    scheduled.execute(
        "ALTER FUNCTION telemetry.lost(text, timestamptz, timestamptz, boolean)"
        " RENAME TO refresh_pieces"
    )
    scheduled.execute("CALL ops.maintain()")
    assert all_of(scheduled, attention) == []


def test_jobs_drop_what_is_kept_no_longer_and_lose_nothing(scheduled: Connection) -> None:
    ingest_meters(scheduled, [MeterReading("M-late", NOON - 12 * DAY, 7.0)])
    scheduled.execute("SELECT ops.set_compression('meter_reading', '3 days')")
    totals = "SELECT sum(energy_mwh), sum(samples) FROM bi.meter_energy_daily"
    scheduled.execute("SELECT ops.set_retention('meter_reading', '8 days', confirm => true)")
    oldest = "SELECT min(ts) FROM telemetry.meter_reading"
    wait_for(lambda: all_of(scheduled, oldest)[0][0] > NOON - 11 * DAY)
    for keep in ("120 days", "6 days", "120 days"):
        scheduled.execute("SELECT ops.set_retention('meter_reading', %s, confirm => true)", [keep])
        done = all_of(scheduled, "SELECT sum(total_runs) FROM ops.jobs")[0][0]
        wait_for(
            lambda done=done: (
                all_of(scheduled, "SELECT sum(total_runs) FROM ops.jobs")[0][0] > done + 20
            )
        )
    assert all_of(scheduled, totals)[0][1] == 15
    assert all_of(scheduled, "SELECT * FROM ops.verify('-infinity')") == []
