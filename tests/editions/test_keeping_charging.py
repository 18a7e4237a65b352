"""Charging is kept as readings, links and rules have it, whenever these come; on both editions."""

from __future__ import annotations

from datetime import datetime, timedelta

import psycopg
import pytest

from tests.editions.test_retention import maintain, retain
from tests.support.kept_charging import (
    MINUTE,
    charge,
    keep,
    kept,
    kept_anew,
    settle_and_keep,
)
from tests.support.ledger import settle
from tests.support.readings import (
    NOW,
    Connection,
    MeterReading,
    VehicleReading,
    ingest_meters,
    ingest_vehicles,
    link,
)

HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
START = NOW - timedelta(hours=30)


def verdicts(db: Connection) -> list[tuple[datetime, str | None, str]]:
    return db.execute(
        "SELECT s.started_at, s.vehicle_id, s.verdict FROM bi.charging_session AS s ORDER BY 1, 2"
    ).fetchall()


def test_it_is_kept_as_readings_come(db: Connection):
    link(db)
    for n in range(6):
        charge(db, START + n * 20 * MINUTE, 20)
        settle_and_keep(db)
    once = kept(db)
    assert keep(db) == 0
    assert once == kept_anew(db)
    assert verdicts(db) == [(START, "V-1", "healthy")]


def test_late_readings_change_what_is_kept(db: Connection):
    link(db)
    charge(db, START + 60 * MINUTE, 60)
    settle_and_keep(db)
    assert verdicts(db) == [(START + 60 * MINUTE, "V-1", "healthy")]
    charge(db, START, 60)
    settle_and_keep(db)
    assert verdicts(db) == [(START, "V-1", "healthy")]
    assert kept(db) == kept_anew(db)


def test_what_keeps_changing_is_kept_after_a_while_or_once_it_does_not(db: Connection):
    link(db)
    charge(db, START + 60 * MINUTE, 60)
    settle_and_keep(db)
    charge(db, START, 60)
    settle(db)
    call = "SELECT s.kept > 0 FROM api.settle_charging() AS s"
    change = "UPDATE telemetry.charging_queue SET changed_at = now() + %s, queued_at = now() - %s"
    db.execute(change, [timedelta(hours=1), MINUTE])
    assert db.execute(call).fetchone() == (False,)
    db.execute(change, [timedelta(hours=1), 5 * MINUTE])
    assert db.execute(call).fetchone() == (True,)
    assert kept(db) == kept_anew(db)


def test_what_a_register_settles_later_is_kept_anew(db: Connection):
    link(db)
    times = [START + n * MINUTE for n in range(90)]
    levels = [
        MeterReading("M-1", ts, 100 + 0.12 * n, kind="lifetime_register")
        for n, ts in enumerate(times)
    ]
    assert not ingest_vehicles(db, [VehicleReading("V-1", ts, 0.1) for ts in times])
    # a register that fell, until what comes tells that it was a glitch
    levels[40] = levels[40]._replace(energy_kwh=0)
    assert not ingest_meters(db, levels[:41])
    settle_and_keep(db)
    assert not ingest_meters(db, levels[41:])
    settle_and_keep(db)
    assert kept(db) == kept_anew(db)
    assert [verdict for _, _, verdict in verdicts(db)] == ["healthy"]


def test_links_change_what_is_kept(db: Connection):
    charge(db, START, 120)
    settle_and_keep(db)
    assert verdicts(db) == [(START, None, "insufficient")]
    link(db, since=START + 30 * MINUTE)
    keep(db)
    assert verdicts(db) == [
        (START, None, "insufficient"),
        (START + 30 * MINUTE, "V-1", "healthy"),
    ]
    assert kept(db) == kept_anew(db)
    link(db, since=START + 30 * MINUTE, until=START + 110 * MINUTE)
    keep(db)
    assert [vehicle for _, vehicle, _ in verdicts(db)] == [None, "V-1", None]
    assert kept(db) == kept_anew(db)
    db.execute("DELETE FROM telemetry.charging_link")
    keep(db)
    assert verdicts(db) == [(START, None, "insufficient")]
    assert kept(db) == kept_anew(db)


def test_links_that_are_truncated_are_no_links_any_more(db: Connection):
    link(db)
    charge(db, START, 60)
    settle_and_keep(db)
    db.execute("TRUNCATE telemetry.charging_link")
    keep(db)
    assert verdicts(db) == [(START, None, "insufficient")]
    assert kept(db) == kept_anew(db)


def test_rules_of_charging_change_what_is_kept(db: Connection):
    link(db)
    charge(db, START, 60)
    charge(db, START + 80 * MINUTE, 60)
    settle_and_keep(db)
    assert len(verdicts(db)) == 1
    db.execute("UPDATE telemetry.rules SET session_ends_after = '10 minutes'")
    keep(db)
    assert len(verdicts(db)) == 2
    assert kept(db) == kept_anew(db)


def test_what_only_noted_the_end_of_a_day_is_not_kept_anew(db: Connection):
    link(db)
    charge(db, START, 60)
    charge(db, START + DAY, 60)
    settle_and_keep(db)
    query = "SELECT max(xmin::text::bigint) FROM telemetry.charging_part"
    before = db.execute(query).fetchone()
    db.execute(
        "SELECT telemetry.queue_charging('meter_reading', '{M-1}', ARRAY[d], ARRAY[d], '{false}')"
        " FROM (SELECT telemetry.utc_day(%s) AS d) AS k",
        [START],
    )
    assert keep(db) == 1
    assert db.execute(query).fetchone() == before
    assert db.execute("SELECT queued, behind, failing FROM ops.settling_charging").fetchall() == [
        (0, 0, 0),
        (0, 0, 0),
    ]


