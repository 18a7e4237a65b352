"""Whose charging is kept next: what was changed, then who waits longest for what its kind may."""

from __future__ import annotations

from tests.support.readings import Connection


def report(db: Connection, meter: str, *, kwh: float, kept_minutes_ago: float | None) -> None:
    """Have a meter report energy each minute; charging was kept then (None: never)."""
    for minutes_ago in (2, 1):
        db.execute(
            "SELECT * FROM api.ingest_meter_readings(ARRAY[%s],"
            " ARRAY[now() - %s * INTERVAL '1 minute'], NULL, ARRAY[%s]::float8[],"
            " NULL, NULL, ARRAY[NULL]::float8[])",
            [meter, minutes_ago, kwh],
        )
    if kept_minutes_ago is not None:
        db.execute(
            "INSERT INTO telemetry.charging_progress (dataset, device_id, seen_at, kept_at)"
            " SELECT 'meter_reading', %s, k.at, k.at"
            " FROM (SELECT now() - %s * INTERVAL '1 minute' AS at) AS k",
            [meter, kept_minutes_ago],
        )


def due(db: Connection, most: int = 10) -> list[str]:
    return [
        device
        for (device,) in db.execute(
            "SELECT d.device_id FROM telemetry.charging_due("
            "'infinity', now() - INTERVAL '4 minutes', now() - INTERVAL '3 hours', %s) AS d",
            [most],
        )
    ]


def test_one_that_charges_is_due_after_minutes_and_an_idle_one_after_hours(db: Connection):
    report(db, "M-charging", kwh=0.1, kept_minutes_ago=5)
    report(db, "M-kept", kwh=0.1, kept_minutes_ago=3)
    report(db, "M-idle", kwh=0.0001, kept_minutes_ago=170)
    report(db, "M-idle-long", kwh=0.0001, kept_minutes_ago=190)
    assert sorted(due(db)) == ["M-charging", "M-idle-long"]


def test_idle_ones_that_wait_hold_up_none_that_charges(db: Connection):
    # it waits one and a half times as long as it may, they a tenth longer
    for number in range(3):
        report(db, f"M-idle-{number}", kwh=0.0001, kept_minutes_ago=198)
    report(db, "M-charging", kwh=0.1, kept_minutes_ago=6)
    assert due(db, most=1) == ["M-charging"]
    # but none waits for ever
    db.execute(
        "UPDATE telemetry.charging_progress SET kept_at = now() - INTERVAL '9 hours'"
        " WHERE device_id = 'M-idle-2'"
    )
    assert due(db, most=1) == ["M-idle-2"]


def test_what_was_never_kept_and_what_is_queued_comes_first(db: Connection):
    report(db, "M-charging", kwh=0.1, kept_minutes_ago=60)
    report(db, "M-new", kwh=0.1, kept_minutes_ago=None)
    report(db, "M-changed", kwh=0.1, kept_minutes_ago=0)
    db.execute(
        "UPDATE telemetry.charging_progress SET seen_at = now() WHERE device_id = 'M-changed'"
    )
    db.execute(
        "INSERT INTO telemetry.charging_queue (dataset, device_id, day, is_certain, changed_at)"
        " VALUES ('meter_reading', 'M-changed', '2026-01-01', TRUE, now() - INTERVAL '3 seconds')"
    )
    assert due(db) == ["M-changed", "M-new", "M-charging"]
    db.execute("UPDATE telemetry.charging_queue SET retry_at = now() + INTERVAL '1 minute'")
    assert due(db) == ["M-new", "M-charging"]


def test_dbas_see_since_when_one_that_charges_waits(db: Connection):
    query = (
        "SELECT s.behind, round(extract(EPOCH FROM now() - s.charging_kept_at) / 60)"
        " FROM ops.settling_charging AS s WHERE s.dataset = 'meter_reading'"
    )
    report(db, "M-idle", kwh=0.0001, kept_minutes_ago=90)
    assert db.execute(query).fetchone() == (1, None)
    report(db, "M-charging", kwh=0.1, kept_minutes_ago=5)
    report(db, "M-other", kwh=0.1, kept_minutes_ago=3)
    assert db.execute(query).fetchone() == (3, 5)


def test_a_first_reading_is_looked_at_as_one_that_charges(db: Connection):
    db.execute(
        "SELECT * FROM api.ingest_meter_readings(ARRAY['M-1'], ARRAY[now() - INTERVAL '1 minute'],"
        " NULL, ARRAY[0.1]::float8[], NULL, NULL, ARRAY[NULL]::float8[])"
    )
    db.execute(
        "INSERT INTO telemetry.charging_progress (dataset, device_id, seen_at, kept_at)"
        " VALUES ('meter_reading', 'M-1', now() - INTERVAL '1 hour', now() - INTERVAL '5 minutes')"
    )
    assert due(db) == ["M-1"]


def test_what_keeps_changing_waits_as_long_as_one_that_charges(db: Connection):
    report(db, "M-1", kwh=0.1, kept_minutes_ago=1)
    queue = (
        "SELECT telemetry.queue_charging("
        "'meter_reading', '{M-1}', '{2026-01-01}', '{2026-01-01}', '{t}')"
    )
    db.execute(queue)
    assert due(db) == []
    db.execute("UPDATE telemetry.charging_queue SET changed_at = now() - INTERVAL '3 seconds'")
    assert due(db) == ["M-1"]
    db.execute(queue)
    assert due(db) == []
    db.execute("UPDATE telemetry.charging_queue SET queued_at = now() - INTERVAL '5 minutes'")
    assert due(db) == ["M-1"]
