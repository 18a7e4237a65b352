"""Answers about charging of a large fleet, and what it costs to keep charging up to date.

Fills kept charging of --vehicles vehicles and --days days (of a hundredth of them first, to see
what grows) with generated rows, as many as their charges would have, and times what the API and
analysts ask of them: the fleet's day, a vehicle's day and all its charges, first looks at the
relations. One pair reports for real, so that its hours are kept. Prints medians in milliseconds
and how they grew: 1 is not at all. All goes to a database of its own on an embedded server.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from statistics import median
from time import perf_counter
from typing import Any, LiteralString

import psycopg
from rich.console import Console
from rich.table import Table

from loadtests.support import stack
from loadtests.support.options import command_line

_TURNS = 9
# each vehicle at a charger of its own for four hours a day, which is told apart from its idle rest
_FILL: LiteralString = """
INSERT INTO telemetry.charging_part (
    meter_id, hour, since, until, vehicle_id, flow_since, flow_until,
    ac_mwh, ac_matched_mwh, dc_mwh, dc_matched_mwh, standby_mwh, active_us, matched_us,
    ac_resolution_mwh, dc_resolution_mwh, peak_w, battery_temp_mc, meter_samples, vehicle_samples
)
SELECT
    'M-' || v.no, h.hour, h.hour, h.hour + INTERVAL '1 hour', 'V-' || v.no,
    CASE WHEN k.flows THEN h.hour END, CASE WHEN k.flows THEN h.hour + INTERVAL '1 hour' END,
    k.ac, k.ac, k.dc, k.dc, 10000, k.us, k.us, 1000, 1000,
    CASE WHEN k.flows THEN 7300 END, 20000, 60, 60
FROM generate_series(%(first)s::integer, %(last)s::integer) AS v (no)
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
    telemetry.utc_day(%(day)s::timestamptz), 'V-' || v.no, 'M-' || v.no,
    4 * (7200000 + v.no %% 1000), 4 * (7200000 + v.no %% 1000), 4 * (6400000 + v.no %% 700000),
    4 * (6400000 + v.no %% 700000), 240000, 14400000000, 14400000000,
    1000, 1000, 7300, 20000, 1440, 1440
FROM generate_series(%(first)s::integer, %(last)s::integer) AS v (no)
"""
_SESSIONS: LiteralString = """
INSERT INTO telemetry.charging_session (
    meter_id, started_at, vehicle_id, ended_at,
    ac_mwh, ac_matched_mwh, dc_mwh, dc_matched_mwh, active_us, matched_us,
    ac_resolution_mwh, dc_resolution_mwh, peak_w, battery_temp_mc, meter_samples, vehicle_samples
)
SELECT
    'M-' || v.no, %(day)s, 'V-' || v.no, %(day)s + INTERVAL '4 hours',
    4 * (7200000 + v.no %% 1000), 4 * (7200000 + v.no %% 1000), 4 * (6400000 + v.no %% 700000),
    4 * (6400000 + v.no %% 700000), 14400000000, 14400000000, 1000, 1000, 7300, 20000, 240, 240
