"""Kept charging of a generated fleet: links, hours, days and charges."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, LiteralString

import psycopg

# each vehicle charges for four hours a day, which is told apart from its idle rest; the first ones
# change chargers among themselves each day
_PREPARE: LiteralString = """
CREATE OR REPLACE FUNCTION pg_temp.fleet(
    first integer, last integer, moving integer, day timestamptz
)
RETURNS TABLE (no integer, vehicle_id text, meter_id text, link_since timestamptz)
LANGUAGE sql AS $$
    SELECT
        v.no,
        'V-' || v.no,
        'M-' || CASE
            WHEN v.no <= moving
                THEN (v.no + telemetry.utc_day(day) - DATE '2000-01-01') % moving + 1
            ELSE v.no
        END,
        CASE WHEN v.no <= moving THEN day END
    FROM generate_series(first, last) AS v (no)
$$
"""
_PARTS: LiteralString = """
INSERT INTO telemetry.charging_part (
    meter_id, hour, since, until, vehicle_id, link_since, flow_since, flow_until,
    ac_mwh, ac_matched_mwh, dc_mwh, dc_matched_mwh, standby_mwh, active_us, matched_us,
    ac_resolution_mwh, dc_resolution_mwh, peak_w, battery_temp_mc, meter_samples, vehicle_samples
)
SELECT
    v.meter_id, h.hour, h.hour, h.hour + INTERVAL '1 hour', v.vehicle_id, v.link_since,
    CASE WHEN k.flows THEN h.hour END, CASE WHEN k.flows THEN h.hour + INTERVAL '1 hour' END,
    k.ac, k.ac, k.dc, k.dc, 10000, k.us, k.us, 1000, 1000,
    CASE WHEN k.flows THEN 7300 END, 20000, 60, 60
FROM pg_temp.fleet(%(first)s, %(last)s, %(moving)s, %(day)s) AS v
CROSS JOIN generate_series(
    %(day)s::timestamptz, %(day)s + INTERVAL '23 hours', INTERVAL '1 hour'
) AS h (hour)
CROSS JOIN LATERAL (SELECT extract(HOUR FROM h.hour AT TIME ZONE 'UTC') < 4 AS flows) AS f
CROSS JOIN LATERAL (
    SELECT
        f.flows,
        CASE WHEN f.flows THEN 7200000 + v.no %% 1000 ELSE 0 END AS ac,
        CASE WHEN f.flows THEN 6400000 + v.no %% 700000 ELSE 0 END AS dc,
        CASE WHEN f.flows THEN 3600000000 ELSE 0 END AS us
) AS k
"""
_DAYS: LiteralString = """
INSERT INTO telemetry.charging_day (
    day, vehicle_id, meter_id,
    ac_mwh, ac_matched_mwh, dc_mwh, dc_matched_mwh, standby_mwh, active_us, matched_us,
    ac_resolution_mwh, dc_resolution_mwh, peak_w, battery_temp_mc, meter_samples, vehicle_samples
)
SELECT
    telemetry.utc_day(%(day)s::timestamptz), v.vehicle_id, v.meter_id,
    4 * (7200000 + v.no %% 1000), 4 * (7200000 + v.no %% 1000), 4 * (6400000 + v.no %% 700000),
    4 * (6400000 + v.no %% 700000), 240000, 14400000000, 14400000000,
    1000, 1000, 7300, 20000, 1440, 1440
FROM pg_temp.fleet(%(first)s, %(last)s, %(moving)s, %(day)s) AS v
"""
_SESSIONS: LiteralString = """
INSERT INTO telemetry.charging_session (
    meter_id, started_at, vehicle_id, ended_at,
    ac_mwh, ac_matched_mwh, dc_mwh, dc_matched_mwh, active_us, matched_us,
    ac_resolution_mwh, dc_resolution_mwh, peak_w, battery_temp_mc, meter_samples, vehicle_samples
)
SELECT
    v.meter_id, %(day)s, v.vehicle_id, %(day)s + INTERVAL '4 hours',
    4 * (7200000 + v.no %% 1000), 4 * (7200000 + v.no %% 1000), 4 * (6400000 + v.no %% 700000),
    4 * (6400000 + v.no %% 700000), 14400000000, 14400000000, 1000, 1000, 7300, 20000, 240, 240
