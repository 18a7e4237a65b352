"""Answers about charging of a large fleet and of a long history, and what keeping it costs.

Fills kept charging with generated rows, as many as the charges would have, and times what the API
and analysts ask of them: of --vehicles vehicles and two days, and of a hundredth of them; then of
a fleet of 200 in --days days, 50 of which change chargers each day, and in a hundredth of that
time. Prints medians in milliseconds and how they grew: 1 is not at all. One pair reports for real,
so that its hours are kept. All goes to a database of its own on an embedded server.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from statistics import median
from time import perf_counter
from typing import Any, LiteralString

import psycopg
from rich.console import Console
from rich.table import Table

from loadtests.charging import filled
from loadtests.support import stack
from loadtests.support.options import command_line

_TURNS = 9
_FLEET = 200
_MOVING = 50
_OF_A_FLEET: dict[str, LiteralString] = {
    "the fleet's day, GET /v1/analytics/fleet": (
        "SELECT * FROM api.fleet(%(since)s, %(until)s, 'efficiency', NULL, 100)"
    ),
    "… 24 hours that are no UTC day": (
        "SELECT * FROM api.fleet(%(since)s - INTERVAL '9 hours', %(until)s - INTERVAL '9 hours',"
        " 'efficiency', NULL, 100)"
    ),
    "a vehicle's day, GET …/performance/V-7": (
        "SELECT * FROM api.performance('V-7', %(since)s, %(until)s)"
    ),
    "… cut within its first and last hour": (
        "SELECT * FROM api.performance('V-7', %(since)s + INTERVAL '10 minutes',"
        " %(until)s - INTERVAL '10 minutes')"
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
}
_OF_A_HISTORY: dict[str, LiteralString] = {
    "the fleet's day, GET /v1/analytics/fleet": (
        "SELECT * FROM api.fleet(%(since)s, %(until)s, 'efficiency', NULL, 100)"
    ),
    "a vehicle's day, GET …/performance/V-8": (
        "SELECT * FROM api.performance('V-8', %(since)s, %(until)s)"
    ),
    "bi.fleet_efficiency_daily, all days": "SELECT * FROM bi.fleet_efficiency_daily",
    "bi.charging_efficiency_daily, a vehicle's month": (
        "SELECT * FROM bi.charging_efficiency_daily WHERE vehicle_id = 'V-8'"
        " AND bucket >= %(until)s - INTERVAL '720 hours' AND bucket < %(until)s"
    ),
    "bi.charging_efficiency_hourly, a first look": (
        "SELECT * FROM bi.charging_efficiency_hourly LIMIT 100"
    ),
    "bi.charging_efficiency_daily, a first look": (
        "SELECT * FROM bi.charging_efficiency_daily LIMIT 100"
    ),
    "bi.charging_efficiency_monthly, a first look": (
        "SELECT * FROM bi.charging_efficiency_monthly LIMIT 100"
    ),
    "bi.charging_session, a first look": ("SELECT * FROM bi.charging_session LIMIT 100"),
    "bi.fleet_efficiency_daily, a first look": (
        "SELECT * FROM bi.fleet_efficiency_daily LIMIT 100"
    ),
    "bi.meter_efficiency_daily, a first look": (
        "SELECT * FROM bi.meter_efficiency_daily LIMIT 100"
    ),
    "bi.charging_link, a first look": ("SELECT * FROM bi.charging_link LIMIT 100"),
    "SELECT DISTINCT vehicle_id, by the hour": (
        "SELECT DISTINCT vehicle_id FROM bi.charging_efficiency_hourly"
    ),
    "SELECT DISTINCT vehicle_id, of charges": "SELECT DISTINCT vehicle_id FROM bi.charging_session",
}
_DUE: LiteralString = (
    "SELECT * FROM telemetry.charging_due("
    "'infinity', now() - INTERVAL '4 min', now() - INTERVAL '3 h', 1000)"
)
_METERS: LiteralString = (
    "SELECT * FROM api.ingest_meter_readings(%(ids)s::text[], %(times)s::timestamptz[], NULL,"
    " %(kwh)s::float8[], NULL, NULL, %(none)s::float8[])"
)
_VEHICLES: LiteralString = (
    "SELECT * FROM api.ingest_vehicle_readings(%(ids)s::text[], %(times)s::timestamptz[], NULL,"
    " %(kwh)s::float8[], NULL, NULL, %(none)s::float8[], %(none)s::float8[])"
)
_Times = dict[str, float]


def main() -> None:
    """Measure with a hundredth of a fleet and of a history and with all of it; print both."""
    parser = command_line("just measure charging", __doc__)
    parser.add_argument(
        "--vehicles", type=int, default=100_000, help="of the fleet; 100,000 unless told"
    )
    parser.add_argument("--days", type=int, default=365, help="of the history; 365 unless told")
    given = parser.parse_args()
    console = Console(width=max(100, Console().width))
    few, many = max(10, given.vehicles // 100), given.vehicles
    short, long = max(2, given.days // 100), given.days
    _show(
        console,
        (f"{few:,} vehicles", f"{many:,} vehicles"),
        _of_a_fleet(few, many, console),
    )
    console.print()
    _show(
        console,
        (f"{short:,} days", f"{long:,} days"),
        _of_a_history(short, long, console),
    )


def _of_a_fleet(few: int, many: int, console: Console) -> tuple[_Times, _Times]:
    with _database() as cluster, psycopg.connect(cluster.url(), autocommit=True) as db:
        db.execute("SET jit = off")
        days = filled.days_before(datetime.now(UTC), 2)
        taken: list[_Times] = []
        for first, last in ((1, few), (few + 1, many)):
            filled.link(db, first, last)
            for day in days:
                with console.status(f"{last:,} vehicles, {day:%Y-%m-%d}"):
                    filled.fill(db, day, first, last)
            if first == 1:
                _report(db, days[-1])
            filled.analyze(db)
            times = _measure(db, _OF_A_FLEET, days[-1])
            times["to keep an hour of a pair that reports each minute"] = _cost_of_keeping(
                db, days[-1]
            )
            filled.report(db, first, last)
            filled.analyze(db)
            times["to find whose charging is to be kept"] = _time(db, _DUE, {})
            taken.append(times)
        return taken[0], taken[1]


def _of_a_history(short: int, long: int, console: Console) -> tuple[_Times, _Times]:
    with _database() as cluster, psycopg.connect(cluster.url(), autocommit=True) as db:
        db.execute("SET jit = off")
        days = filled.days_before(datetime.now(UTC), long)
        taken: list[_Times] = []
        filled.link(db, 1, _FLEET, moving=_MOVING)
        for part in (days[-short:], days[:-short]):
            for day in part:
                with console.status(f"{_FLEET} vehicles, {day:%Y-%m-%d}"):
                    filled.fill(db, day, 1, _FLEET, moving=_MOVING)
            filled.analyze(db)
            taken.append(_measure(db, _OF_A_HISTORY, days[-1]))
        return taken[0], taken[1]


def _database() -> Any:
    # nothing is measured that writes for good
    return stack.database({"fsync": "off"})


def _measure(
    db: psycopg.Connection[Any], questions: Mapping[str, LiteralString], day: datetime
) -> _Times:
    window = {"since": day, "until": day + timedelta(days=1)}
    return {name: _time(db, question, window) for name, question in questions.items()}


def _time(
    db: psycopg.Connection[Any], question: LiteralString, window: Mapping[str, datetime]
) -> float:
    taken: list[float] = []
    for turn in range(_TURNS):
        began = perf_counter()
        db.execute(question, window).fetchall()
        # the first one reads what is not in memory yet
        if turn:
            taken.append((perf_counter() - began) * 1000)
    return median(taken)


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
    db.execute("CALL telemetry.settle_all_due(NULL)")
    for _ in range(2):
        # its finished day is queued by the first
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


def _show(console: Console, sizes: tuple[str, str], taken: tuple[_Times, _Times]) -> None:
    small, large = taken
    table = Table("what is asked", *sizes, "growth", box=None)
    for name in small:
        grown = large[name] / small[name]
        table.add_row(name, f"{small[name]:.1f} ms", f"{large[name]:.1f} ms", f"{grown:.1f}")
    console.print(table)


if __name__ == "__main__":
    main()
