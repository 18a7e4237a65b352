"""Settling loses nothing of what comes at the same time."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import timedelta

import psycopg
import pytest

from tests.support.fold import Booking, Reading
from tests.support.ledger import START, Device, check, moment, send, settle, settle_due
from tests.support.readings import Connection

NOON = START + timedelta(hours=12)
KWH = 10**6

pytestmark = pytest.mark.parametrize("where", ["server"], indirect=True, scope="module")


def while_blocked(
    url: str, db: Connection, work: Callable[[Connection], object], then: Callable[[], object]
) -> None:
    """Start work in a session of its own, and do the other thing once it waits for a lock."""
    failures: list[BaseException] = []
    with psycopg.connect(url, autocommit=True) as session:

        def do() -> None:
            try:
                work(session)
            except BaseException as error:
                failures.append(error)

        thread = threading.Thread(target=do)
        thread.start()
        while thread.is_alive() and db.execute(
            "SELECT cardinality(pg_blocking_pids(%s))", [session.info.backend_pid]
        ).fetchone() == (0,):
            pass
        assert thread.is_alive(), failures or "it did not wait"
        then()
        thread.join()
    assert failures == []


def test_what_a_devices_first_readings_rely_on_stays_queued(
    url: str, db: Connection, device: Device
) -> None:
    db.execute(
        "INSERT INTO telemetry.settle_queue (dataset, device_id, day, due_at)"
        " VALUES (%s, %s, %s, now() - INTERVAL '1 hour')",
        [device.dataset, device.device_id, NOON.date()],
    )
    sent = [Reading(NOON, 0), Reading(NOON + timedelta(hours=2), 4 * KWH)]
    with psycopg.connect(url) as writer:
        send(writer, device, sent)
        # nothing is seen of the device yet
        settle_due(db)
    db.execute("UPDATE telemetry.settle_queue SET retry_at = now()")
    settle(db)
    check(db, device, sent)


def test_a_device_of_which_nothing_is_stored_is_not_queued(db: Connection, device: Device) -> None:
    db.execute("SELECT ops.set_device_rules(%s, max_power_kw => 22)", [device.name])
    queued = "SELECT q.* FROM telemetry.settle_queue AS q WHERE q.device_id = %s"
    assert db.execute(queued, [device.device_id]).fetchall() == []


def test_a_record_waits_for_who_settles_its_device(
    url: str, db: Connection, device: Device
) -> None:
    sent = [Reading(NOON, 0), Reading(NOON + timedelta(hours=2), 4 * KWH)]
    send(db, device, sent)

    def record(session: Connection) -> None:
        session.execute("SELECT ops.book_energy(%s, %s, 1, 'a lamp')", [device.name, moment(NOON)])

    with psycopg.connect(url) as settler:
        settle_due(settler)
        while_blocked(url, db, record, settler.commit)
    settle(db)
    check(db, device, sent, [Booking(NOON, KWH)])


def test_settling_waits_for_nobody_who_keeps_charging(
    url: str, db: Connection, device: Device
) -> None:
    sent = [Reading(NOON, 0), Reading(NOON + timedelta(hours=2), 4 * KWH)]
    send(db, device, sent)
    settle(db)
    queued = "SELECT count(*) FROM telemetry.charging_queue AS q WHERE q.device_id = %s"
    with psycopg.connect(url) as keeper:
        keeper.execute("SELECT telemetry.keep_device(%s, %s)", [device.dataset, device.device_id])
        late = Reading(NOON + timedelta(hours=1), KWH)
        send(db, device, [late])
        db.execute("SET lock_timeout = '1s'")
        settle(db)
        db.execute("RESET lock_timeout")
    check(db, device, [*sent, late])
    # what came meanwhile is not kept yet
    assert db.execute(queued, [device.device_id]).fetchone() == (1,)
