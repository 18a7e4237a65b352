"""Settling beside other sessions: what they say is not lost, what they hold stops nothing else."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import timedelta

import psycopg
import pytest

from tests.editions.test_retention import maintain, retain
from tests.support.fold import HOUR, Reading
from tests.support.ledger import (
    START,
    Device,
    hours,
    let_settling_fail,
    let_settling_succeed,
    moment,
    new_device,
    send,
    settle,
)
from tests.support.readings import Connection

DAY = timedelta(days=1)
NOON = START + timedelta(hours=12)
KWH = 10**6


@pytest.fixture
def other(database_url: str) -> Iterator[Connection]:
    with psycopg.connect(database_url, autocommit=True) as opened:
        yield opened


@pytest.fixture(params=["meter", "vehicle"])
def device(request: pytest.FixtureRequest) -> Device:
    """A meter and a vehicle in turn."""
    return new_device(request.param)


def lock(db: Connection, device: Device) -> None:
    """Lock the device's state, as whoever stores readings of it does."""
    db.execute(
        f"SELECT FROM telemetry.{device.side}_state AS s WHERE s.{device.side}_id = %s FOR UPDATE",
        [device.device_id],
    )


@contextmanager
def beside(
    url: str, work: Callable[[Connection], object]
) -> Iterator[tuple[threading.Thread, int]]:
    """Work in a session and thread of its own, with the session's process; ended afterwards."""
    with psycopg.connect(url, autocommit=True) as opened:
        thread = threading.Thread(target=work, args=[opened])
        thread.start()
        try:
            yield thread, opened.info.backend_pid
        finally:
            thread.join(60)
        assert not thread.is_alive()


def waits_or_ends(db: Connection, session: tuple[threading.Thread, int]) -> bool:
    """Until a session waits for a lock, or its work is done; whether it waits."""
    thread, pid = session
    for _ in range(3000):
        waiting = db.execute(
            "SELECT FROM pg_stat_activity AS a WHERE a.pid = %s AND a.wait_event_type = 'Lock'",
            [pid],
        ).fetchone()
        if waiting is not None or not thread.is_alive():
            return waiting is not None
        db.execute("SELECT pg_sleep(0.01)")
    raise AssertionError("it goes on")


def test_a_record_made_while_its_device_is_settled_is_not_lost(
    connection: Connection, other: Connection, database_url: str, device: Device
) -> None:
    send(connection, device, [Reading(NOON, 100 * KWH), Reading(NOON + 4 * HOUR, 120 * KWH)])
    (chunk,) = connection.execute(
        "SELECT r.tableoid::regclass::text FROM"
        f" telemetry.{device.dataset} AS r WHERE r.{device.side}_id = %s LIMIT 1",
        [device.device_id],
    ).fetchone() or (None,)

    def correct(db: Connection) -> None:
        db.execute(
            "SELECT ops.book_energy(%s, %s, 7, 'standby')", [device.name, moment(NOON + HOUR)]
        )

    with ExitStack() as sessions, other.transaction():
        # nothing can be posted: settling has read all that it will, and waits
        other.execute(f"LOCK TABLE ONLY {chunk} IN SHARE MODE")
        settling = sessions.enter_context(
            beside(database_url, lambda db: db.execute("SELECT api.settle()"))
        )
        assert waits_or_ends(connection, settling)
        waits_or_ends(connection, sessions.enter_context(beside(database_url, correct)))
    settle(connection)
    assert sum(hours(connection, device).values()) == 27 * KWH


def test_a_device_that_another_session_has_holds_up_no_other(
    connection: Connection, other: Connection
) -> None:
    device, third = new_device(), new_device()
    # due before all others, and of the newest day
    send(connection, device, [Reading(NOON, 100 * KWH), Reading(NOON + 4 * HOUR, 120 * KWH)])
    send(connection, third, [Reading(NOON - DAY, 100 * KWH)])
    send(connection, third, [Reading(NOON - DAY + 4 * HOUR, 120 * KWH)])
    connection.execute("DELETE FROM telemetry.settle_queue AS q WHERE q.due_at > now()")
    connection.execute(
        "UPDATE telemetry.settle_queue SET due_at = now() - INTERVAL '1 hour' WHERE device_id = %s",
        [device.device_id],
    )
    with other.transaction():
        lock(other, device)
        connection.execute("CALL telemetry.settle_all_due(NULL)")
        assert queued(connection) == [(device.device_id,)]
    connection.execute("UPDATE telemetry.settle_queue SET retry_at = now()")
    connection.execute("CALL telemetry.settle_all_due(NULL)")
    assert queued(connection) == []


