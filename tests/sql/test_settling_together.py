"""Devices settled together: each in its turn, whoever fails, or needs a chunk that is not there."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from datetime import timedelta

import psycopg
import pytest

from tests.sql.test_settling import NOON, beside, lock, queued, waits_or_ends
from tests.support.fold import HOUR, Reading
from tests.support.ledger import START, Device, hours, let_settling_fail, send, settle
from tests.support.readings import Connection

DAY = timedelta(days=1)
KWH = 10**6
LAST = Device("meter", "z-last")


@pytest.fixture
def other(database_url: str) -> Iterator[Connection]:
    with psycopg.connect(database_url, autocommit=True) as opened:
        yield opened


def store(db: Connection, ids: list[str], every: timedelta) -> None:
    """Readings of registers for a day, each of whose intervals has to be judged; all settled."""
    db.execute(
        "INSERT INTO telemetry.meter_reading (meter_id, ts, energy_mwh, kind, register_mwh)"
        " SELECT d, %(start)s::timestamptz + i * %(every)s, 0, 'lifetime_register', i * 1000000"
        " FROM unnest(%(ids)s::text[]) AS d,"
        " generate_series(0, %(last)s::bigint) AS i",
        {"start": START, "every": every, "ids": ids, "last": DAY // every - 1},
    )
    settle(db)


def queue(db: Connection, ids: list[str], waits: timedelta = timedelta()) -> None:
    """Have devices be due for so long."""
    db.execute(
        "SELECT telemetry.queue_to_settle('meter_reading', i.ids, array_fill(%s::date, i.many),"
        " array_fill(clock_timestamp() - %s, i.many))"
        " FROM (SELECT %s::text[] AS ids, ARRAY[%s::integer] AS many) AS i",
        [START.date(), waits, ids, len(ids)],
    )


def due(db: Connection) -> set[str]:
    return {device for (device,) in queued(db)}


def calls_until_settled(db: Connection, others: list[str], come_due: int, most: int) -> int:
    """Calls until the last one is settled, while so many of those settled come due again."""
    for call in range(1, most + 1):
        db.execute("SELECT api.settle()")
        left = due(db)
        if LAST.device_id not in left:
            return call
        if again := [one for one in others if one not in left][:come_due]:
            queue(db, again)
    raise AssertionError(f"waits after {most} calls")


def test_who_waits_longest_is_settled_though_others_come_due(connection: Connection) -> None:
    others = [f"m-{number:02}" for number in range(40)]
    store(connection, [*others, LAST.device_id], timedelta(minutes=3))
    queue(connection, [LAST.device_id], HOUR)
    queue(connection, others)
    assert calls_until_settled(connection, others, 40, 60) <= 20


@pytest.mark.parametrize("come_due", [0, 3])
def test_who_needs_a_chunk_gets_it_though_others_come_due(
    connection: Connection, come_due: int
) -> None:
    others = [f"m-{number:03}" for number in range(100)]
    store(connection, others, HOUR)
    send(connection, LAST, [Reading(NOON - 5 * DAY, 100 * KWH)])
    settle(connection)
    queue(connection, others)
    send(connection, LAST, [Reading(NOON, 200 * KWH)])
    connection.execute("DELETE FROM telemetry.settle_queue AS q WHERE q.due_at > now()")
    connection.execute(
        "UPDATE telemetry.settle_queue AS q SET due_at = now() - INTERVAL '1 hour'"
        " WHERE q.device_id = %s",
        [LAST.device_id],
    )
    assert calls_until_settled(connection, others, come_due, 60) <= 20
    assert sum(hours(connection, LAST).values()) == 100 * KWH
    settle(connection)
    assert due(connection) == set()


def test_many_that_fail_hold_up_nobody(connection: Connection) -> None:
    failing = [f"a-{number:03}" for number in range(120)]
    good = [f"m-{number:03}" for number in range(200)]
    store(connection, [*failing, *good], HOUR)
    let_settling_fail(connection, "a-%")
    queue(connection, failing, HOUR)
    queue(connection, good)
    connection.execute("CALL telemetry.settle_all_due(NULL)")
    assert due(connection) == set(failing)
    errors = "SELECT DISTINCT q.last_error FROM telemetry.settle_queue AS q"
    assert connection.execute(errors).fetchall() == [("it fails",)]


@pytest.mark.parametrize("is_raced", [False, True])
def test_nothing_is_placed_where_others_dropped(
    connection: Connection, other: Connection, database_url: str, is_raced: bool
) -> None:
    first, third = Device("meter", "a"), Device("meter", "o")
    connection.execute("UPDATE telemetry.dataset SET keep = NULL")
    for age in (13, 12):
        at = NOON - age * DAY
        send(connection, first, [Reading(at, (200 - age) * KWH)])
        send(connection, third, [Reading(at + i * HOUR, KWH, "difference") for i in range(4)])
    send(connection, LAST, [Reading(NOON - 7 * DAY, 200 * KWH)])
    settle(connection)
    connection.execute("SET ROLE wattledger_owner")
    connection.execute(
        "SELECT public.drop_chunks('telemetry.meter_reading', older_than => %s)", [START - 7 * DAY]
    )
    connection.execute("RESET ROLE")
    before = hours_before(connection)
    # both need chunks; of the first one's hours some were dropped
    send(connection, LAST, [Reading(NOON, 210 * KWH)])
    send(connection, first, [Reading(NOON, 300 * KWH)])
    connection.execute(
        "UPDATE telemetry.settle_queue AS q SET due_at = now()"
        " - CASE q.device_id WHEN 'a' THEN INTERVAL '1 hour' ELSE INTERVAL '0' END"
    )
    if is_raced:
        with (
            psycopg.connect(database_url, autocommit=True) as maker,
            ExitStack() as sessions,
            maker.transaction(),
        ):
            # while another one makes a chunk, the first device is to be had again
            maker.execute("LOCK TABLE ONLY telemetry.meter_reading IN SHARE UPDATE EXCLUSIVE MODE")
            with other.transaction():
                lock(other, first)
                settling = beside(database_url, lambda db: db.execute("SELECT api.settle()"))
                assert waits_or_ends(connection, sessions.enter_context(settling))
    settle(connection)
    connection.execute("CALL ops.maintain()")
    assert hours_before(connection) == before
    assert connection.execute("SELECT * FROM ops.verify()").fetchall() == []


def hours_before(db: Connection) -> list[tuple[str, int]]:
    """Energy of each meter in the hours of what was dropped."""
    return db.execute(
        "SELECT h.meter_id, sum(h.energy_mwh) FROM bi.meter_energy_hourly AS h"
        " WHERE h.bucket < %s GROUP BY 1 ORDER BY 1",
        [NOON - 11.5 * DAY],
    ).fetchall()