FROM pg_temp.fleet(%(first)s, %(last)s, %(moving)s, %(day)s) AS v
"""
_LASTING_LINKS: LiteralString = """
INSERT INTO telemetry.charging_link (vehicle_id, meter_id, during)
SELECT 'V-' || v.no, 'M-' || v.no, tstzrange(NULL, NULL)
FROM generate_series(
    greatest(%(first)s::integer, %(moving)s::integer + 1), %(last)s::integer
) AS v (no)
"""
_DAILY_LINKS: LiteralString = """
INSERT INTO telemetry.charging_link (vehicle_id, meter_id, during)
SELECT v.vehicle_id, v.meter_id, tstzrange(%(day)s, %(day)s + INTERVAL '24 hours')
FROM pg_temp.fleet(%(first)s, %(last)s, %(moving)s, %(day)s) AS v
WHERE v.link_since IS NOT NULL
"""
# all report, and were looked at within the last four minutes
_STATES: tuple[LiteralString, ...] = (
    """
INSERT INTO telemetry.meter_state (
    meter_id, ts, earlier_ts, energy_mwh, received_at, kind, hour, hour_energy_mwh,
    hour_apportioned_mwh, hour_samples, hour_voltage_samples
)
SELECT
    'M-' || v.no, now(), now() - INTERVAL '60 s', 120000, now(), 'difference',
    telemetry.floor_hour(now()), 0, 0, 0, 0
FROM generate_series(%(first)s::integer, %(last)s::integer) AS v (no)
ON CONFLICT DO NOTHING
""",
    """
INSERT INTO telemetry.vehicle_state (
    vehicle_id, ts, earlier_ts, energy_mwh, received_at, kind, hour, hour_energy_mwh,
    hour_apportioned_mwh, hour_samples
)
SELECT
    'V-' || v.no, now(), now() - INTERVAL '60 s', 108000, now(), 'difference',
    telemetry.floor_hour(now()), 0, 0, 0
FROM generate_series(%(first)s::integer, %(last)s::integer) AS v (no)
ON CONFLICT DO NOTHING
""",
    """
INSERT INTO telemetry.charging_progress (dataset, device_id, seen_at, kept_at)
SELECT d.dataset, d.prefix || v.no, now() - INTERVAL '3 minutes', now()
FROM generate_series(%(first)s::integer, %(last)s::integer) AS v (no)
CROSS JOIN (VALUES ('meter_reading', 'M-'), ('vehicle_reading', 'V-')) AS d (dataset, prefix)
ON CONFLICT DO NOTHING
""",
)


def link(db: psycopg.Connection[Any], first: int, last: int, *, moving: int = 0) -> None:
    """Link vehicles that stay at a charger of their own, those above `moving`, to it."""
    # nothing is kept yet that a link could change
    db.execute("ALTER TABLE telemetry.charging_link DISABLE TRIGGER USER")
    db.execute(_LASTING_LINKS, {"first": first, "last": last, "moving": moving})
    db.execute("ALTER TABLE telemetry.charging_link ENABLE TRIGGER USER")


def fill(
    db: psycopg.Connection[Any], day: datetime, first: int, last: int, *, moving: int = 0
) -> None:
    """Keep a day's charging of these vehicles; up to `moving` of them are elsewhere each day."""
    told = {"first": first, "last": last, "day": day, "moving": moving}
    db.execute(_PREPARE)
    if moving:
        db.execute("ALTER TABLE telemetry.charging_link DISABLE TRIGGER USER")
        db.execute(_DAILY_LINKS, told)
        db.execute("ALTER TABLE telemetry.charging_link ENABLE TRIGGER USER")
    for statement in (_PARTS, _DAYS, _SESSIONS):
        db.execute(statement, told)


def report(db: psycopg.Connection[Any], first: int, last: int) -> None:
    """Give these vehicles and their meters a state, with charging kept minutes ago."""
    for statement in _STATES:
        db.execute(statement, {"first": first, "last": last})


def days_before(today: datetime, count: int) -> list[datetime]:
    """The last whole UTC days before a moment, oldest first."""
    midnight = today.replace(hour=0, minute=0, second=0, microsecond=0)
    return [midnight - timedelta(days=n) for n in range(count, 0, -1)]


def analyze(db: psycopg.Connection[Any]) -> None:
    """Have the planner know what is there, as autovacuum does in time."""
    db.execute(
        "VACUUM ANALYZE telemetry.charging_part, telemetry.charging_day,"
        " telemetry.charging_session, telemetry.charging_link, telemetry.meter_state,"
        " telemetry.vehicle_state, telemetry.charging_progress"
    )
