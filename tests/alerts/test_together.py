"""Alerts where two sessions look at the same time, and where the service looks."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import psycopg
import pytest
from psycopg import sql

from tests.support.alerts import START, alerts, degraded, keep, new_names, open_kinds
from tests.support.readings import Connection

# the other engine has one connection at a time
pytestmark = pytest.mark.parametrize("where", ["server"], indirect=True)


def test_two_that_look_at_once_open_one_alert(db: Connection, url: str):
    meters = new_names(*(f"M{n}" for n in range(30)))
    for meter in meters:
        keep(db, degraded(meter, f"V-{meter}", 0), degraded(meter, f"V-{meter}", 10))

    def look(_: int) -> None:
        with psycopg.connect(url, autocommit=True) as one:
            for _ in range(12):
                one.execute("SELECT * FROM api.settle_charging(kept_for => '-1 s')")

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(look, range(4)))
    assert open_kinds(db, *meters) == {("degraded", meter) for meter in meters}
    assert len(alerts(db, *meters)) == len(meters)


def test_what_is_kept_while_another_one_looks_is_looked_at_again(db: Connection, url: str):
    m, v = new_names("M", "V")
    keep(db, degraded(m, v, 0))
    with psycopg.connect(url) as looking:
        looking.execute("SELECT * FROM telemetry.settle_alerts(100)")
        # nobody waits for it
        db.execute("SET lock_timeout = '2s'")
        keep(db, degraded(m, v, 10))
        looking.commit()
        looking.execute("SELECT * FROM telemetry.settle_alerts(100)")
    assert open_kinds(db, m) == {("degraded", m)}


def test_a_second_open_one_of_the_same_kind_is_refused(db: Connection):
    (m,) = new_names("M")
    start = "SELECT telemetry.start_alert('standby', %s, '', now(), 'warning')"
    db.execute(start, [m])
    with pytest.raises(psycopg.errors.UniqueViolation):
        db.execute(start, [m])
    assert len(alerts(db, m)) == 1


def test_one_of_which_nothing_can_be_said_holds_up_no_other(db: Connection):
    meters = new_names("M", "N")
    for meter in meters:
        keep(db, degraded(meter, f"V-{meter}", 0), degraded(meter, f"V-{meter}", 10))
    never = sql.SQL("ALTER TABLE telemetry.alert ADD CONSTRAINT never CHECK (meter_id <> {})")
    db.execute(never.format(meters[0]))
    try:
        db.execute("SELECT * FROM telemetry.settle_alerts(100)")
        assert open_kinds(db, *meters) == {("degraded", meters[1])}
    finally:
        db.execute("ALTER TABLE telemetry.alert DROP CONSTRAINT never")
    db.execute("UPDATE telemetry.alert_queue SET due_at = now()")
    db.execute("SELECT * FROM telemetry.settle_alerts(100)")
    assert open_kinds(db, *meters) == {("degraded", meter) for meter in meters}


def test_what_goes_on_is_looked_at_when_it_is_over_though_nothing_more_is_reported(db: Connection):
    m, v = new_names("M", "V")
    # it ended five minutes ago
    last = degraded(m, v, (datetime.now(UTC) - START) / timedelta(hours=1) - 2 - 5 / 60)
    keep(db, degraded(m, v, 0), last)
    # one that has charged for an hour is looked at while it does
    look = "UPDATE telemetry.alert_queue SET due_at = now() WHERE device_id = ANY (%s)"
    db.execute(look, [[m, v]])
    db.execute("SELECT * FROM telemetry.settle_alerts(100)")
    assert open_kinds(db, m) == set()
    rows = db.execute(
        "SELECT q.side, q.due_at FROM telemetry.alert_queue AS q"
        " WHERE q.device_id = ANY (%s) ORDER BY q.side",
        [[m, v]],
    ).fetchall()
    over = last.ends + timedelta(minutes=30)
    assert rows == [("meter", over), ("vehicle", over)]


def test_who_changes_rules_holds_up_nobody(db: Connection, url: str):
    m, v = new_names("M", "V")
    keep(db, degraded(m, v, 0), degraded(m, v, 10))
    # silent meters are due too
    db.execute("UPDATE telemetry.alert_watch SET looked_at = '-infinity'")
    with psycopg.connect(url) as changing:
        changing.execute("UPDATE telemetry.rules SET silent_after = silent_after")
        db.execute("SET lock_timeout = '2s'")
        db.execute("SELECT * FROM telemetry.settle_alerts(100)")
        changing.rollback()
    assert open_kinds(db, m) == {("degraded", m)}