FROM generate_series(%(first)s::integer, %(last)s::integer) AS v (no)
"""
_LINKS: LiteralString = """
INSERT INTO telemetry.charging_link (vehicle_id, meter_id, during)
SELECT 'V-' || v.no, 'M-' || v.no, tstzrange(NULL, NULL)
FROM generate_series(%(first)s::integer, %(last)s::integer) AS v (no)
"""
_QUESTIONS: dict[str, LiteralString] = {
    "the fleet's day, GET /v1/analytics/fleet": (
        "SELECT * FROM api.fleet(%(since)s, %(until)s, 'efficiency', NULL, 100)"
    ),
    "a vehicle's day, GET …/performance/V-7": (
        "SELECT * FROM api.performance('V-7', %(since)s, %(until)s)"
    ),
    "a vehicle's day by the hour": (
        "SELECT * FROM api.performance_hourly('V-7', %(since)s, %(until)s)"
    ),
    "a page of sessions, GET /v1/sessions": (
        "SELECT * FROM api.charging_sessions(NULL, NULL, %(since)s, %(until)s, NULL, 100)"
    ),
    "bi.charging_session, a vehicle's": (
        "SELECT * FROM bi.charging_session WHERE vehicle_id = 'V-7'"
    ),
    "bi.charging_efficiency_daily, a vehicle's": (
        "SELECT * FROM bi.charging_efficiency_daily WHERE vehicle_id = 'V-7'"
    ),
    "bi.fleet_efficiency_daily, a day": (
        "SELECT * FROM bi.fleet_efficiency_daily WHERE bucket >= %(since)s AND bucket < %(until)s"
    ),
    "bi.charging_efficiency_hourly, first look": (
        "SELECT * FROM bi.charging_efficiency_hourly LIMIT 100"
    ),
    "bi.charging_session, first look": "SELECT * FROM bi.charging_session LIMIT 100",
}
_METERS: LiteralString = (
    "SELECT * FROM api.ingest_meter_readings(%(ids)s::text[], %(times)s::timestamptz[], NULL,"
    " %(kwh)s::float8[], NULL, NULL, %(none)s::float8[])"
)
_VEHICLES: LiteralString = (
    "SELECT * FROM api.ingest_vehicle_readings(%(ids)s::text[], %(times)s::timestamptz[], NULL,"
    " %(kwh)s::float8[], NULL, NULL, %(none)s::float8[], %(none)s::float8[])"
)


def main() -> None:
    """Measure with a hundredth of the fleet and with all of it, and print both."""
    parser = command_line("just measure charging", __doc__)
    parser.add_argument(
        "--vehicles", type=int, default=100_000, help="how many; 100,000 unless told"
    )
    parser.add_argument("--days", type=int, default=2, help="of kept charging; 2 unless told")
    given = parser.parse_args()
    console = Console(width=max(100, Console().width))
    with (
        stack.database({"fsync": "off"}) as cluster,
        psycopg.connect(cluster.url(), autocommit=True) as db,
    ):
        db.execute("SET jit = off")
        days = _days(given.days)
        few = max(10, given.vehicles // 100)
        _fill(db, days, 1, few, console)
        _report(db, days[-1])
        small = _measure(db, days)
        _fill(db, days, few + 1, given.vehicles, console)
        large = _measure(db, days)
        hours = _cost_of_keeping(db, days[-1])
    _show(console, few, given.vehicles, small, large)
    console.print(f"keeping an hour of a pair that reports each minute: {hours:.1f} ms")


def _days(count: int) -> list[datetime]:
    today = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    return [today - timedelta(days=n) for n in range(count, 0, -1)]


def _fill(
    db: psycopg.Connection[Any], days: list[datetime], first: int, last: int, console: Console
) -> None:
    with console.status("links"):
        db.execute("ALTER TABLE telemetry.charging_link DISABLE TRIGGER USER")
        db.execute(_LINKS, {"first": first, "last": last})
        db.execute("ALTER TABLE telemetry.charging_link ENABLE TRIGGER USER")
    for day in days:
        with console.status(f"{last:,} vehicles, {day:%Y-%m-%d}"):
            for statement in (_FILL, _DAYS, _SESSIONS):
                db.execute(statement, {"first": first, "last": last, "day": day})
    with console.status("analyzing"):
        db.execute(
            "VACUUM ANALYZE telemetry.charging_part, telemetry.charging_day,"
            " telemetry.charging_session, telemetry.charging_link"
        )


def _measure(db: psycopg.Connection[Any], days: list[datetime]) -> dict[str, float]:
    window = {"since": days[-1], "until": days[-1] + timedelta(days=1)}
    taken: dict[str, list[float]] = {name: [] for name in _QUESTIONS}
    for turn in range(_TURNS):
        for name, question in _QUESTIONS.items():
            began = perf_counter()
            rows = db.execute(question, window).fetchall()
            if not rows:
                raise SystemExit(f"{name} has no answer")
            # the first one reads what is not in memory yet
            if turn:
                taken[name].append((perf_counter() - began) * 1000)
    return {name: median(times) for name, times in taken.items()}


def _report(db: psycopg.Connection[Any], day: datetime) -> None:
    """Have one pair report each minute of a day, and its charging kept."""
    times = [day + timedelta(minutes=n) for n in range(1, 24 * 60)]
    sent: tuple[tuple[LiteralString, str, float], ...] = (
        (_METERS, "M-7", 0.12),
        (_VEHICLES, "V-7", 0.108),
    )
    for ingest, device, kwh in sent:
        count = len(times)
        told = {"ids": [device] * count, "times": times, "kwh": [kwh] * count}
        db.execute(ingest, {**told, "none": [None] * count})
    while db.execute("SELECT s.settled + s.waiting FROM api.settle() AS s").fetchone() != (0,):
        pass
    db.execute("SELECT telemetry.keep_device('meter_reading', 'M-7')")


def _cost_of_keeping(db: psycopg.Connection[Any], day: datetime) -> float:
    """Milliseconds to keep an hour of that pair anew."""
    taken: list[float] = []
    for hour in range(1, 23):
        since = day + timedelta(hours=hour)
        began = perf_counter()
        db.execute(
            "SELECT telemetry.keep_charging('M-7', %s, %s)", [since, since + timedelta(hours=1)]
        )
        taken.append((perf_counter() - began) * 1000)
    return median(taken)


def _show(
    console: Console, few: int, many: int, small: dict[str, float], large: dict[str, float]
) -> None:
    table = Table("what is asked", f"{few:,} vehicles", f"{many:,} vehicles", "growth", box=None)
    for name in _QUESTIONS:
        grown = large[name] / small[name]
        table.add_row(name, f"{small[name]:.1f} ms", f"{large[name]:.1f} ms", f"{grown:.1f}")
    console.print(table)


if __name__ == "__main__":
    main()
