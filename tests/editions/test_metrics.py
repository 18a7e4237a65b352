"""Metrics of the database say what the views of ops say, and cost the same in a large fleet."""

from __future__ import annotations

from datetime import timedelta

import pytest

from tests.support.readings import (
    NOW,
    Connection,
    MeterReading,
    VehicleReading,
    ingest_meters,
    ingest_vehicles,
)

MANY = 20_000


def metrics(db: Connection) -> dict[tuple[str, str | None], float]:
    """The values by name and label."""
    db.execute("SELECT pg_stat_force_next_flush()")
    rows = db.execute("SELECT m.name, m.label_value, m.value FROM api.metrics() AS m").fetchall()
    found = {(name, label): value for name, label, value in rows}
    assert len(found) == len(rows)
    return found


def analyze(db: Connection, *tables: str) -> None:
    """Bring statistics up to date; what this session has not told of its writes counts on top."""
    db.execute("SELECT pg_stat_force_next_flush()")
    for table in tables:
        db.execute(f"ANALYZE telemetry.{table}")


def test_an_empty_database_has_no_newest_reading_and_nothing_that_waits(db: Connection) -> None:
    found = metrics(db)
    assert not [name for name, _ in found if name.startswith("newest")]
    for name in ("settling_queue_devices", "charging_waiting", "quarantine_readings"):
        assert found[name, None] == 0
    for name in ("settling_lag_seconds", "charging_lag_seconds", "quarantine_bytes"):
        assert found[name, None] == 0
    assert found["devices", "meter"] == found["devices", "vehicle"] == 0
    assert found["database_size_bytes", None] > 1_000_000


def test_the_newest_reading_of_each_side_is_told_and_how_many_devices_there_are(
    db: Connection,
) -> None:
    ingest_meters(db, [MeterReading(f"M-{n}", NOW - timedelta(minutes=n)) for n in range(3)])
    ingest_vehicles(db, [VehicleReading("V-1", NOW - timedelta(hours=1))])
    analyze(db, "meter_state", "vehicle_state")
    found = metrics(db)
    assert found["newest_reading_timestamp_seconds", "meter"] == NOW.timestamp()
    assert found["newest_reading_timestamp_seconds", "vehicle"] == NOW.timestamp() - 3600
    assert (found["devices", "meter"], found["devices", "vehicle"]) == (3, 1)


def test_what_waits_is_told_as_ops_has_it(db: Connection) -> None:
    db.execute("DELETE FROM telemetry.settle_queue")
    db.execute(
        "INSERT INTO telemetry.settle_queue (dataset, device_id, day, due_at)"
        " SELECT 'meter_reading', 'M-' || n, %s, now() - make_interval(mins => n - 2)"
        " FROM generate_series(1, 5) AS n",
        [NOW.date()],
    )
    db.execute(
        "INSERT INTO telemetry.charging_queue (dataset, device_id, day, is_certain, queued_at)"
        " VALUES ('vehicle_reading', 'V-1', %s, TRUE, now() - INTERVAL '90 seconds')",
        [NOW.date()],
    )
    found = metrics(db)
    due = db.execute("SELECT sum(s.due)::integer FROM ops.settling AS s").fetchone()
    queued = db.execute("SELECT sum(s.queued)::integer FROM ops.settling_charging AS s").fetchone()
    assert (found["settling_queue_devices", None],) == due == (4,)
    assert (found["charging_waiting", None],) == queued == (1,)
    assert 180 <= found["settling_lag_seconds", None] < 300
    assert 90 <= found["charging_lag_seconds", None] < 200


def test_a_job_that_needs_attention_is_told(db: Connection) -> None:
    jobs = db.execute(
        "SELECT j.job, count(*) FILTER (WHERE j.needs_attention)::float8 FROM ops.jobs AS j"
        " GROUP BY j.job"
    ).fetchall()
    found = metrics(db)
    assert jobs
    assert {job: found["jobs_failing", job] for job, _ in jobs} == dict(jobs)


def test_the_bytes_in_quarantine_are_told(db: Connection) -> None:
    db.execute(
        "INSERT INTO telemetry.quarantine (reason, detail, content_type, raw)"
        " VALUES ('malformed', 'why', 'application/json', 'abc'), ('future', 'why', 'x', 'de')"
    )
    analyze(db, "quarantine")
    found = metrics(db)
    assert (found["quarantine_readings", None], found["quarantine_bytes", None]) == (2, 5)


@pytest.mark.parametrize("column", ["meter", "vehicle"])
def test_a_large_fleet_and_a_long_history_are_not_read_through(db: Connection, column: str) -> None:
    """A gauge is asked every few seconds."""

    def read() -> int:
        db.execute("SELECT pg_stat_force_next_flush()")
        row = db.execute(
            "SELECT sum(s.seq_tup_read + s.idx_tup_fetch)::bigint FROM pg_stat_user_tables AS s"
        ).fetchone()
        assert row is not None
        return row[0]

    db.execute("SET session_replication_role = replica")
    db.execute(
        f"INSERT INTO telemetry.{column}_state ({column}_id, ts, energy_mwh, received_at, kind)"
        " SELECT 'D-' || n, now() - make_interval(secs => n %% 60), 1, now(), 'difference'"
        " FROM generate_series(1, %s) AS n",
        [MANY],
    )
    db.execute(
        "INSERT INTO telemetry.quarantine (reason, detail, content_type, raw)"
        " SELECT 'malformed', '', 'x', 'abc' FROM generate_series(1, %s)",
        [MANY],
    )
    before = read()
    found = metrics(db)
    assert read() - before < MANY / 2
    row = db.execute("SELECT extract(EPOCH FROM now())::float8").fetchone()
    assert row is not None
    assert row[0] - found["newest_reading_timestamp_seconds", column] < 60