def test_who_fails_or_is_had_holds_up_none_that_is_settled_with_it(
    connection: Connection, other: Connection, device: Device
) -> None:
    together = [device, *(new_device(device.side) for _ in range(59))]
    refused, had = together[7], together[40]
    let_settling_fail(connection, refused.device_id)
    for one in together:
        send(connection, one, [Reading(NOON, 100 * KWH), Reading(NOON + 4 * HOUR, 120 * KWH)])
    connection.execute("UPDATE telemetry.settle_queue SET due_at = now()")
    settled = [one for one in together if one not in (refused, had)]
    with other.transaction():
        lock(other, had)
        while queued(connection) != sorted([(refused.device_id,), (had.device_id,)]):
            # at least one in each call, whichever is first
            connection.execute("SELECT api.settle()")
            assert len(queued(connection)) >= 2
    errors = "SELECT DISTINCT q.device_id, q.last_error FROM telemetry.settle_queue AS q ORDER BY 1"
    assert connection.execute(errors).fetchall() == sorted(
        [(refused.device_id, "it fails"), (had.device_id, None)]
    )
    for one in settled:
        assert sum(hours(connection, one).values()) == 20 * KWH
        assert len(hours(connection, one)) == 4
    let_settling_succeed(connection)
    connection.execute("UPDATE telemetry.settle_queue SET retry_at = '-infinity'")
    connection.execute("CALL telemetry.settle_all_due(NULL)")
    assert queued(connection) == []
    for one in (refused, had):
        assert sum(hours(connection, one).values()) == 20 * KWH


def test_chunks_are_made_before_anything_of_another_device_is_locked(
    connection: Connection, other: Connection
) -> None:
    device, third = new_device(), new_device()
    # nobody has chunks of the days between
    send(connection, third, [Reading(NOON - 5 * DAY, 100 * KWH)])
    send(connection, device, [Reading(NOON, 100 * KWH), Reading(NOON + 4 * HOUR, 120 * KWH)])
    send(connection, third, [Reading(NOON, 200 * KWH)])
    connection.execute("DELETE FROM telemetry.settle_queue AS q WHERE q.due_at > now()")
    connection.execute(
        "UPDATE telemetry.settle_queue SET due_at = now() - INTERVAL '1 hour' WHERE device_id = %s",
        [device.device_id],
    )
    with other.transaction():
        # as a group of readings that needs a chunk and then waits for the device's row of the queue
        other.execute("LOCK TABLE ONLY telemetry.meter_reading IN SHARE UPDATE EXCLUSIVE MODE")
        lock(other, device)
        connection.execute("SET lock_timeout = '5s'")
        assert connection.execute("SELECT s.settled FROM api.settle() AS s").fetchone() == (0,)
    errors = "SELECT q.device_id, q.last_error FROM telemetry.settle_queue AS q ORDER BY 1"
    assert connection.execute(errors).fetchall() == [
        (device.device_id, None),
        (third.device_id, None),
    ]


def queued(db: Connection) -> list[tuple[str]]:
    return db.execute(
        "SELECT DISTINCT q.device_id FROM telemetry.settle_queue AS q"
        " WHERE q.due_at <= now() ORDER BY 1"
    ).fetchall()


def test_a_drop_whose_device_another_session_has_is_busy(
    connection: Connection, other: Connection, device: Device
) -> None:
    send(connection, device, [Reading(NOON - 7 * DAY, 100 * KWH)])
    maintain(connection)
    retain(connection, "8 days", (device.dataset,))
    drop = f"SELECT n.step FROM telemetry.drop_next('{device.dataset}') AS n"
    with other.transaction():
        lock(other, device)
        steps = [connection.execute(drop).fetchone() for _ in range(3)]
        assert steps == [("bound",), ("busy",), ("busy",)]
    maintain(connection)
    assert connection.execute(f"SELECT FROM telemetry.{device.dataset}").fetchall() == []
