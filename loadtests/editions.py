"""Milliseconds of questions about a device and the fleet, on both editions, of the same readings.

Fills a database on each edition (unless it filled them before), asks both the same questions in
turns, and prints the best of each with their ratio. Fails where the answers differ, or where one
device takes more than three times what it takes on the Apache edition.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from statistics import median
from typing import Any, LiteralString

import psycopg
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from loadtests.support import history, stack
from loadtests.support.history import Part
from loadtests.support.options import command_line

Connection = psycopg.Connection[Any]

_MOST = 3.0  # times what the Apache edition takes, for one device
_ASKED = 10  # devices, of those whose links change and of those whose links do not
# what is judged by how much of the present hour has passed differs from one moment to the next
_OF_NOW = {"linked", "linked_hours", "meter_coverage", "vehicle_coverage", "verdict", "status"}

_ONE_DEVICE: dict[str, LiteralString] = {
    "api.performance": "SELECT * FROM api.performance(%(vehicle)s, %(since)s, %(until)s)",
    "api.performance_hourly": (
        "SELECT * FROM api.performance_hourly(%(vehicle)s, %(since)s, %(until)s)"
    ),
    "bi.meter_energy_hourly": (
        "SELECT * FROM bi.meter_energy_hourly AS r WHERE r.meter_id = %(meter)s ORDER BY r.bucket"
    ),
    "bi.meter_energy_daily": (
        "SELECT * FROM bi.meter_energy_daily AS r WHERE r.meter_id = %(meter)s ORDER BY r.bucket"
    ),
    "bi.vehicle_energy_hourly": (
        "SELECT * FROM bi.vehicle_energy_hourly AS r WHERE r.vehicle_id = %(vehicle)s"
        " ORDER BY r.bucket"
    ),
    "bi.vehicle_energy_daily": (
        "SELECT * FROM bi.vehicle_energy_daily AS r WHERE r.vehicle_id = %(vehicle)s"
        " ORDER BY r.bucket"
    ),
    "bi.charging_efficiency_hourly": (
        "SELECT * FROM bi.charging_efficiency_hourly AS e WHERE e.vehicle_id = %(vehicle)s"
        " ORDER BY e.bucket"
    ),
    "bi.charging_efficiency_hourly, today": (
        "SELECT * FROM bi.charging_efficiency_hourly AS e WHERE e.vehicle_id = %(vehicle)s"
        " AND e.bucket >= %(midnight)s ORDER BY e.bucket"
    ),
    "bi.charging_efficiency_daily": (
        "SELECT * FROM bi.charging_efficiency_daily AS e WHERE e.vehicle_id = %(vehicle)s"
        " ORDER BY e.bucket"
    ),
    "bi.charging_efficiency_daily, today": (
        "SELECT * FROM bi.charging_efficiency_daily AS e WHERE e.vehicle_id = %(vehicle)s"
        " AND e.bucket >= %(midnight)s"
    ),
}
_FLEET: dict[str, LiteralString] = {
    "api.fleet, 24 hours": "SELECT * FROM api.fleet(%(since)s, %(until)s)",
    "api.fleet, all days": "SELECT * FROM api.fleet(%(first)s, %(until)s)",
    "bi.fleet_efficiency_daily": "SELECT * FROM bi.fleet_efficiency_daily AS f ORDER BY f.bucket",
    "bi.fleet_efficiency_daily, today": (
        "SELECT * FROM bi.fleet_efficiency_daily AS f WHERE f.bucket >= %(midnight)s"
    ),
    "bi.charging_efficiency_daily": (
        "SELECT * FROM bi.charging_efficiency_daily AS e ORDER BY e.vehicle_id, e.bucket"
    ),
    "bi.charging_efficiency_hourly, today": (
        "SELECT * FROM bi.charging_efficiency_hourly AS e WHERE e.bucket >= %(midnight)s"
        " ORDER BY e.vehicle_id, e.bucket"
    ),
    "bi.charging_efficiency_hourly": (
        "SELECT * FROM bi.charging_efficiency_hourly AS e ORDER BY e.vehicle_id, e.bucket"
    ),
    "bi.charging_efficiency_local_daily, 2 days": (
        "SELECT * FROM bi.charging_efficiency_local_daily("
        "'Asia/Kolkata', %(midnight)s::date - 1, %(midnight)s::date) ORDER BY day, vehicle_id"
    ),
}
_EXTENT = "SELECT min(r.ts), max(r.ts) FROM telemetry.meter_reading AS r"
# of every ten vehicles two exchange their meters once a day, in the middle of an hour
_LINKS = """
WITH vehicle AS (
    SELECT d.number, d.number %% 10 < 2 AS exchanges
    FROM generate_series(0, %(last)s::bigint) AS d (number)
),
change AS (
    SELECT
        n.day,
        %(midnight)s::timestamptz + INTERVAL '10 hours 20 minutes'
        - (%(days)s - n.day) * INTERVAL '24 hours' AS at
    FROM generate_series(0, %(days)s::bigint) AS n (day)
),
stretch AS (
    SELECT
        c.day,
        CASE WHEN c.day > 0 THEN c.at END AS since,
        lead(c.at) OVER (ORDER BY c.day) AS until
    FROM change AS c
)
SELECT count(api.put_charging_link('V-' || v.number, 'M-' || v.number, NULL, NULL))
FROM vehicle AS v
WHERE NOT v.exchanges
UNION ALL
SELECT count(api.put_charging_link(
    'V-' || v.number,
    'M-' || CASE WHEN s.day %% 2 = 0 THEN v.number ELSE v.number + 1 - v.number %% 10 * 2 END,
    s.since,
    s.until
))
FROM vehicle AS v
CROSS JOIN stretch AS s
WHERE v.exchanges
"""


def main() -> None:
    """Fill both databases where they are empty, ask both in turns, compare, and print."""
    given = _options()
    console = Console(width=max(120, Console().width))
    with (
        psycopg.connect(given.community, autocommit=True) as community,
        _apache(given.apache) as apache,
    ):
        for connection in (community, apache):
            # as analysts have them
            connection.execute("SELECT set_config('jit', 'off', FALSE)")
            connection.execute("SELECT set_config('work_mem', '64MB', FALSE)")
        with Progress(console=console) as progress:
            now = datetime.now(UTC).replace(second=0, microsecond=0)
            for connection in (community, apache):
                _fill(connection, given.devices // 2, given.days, now, progress)
        tables = [
            _compare(community, apache, title, questions, rounds, limit)
            for title, questions, rounds, limit in (
                ("one device, ms", _ONE_DEVICE, given.rounds, _MOST),
                ("the fleet, ms", _FLEET, 3, None),
            )
        ]
    for table, _ in tables:
        console.print(table)
    if slow := [name for _, slow in tables for name in slow]:
        sys.exit(f"more than {_MOST:.0f} times what the Apache edition takes: {', '.join(slow)}")


def _options() -> argparse.Namespace:
    parser = command_line("just measure editions", __doc__)
    parser.add_argument(
        "--community",
        required=True,
        metavar="URL",
        help="a migrated database on the Community edition, of a superuser: without readings, or"
        " with those that this command filled in before",
    )
    parser.add_argument(
        "--apache", metavar="URL", help="the same on the Apache edition; without: an embedded one"
    )
    parser.add_argument(
        "--devices", type=int, default=4000, help="half of them meters, half vehicles"
    )
    parser.add_argument("--days", type=int, default=3, help="days of history to fill in")
    parser.add_argument(
        "--rounds", type=int, default=5, help="times that each question is asked of each device"
    )
    return parser.parse_args()


@contextmanager
def _apache(url: str | None) -> Iterator[Connection]:
    if url is None:
        with stack.database() as cluster, psycopg.connect(cluster.url(), autocommit=True) as opened:
            yield opened
        return
    with psycopg.connect(url, autocommit=True) as opened:
        yield opened


def _fill(
    connection: Connection, vehicles: int, days: int, now: datetime, progress: Progress
) -> None:
    if _extent(connection) != (None, None):
        return
    since = now - timedelta(days=days)
    midnight = now.replace(hour=0, minute=0)
    connection.execute(_LINKS, {"last": vehicles - 1, "days": days, "midnight": midnight})
    history.fill(connection, [Part(0, vehicles - 1, since, now)], progress, "filling")
    history.settle(connection, since)


def _extent(connection: Connection) -> tuple[datetime | None, datetime | None]:
    row = connection.execute(_EXTENT).fetchone()
    assert row is not None
    return row[0], row[1]


def _compare(
    community: Connection,
    apache: Connection,
    title: str,
    questions: dict[str, LiteralString],
    rounds: int,
    limit: float | None,
) -> tuple[Table, list[str]]:
    """Ask each question of both in turns; say of which the ratio is above the limit."""
    first, until = _extent(community)
    if first is None or until is None or (first, until) != _extent(apache):
        sys.exit("the two databases have other readings: name two that are empty")
    window = {
        "first": first,
        "since": until - timedelta(hours=24),
        "until": until,
        "midnight": until.replace(hour=0, minute=0, second=0, microsecond=0),
    }
    # the fleet's do not name a device
    numbers = range(_ASKED) if limit else range(1)
    table, slow = Table(title=title), list[str]()
    table.add_column("")
    for name in ("Community", "Apache", "ratio"):
        table.add_column(name, justify="right")
    for name, statement in questions.items():
        taken = [[list[float]() for _ in numbers] for _ in range(2)]
        for turn in range(rounds + 1):
            for number in numbers:
                parameters = {**window, "vehicle": f"V-{number}", "meter": f"M-{number}"}
                answers = list[object]()
                for connection, times in zip((community, apache), taken, strict=True):
                    began = time.perf_counter()
                    cursor = connection.execute(statement, parameters)
                    rows = cursor.fetchall()
                    if turn:  # the first time warms the caches up
                        times[number].append(1000 * (time.perf_counter() - began))
                    answers.append(_lasting(cursor, rows))
                if answers[0] != answers[1]:
                    sys.exit(f"the answers to {name} differ, of {parameters}")
        # the best of each device, since what else the machine does only ever adds to it
        ours, theirs = (median(min(times) for times in side) for side in taken)
        table.add_row(name, f"{ours:,.2f}", f"{theirs:,.2f}", f"{ours / theirs:.2f}")
        if limit and ours > limit * theirs:
            slow.append(name)
    return table, slow


def _lasting(cursor: psycopg.Cursor[Any], rows: list[tuple[Any, ...]]) -> list[list[object]]:
    kept = [n for n, column in enumerate(cursor.description or ()) if column.name not in _OF_NOW]
    return [[row[n] for n in kept] for row in rows]


if __name__ == "__main__":
    main()
