"""A refresh of a part hides nothing: none is skipped between it and what is stored."""

from __future__ import annotations

from datetime import timedelta

from tests.support.readings import NOW, Connection, MeterReading, ingest_meters

HOUR = timedelta(hours=1)


def upload(db: Connection, hours: int = 180) -> None:
    """What a device kept for days, an hour a reading, up to now."""
    ingest_meters(db, [MeterReading(ts=NOW - age * HOUR, energy_kwh=1.0) for age in range(hours)])


def shown(db: Connection) -> list[int]:
    return [
        row[0]
        for row in db.execute(
            "SELECT sum(samples) FROM bi.meter_energy_hourly"
            " UNION ALL SELECT sum(samples) FROM bi.meter_energy_daily"
        )
    ]


def run_jobs(db: Connection) -> None:
    """Each refresh as TimescaleDB's scheduler runs it; none on the Apache edition."""
    for (job,) in db.execute(
        "SELECT refresh_job FROM ops.policies WHERE refresh_job IS NOT NULL"
        " ORDER BY dataset NOT LIKE '%hourly'"
    ).fetchall():
        db.execute(f"CALL public.run_job({job})")


def test_a_refresh_of_the_last_hours_alone_hides_nothing_before_them(db: Connection) -> None:
    run_jobs(db)
    upload(db)
    assert shown(db) == [180, 180]
    # within an hour of a complete one, this one looks at the last hours
    run_jobs(db)
    assert shown(db) == [180, 180]


def test_a_refresh_of_a_window_by_hand_hides_nothing_before_it(db: Connection) -> None:
    upload(db, 120)
    db.execute("CALL ops.refresh(now() - INTERVAL '1 hour', now())")
    assert shown(db) == [120, 120]


def test_a_refresh_that_ends_less_far_back_hides_nothing(db: Connection) -> None:
    upload(db, 120)
    if db.execute("SELECT telemetry.has_policies()").fetchone() == (True,):
        db.execute("SELECT ops.set_refresh('meter_energy_hourly', '15 minutes', '4 days')")
        run_jobs(db)
        db.execute("SELECT ops.set_refresh('meter_energy_hourly', '15 minutes', '1 hour')")
    run_jobs(db)
    assert shown(db) == [120, 120]


def test_days_are_not_stored_before_their_hours(db: Connection) -> None:
    upload(db, 120)
    if db.execute("SELECT telemetry.has_policies()").fetchone() == (True,):
        db.execute("SELECT ops.set_refresh('meter_energy_hourly', '15 minutes', '4 days')")
    run_jobs(db)
    ingest_meters(db, [MeterReading("M-late", NOW - 60 * HOUR)])
    run_jobs(db)
    assert shown(db) == [121, 121]


def test_upkeep_by_hand_counts_what_the_jobs_leave_for_the_hour(db: Connection) -> None:
    # within a day, as raw chunks of hours are dropped: of that day ops.refresh takes no part
    db.execute(
        "UPDATE telemetry.dataset SET complete_since = now() - INTERVAL '60 hours'"
        " WHERE dataset LIKE '%reading'"
    )
    upload(db, 59)
    run_jobs(db)
    late = NOW.replace(minute=30) - 58 * HOUR
    assert ingest_meters(db, [MeterReading("M-late", late)]) == []
    run_jobs(db)
    db.execute("CALL ops.maintain()")
    stored = "SELECT sum(samples) FROM bi.meter_energy_{} WHERE meter_id = 'M-late'"
    for grain in ("hourly", "daily"):
        assert db.execute(stored.format(grain)).fetchone() == (1,)
