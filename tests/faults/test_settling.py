"""Settling that is cut off, done by two at once, or beside drops: each ledger is as if it was not.

What settling needs is locked while it works, so that a fault comes at a moment that is known.
"""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from datetime import datetime, timedelta
from random import Random
from typing import LiteralString

import httpx
import psycopg
import pytest

from service.embedded import Cluster
from tests.support.fold import Reading, fold
from tests.support.http import milliseconds, wait_for
from tests.support.keys import bearer, make_key
from tests.support.ledger import (
    START,
    Device,
    check,
    events,
    hours,
    new_device,
    send,
    settle,
    settle_due,
)
from tests.support.process import Service, serving
from tests.support.readings import Connection
from tests.support.server import Server

MINUTE = timedelta(minutes=1)
KWH = 10**6
DEVICES = 12
# nothing is posted where records cannot be read, and all is where events cannot be written
MOMENTS: dict[str, tuple[str, LiteralString]] = {
    "before-anything-is-posted": (
        "telemetry.ledger_record",
        "LOCK TABLE telemetry.ledger_record IN ACCESS EXCLUSIVE MODE",
    ),
    "after-entries-are-posted": (
        "telemetry.register_event",
        "LOCK TABLE telemetry.register_event IN SHARE MODE",
    ),
}
History = dict[Device, list[Reading]]