def test_a_device_that_fails_holds_up_none_of_the_others(db: Connection):
    link(db, "V-1", "M-1")
    link(db, "V-2", "M-2")
    charge(db, START, 60)
    charge(db, START, 60, vehicle_id="V-2", meter_id="M-2")
    db.execute("ALTER TABLE telemetry.charging_part ADD CONSTRAINT fails CHECK (meter_id <> 'M-2')")
    settle_and_keep(db)
    assert [vehicle for _, vehicle, _ in verdicts(db)] == ["V-1"]
    failing = db.execute(
        "SELECT device, last_error FROM ops.failing_charging ORDER BY 1"
    ).fetchall()
    assert [device for device, _ in failing] == ["meter:M-2", "vehicle:V-2"]
    assert {"fails" in error for _, error in failing} == {True}
    db.execute("ALTER TABLE telemetry.charging_part DROP CONSTRAINT fails")
    db.execute("UPDATE telemetry.charging_queue SET retry_at = now()")
    keep(db)
    assert [vehicle for _, vehicle, _ in verdicts(db)] == ["V-1", "V-2"]
    assert kept(db) == kept_anew(db)


@pytest.fixture
def old(db: Connection) -> datetime:
    """A charge of long ago, which retention is about to reach."""
    old = (NOW - 20 * DAY).replace(hour=12, minute=0)
    retain(db, "30 days")
    link(db, since=old - DAY)
    charge(db, old, 60)
    charge(db, START, 60)
    return old


def test_by_hand_it_ends_though_days_are_queued_as_fast_as_they_are_kept(db: Connection):
    link(db)
    charge(db, START + 60 * MINUTE, 60)
    charge(db, START, 60)
    settle(db)
    db.execute(
        "CREATE FUNCTION public.queue_again() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
        " INSERT INTO telemetry.charging_queue (dataset, device_id, day, is_certain)"
        " VALUES (old.dataset, old.device_id, old.day, TRUE); RETURN NULL; END $$"
    )
    db.execute(
        "CREATE TRIGGER again AFTER DELETE ON telemetry.charging_queue"
        " FOR EACH ROW EXECUTE FUNCTION public.queue_again()"
    )
    db.execute("SET statement_timeout = '20s'")
    db.execute("CALL telemetry.settle_all_charging()")
    assert verdicts(db) == [(START, "V-1", "healthy")]
    assert db.execute("SELECT count(*) > 0 FROM telemetry.charging_queue").fetchone() == (True,)


def test_it_is_kept_before_readings_are_dropped(db: Connection, old: datetime):
    # nobody has kept anything yet
    retain(db, "8 days")
    maintain(db)
    assert db.execute(
        "SELECT count(*) FROM telemetry.meter_reading WHERE ts < %s", [old + DAY]
    ).fetchone() == (0,)
    assert verdicts(db) == [(old, "V-1", "healthy"), (START, "V-1", "healthy")]
    before = kept(db)
    db.execute("UPDATE telemetry.charging_progress SET seen_at = '-infinity'")
    keep(db)
    assert kept(db) == before


def test_readings_stay_whose_charging_cannot_be_kept(db: Connection, old: datetime):
    db.execute("ALTER TABLE telemetry.charging_part ADD CONSTRAINT fails CHECK (meter_id <> 'M-1')")
    retain(db, "8 days")
    with pytest.raises(psycopg.Error, match=r"stays: charging of \S+ of \w+ cannot be kept"):
        maintain(db)
    assert db.execute(
        "SELECT count(*) FROM telemetry.meter_reading WHERE ts < %s", [old + DAY]
    ).fetchone() == (60,)
    db.execute("ALTER TABLE telemetry.charging_part DROP CONSTRAINT fails")
    db.execute("UPDATE telemetry.charging_queue SET retry_at = now()")
    maintain(db)
    assert verdicts(db) == [(old, "V-1", "healthy"), (START, "V-1", "healthy")]


def test_links_of_what_is_dropped_stay_as_they_are(db: Connection, old: datetime):
    retain(db, "8 days")
    maintain(db)
    before = kept(db)
    with pytest.raises(psycopg.Error) as raised:
        link(db, since=old - DAY, until=old + 30 * MINUTE)
    assert raised.value.sqlstate == "WL011"
    assert 'Send a "from" of' in str(raised.value.diag.message_hint)
    with pytest.raises(psycopg.Error) as raised:
        db.execute("DELETE FROM telemetry.charging_link")
    assert raised.value.sqlstate == "WL011"
    assert kept(db) == before
    # it may end, and others may begin, where raw readings are
    link(db, since=old - DAY, until=START + 30 * MINUTE)
    link(db, "V-2", "M-1", since=START + 30 * MINUTE)
    # nothing is kept of this one
    link(db, "V-3", "M-3")
    keep(db)
    assert verdicts(db)[0] == (old, "V-1", "healthy")
    assert [vehicle for _, vehicle, _ in verdicts(db)] == ["V-1", "V-1", "V-2"]