def histories(count: int, days: int = 2, first: datetime = START) -> History:
    """Registers that fall, come back and are silent for hours, and differences with gaps."""
    made: History = {}
    for number in range(count):
        random = Random(number)
        device = new_device("meter" if number % 3 else "vehicle")
        level, ts, readings = random.randrange(50, 900) * KWH, first, list[Reading]()
        is_register = number % 4 != 3
        while ts < first + timedelta(days=days):
            ts += random.choice((MINUTE, MINUTE, 20 * MINUTE, 75 * MINUTE, 400 * MINUTE))
            step = random.randrange(2 * KWH)
            if not is_register:
                readings.append(Reading(ts, step, "difference"))
                continue
            if random.random() < 0.05:
                level = random.randrange(KWH // 2)
            elif random.random() < 0.05:
                readings.append(Reading(ts - MINUTE / 2, level + 40_000 * KWH))
            level += step
            readings.append(Reading(ts, level))
        made[device] = readings
    return made


def shuffled(made: History) -> Iterator[tuple[Device, list[Reading]]]:
    """Batches of all devices, late ones among them."""
    for device, readings in made.items():
        mixed = list(readings)
        Random(len(readings)).shuffle(mixed)
        middle = len(mixed) // 2
        yield device, mixed[:middle]
        yield device, mixed[middle:]


def document(device: Device, reading: Reading) -> dict[str, object]:
    """A reading on the wire."""
    current = {"meter": "Ac", "vehicle": "Dc"}[device.side]
    usual = {"meter": "kwhConsumedAc", "vehicle": "kwhDeliveredDc"}[device.side]
    return {
        f"{device.side}Id": device.device_id,
        "timestamp": milliseconds(reading.ts),
        usual if reading.kind == "difference" else f"kwhTotal{current}": reading.mwh / KWH,
    }


def post(service: Service, key: str, made: History) -> None:
    for device, readings in shuffled(made):
        answer = httpx.post(
            f"{service.url}/v1/ingest",
            json=[document(device, reading) for reading in readings],
            headers=bearer(key),
            timeout=30,
        )
        assert answer.status_code == 201, answer.text
        assert answer.json()["accepted"] == len(readings)


@contextmanager
def held(url: str, moment: str) -> Generator[Callable[[], int]]:
    """Hold up settling at a moment; gives how many sessions wait there."""
    table, locking = MOMENTS[moment]
    with psycopg.connect(url) as holder, psycopg.connect(url, autocommit=True) as looker:
        holder.execute(locking)

        def waiting() -> int:
            row = looker.execute(
                "SELECT count(*) FROM pg_locks AS l"
                " INNER JOIN pg_stat_activity AS a ON a.pid = l.pid"
                " WHERE NOT l.granted AND l.relation = %s::regclass AND a.query LIKE '%%settle%%'",
                [table],
            ).fetchone()
            assert row is not None
            return row[0]

        yield waiting


def entries(db: Connection) -> int:
    row = db.execute(
        "SELECT (SELECT count(*) FROM telemetry.meter_reading WHERE entry > 0)"
        " + (SELECT count(*) FROM telemetry.vehicle_reading WHERE entry > 0)"
    ).fetchone()
    assert row is not None
    return row[0]


def is_settled(db: Connection) -> bool:
    row = db.execute("SELECT sum(s.due) = 0 AND sum(s.failing) = 0 FROM ops.settling AS s")
    return row.fetchone() == (True,)


def assert_right(db: Connection, made: History) -> None:
    """All is stored once, each ledger is what the plain fold says, and all agrees with it."""
    settle(db)
    assert is_settled(db)
    for device, readings in made.items():
        check(db, device, readings)
        assert_balanced(db, device, readings)
    assert db.execute("SELECT * FROM ops.verify('-infinity')").fetchall() == []


def assert_balanced(db: Connection, device: Device, readings: list[Reading]) -> None:
    """The register's end less its start is all hours' energy and what events explain."""
    if readings[0].kind == "difference":
        assert sum(hours(db, device).values()) == sum(reading.mwh for reading in readings)
        return
    row = db.execute(
        f"SELECT s.level_mwh FROM telemetry.{device.side}_state AS s WHERE s.{device.side}_id = %s",
        [device.device_id],
    ).fetchone()
    assert row is not None
    if row[0] is None:
        return  # what comes next has to tell where it stands
    explained = sum(event.explained for event in events(db, device))
    assert row[0] - min(readings).mwh == sum(hours(db, device).values()) + explained


@pytest.mark.slow
@pytest.mark.parametrize("moment", list(MOMENTS))
def test_a_postmaster_that_is_killed_leaves_every_ledger_right(
    cluster: Cluster, moment: str
) -> None:
    made = histories(DEVICES)
    key = make_key(cluster.url(), "ingest")
    with serving(cluster.url("wattledger_service")) as service:
        with ExitStack() as stack:
            waiting = stack.enter_context(held(cluster.url(), moment))
            post(service, key, made)
            wait_for(lambda: waiting() > 0, seconds=60)
            os.kill(cluster.postmaster_pid(), signal.SIGKILL)
            # the sessions that hold it up are gone with it
            stack.pop_all()
        cluster.start()
        with psycopg.connect(cluster.url(), autocommit=True) as db:
            # the service goes on by itself
            wait_for(lambda: is_settled(db), seconds=60)
            assert entries(db) > 0
            assert_right(db, made)


@pytest.mark.slow
@pytest.mark.parametrize("moment", list(MOMENTS))
def test_a_service_that_is_killed_leaves_every_ledger_right(cluster: Cluster, moment: str) -> None:
    made = histories(DEVICES)
    key = make_key(cluster.url(), "ingest")
    with psycopg.connect(cluster.url(), autocommit=True) as db:
        db.execute("SET timezone = 'UTC'")
        with held(cluster.url(), moment) as waiting:
            with serving(cluster.url("wattledger_service")) as service:
                post(service, key, made)
                wait_for(lambda: waiting() > 0, seconds=60)
                for pid in (service.process.pid, *service.workers()):
                    os.kill(pid, signal.SIGKILL)
            assert entries(db) == 0
        with serving(cluster.url("wattledger_service")):
            wait_for(lambda: is_settled(db), seconds=60)
        assert entries(db) > 0
        assert_right(db, made)


def settle_beside(url: str, count: int) -> tuple[list[threading.Thread], list[int]]:
    """Sessions that each settle all that is due, and what each has posted."""
    posted: list[int] = []

    def run() -> None:
        with psycopg.connect(url, autocommit=True) as db:
            posted.append(settle_due(db))

    threads = [threading.Thread(target=run) for _ in range(count)]
    for thread in threads:
        thread.start()
    return threads, posted


def test_two_that_settle_at_once_post_each_entry_once(
    connection: Connection, database_url: str
) -> None:
    connection.execute("SET timezone = 'UTC'")
    made = histories(40)
    for device, readings in shuffled(made):
        assert send(connection, device, readings) == []
    connection.execute("UPDATE telemetry.settle_queue SET due_at = now()")
    with held(database_url, "after-entries-are-posted") as waiting:
        threads, posted = settle_beside(database_url, 2)
        # each has posted entries of a device, and not committed them
        wait_for(lambda: waiting() == 2, seconds=60)
    for thread in threads:
        thread.join()
    assert is_settled(connection)
    assert all(posted)
    assert sum(posted) == entries(connection)
    assert_right(connection, made)


def test_rollups_built_anew_beside_settling_wait_for_it_in_no_circle(
    connection: Connection, database_url: str, needs_apache: Server
) -> None:
    connection.execute("SET timezone = 'UTC'")
    made = histories(4)
    for device, readings in shuffled(made):
        assert send(connection, device, readings) == []
    connection.execute("UPDATE telemetry.settle_queue SET due_at = now()")
    with (
        psycopg.connect(database_url, autocommit=True) as refresher,
        ThreadPoolExecutor(1) as pool,
    ):
        with held(database_url, "before-anything-is-posted") as waiting:
            threads, _ = settle_beside(database_url, 1)
            wait_for(lambda: waiting() == 1, seconds=60)
            refresh = pool.submit(
                refresher.execute,
                "CALL ops.refresh(%s::timestamptz, %s::timestamptz)",
                [START, START + timedelta(days=3)],
            )
            wait_for(
                lambda: (
                    connection.execute(
                        "SELECT FROM pg_locks WHERE pid = %s AND NOT granted",
                        [refresher.info.backend_pid],
                    ).fetchone()
                    is not None
                )
            )
        refresh.result(60)
    for thread in threads:
        thread.join()
    row = connection.execute("SELECT sum(s.failing) FROM ops.settling AS s").fetchone()
    assert row == (0,)
    assert_right(connection, made)


def test_drops_beside_settling_take_nothing_from_any_ledger(
    connection: Connection, database_url: str
) -> None:
    connection.execute("SET timezone = 'UTC'")
    made = histories(10, days=6)
    for device, readings in shuffled(made):
        assert send(connection, device, readings) == []
    connection.execute("UPDATE telemetry.settle_queue SET due_at = now()")
    connection.execute(
        "UPDATE telemetry.dataset SET keep = INTERVAL '72 hours' WHERE dataset LIKE '%_reading'"
    )
    expected = {device: fold(readings).hours for device, readings in made.items()}
    with held(database_url, "after-entries-are-posted") as waiting:
        threads, _ = settle_beside(database_url, 1)
        wait_for(lambda: waiting() == 1, seconds=60)
        with psycopg.connect(database_url, autocommit=True) as dropper:
            # it cannot be sure of that writer
            dropper.execute("SET statement_timeout = '2min'")
            steps = dropper.execute("SELECT m.step FROM api.maintain() AS m").fetchall()
            assert ("dropped",) not in steps
    while connection.execute(
        "SELECT count(*) FROM api.maintain() AS m"
        # busy: the settler has a device, and it is left for a moment
        " WHERE m.step IN ('bound', 'dropped', 'kept', 'settle', 'busy')"
    ).fetchone() != (0,):
        pass
    for thread in threads:
        thread.join()
    row = connection.execute(
        "SELECT min(m.ts) >= %s FROM telemetry.meter_reading AS m", [START + timedelta(days=3)]
    ).fetchone()
    assert row == (True,)
    settle(connection)
    assert {device: hours(connection, device) for device in made} == expected
    assert connection.execute("SELECT * FROM ops.verify('-infinity')").fetchall() == []
