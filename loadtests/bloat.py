"""Size of the hot tables while every device's state is rewritten again and again.

Writes one reading of each of 2,000 devices per round, in groups as the service writes them, on an
embedded database. Prints the tables' sizes, dead rows, HOT updates and vacuums every minute, and
at the end how much each table grew since the first minute.
"""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
from rich.console import Console
from rich.table import Table

from loadtests.support import stack
from loadtests.support.options import command_line

_DEVICES = 2_000
_GROUP = 500

_METERS = (
    "SELECT * FROM api.ingest_meter_readings("
    "%b::text[], %b::timestamptz[], NULL, %b::float8[], NULL, NULL, %b::float8[])"
)
_VEHICLES = (
    "SELECT * FROM api.ingest_vehicle_readings("
    "%b::text[], %b::timestamptz[], NULL, %b::float8[], NULL, NULL, %b::float8[], %b::float8[])"
)
_SIZES = """
SELECT
    s.relname,
    pg_table_size(s.relid) / 1024.0,
    pg_indexes_size(s.relid) / 1024.0,
    s.n_live_tup,
    s.n_dead_tup,
    s.n_tup_upd,
    s.n_tup_hot_upd::float8 / nullif(s.n_tup_upd, 0),
    s.autovacuum_count
FROM pg_stat_user_tables AS s
WHERE s.schemaname = 'telemetry' AND s.relname IN ('meter_state', 'vehicle_state')
ORDER BY s.relname
"""


def main() -> None:
    """Rewrite states for some minutes; print sizes every minute; end with how much they grew."""
    parser = command_line("just measure bloat", __doc__)
    parser.add_argument("--minutes", type=float, default=60, help="how long to write")
    parser.add_argument(
        "--rounds-per-minute", type=int, help="readings per device and minute [as many as can be]"
    )
    given = parser.parse_args()
    minutes = given.minutes
    pause = 60 / given.rounds_per_minute if given.rounds_per_minute else 0
    console = Console(width=max(120, Console().width))
    with stack.database() as cluster, psycopg.connect(cluster.url(), autocommit=True) as connection:
        # half of the devices are meters, half are vehicles
        ids = [f"D-{number}" for number in range(_DEVICES // 2)]
        began = time.monotonic()
        ts = datetime.now(UTC) - timedelta(hours=20)
        rounds, minute = 0, 0
        sizes: list[dict[str, float]] = []
        while True:
            elapsed = (time.monotonic() - began) / 60
            if elapsed >= min(minute, minutes) and rounds:
                sizes.append(_show(connection, console, elapsed, rounds))
                minute += 1
                if elapsed >= minutes:
                    break
            time.sleep(max(0.0, began + rounds * pause - time.monotonic()))
            _rewrite(connection, ids, ts)
            ts += timedelta(seconds=pause or 0.01)
            rounds += 1
        for name, size in sizes[-1].items():
            console.print(f"{name}: {size / sizes[0][name]:.2f} times its size at the first look")


def _rewrite(connection: psycopg.Connection[Any], ids: list[str], ts: datetime) -> None:
    """One new reading of every device, in groups as the service would write them."""
    for start in range(0, len(ids), _GROUP):
        group = ids[start : start + _GROUP]
        times, ones = [ts] * len(group), [1.0] * len(group)
        connection.execute(_METERS, (group, times, ones, ones), prepare=True, binary=True)
        connection.execute(_VEHICLES, (group, times, ones, ones, ones), prepare=True, binary=True)


def _show(
    connection: psycopg.Connection[Any], console: Console, elapsed: float, rounds: int
) -> dict[str, float]:
    """Print the tables' sizes; return table and index together in KiB, by name."""
    title = f"after {elapsed:.1f} min: {rounds * _DEVICES:,} readings of {_DEVICES:,} devices"
    table = Table(title=title)
    table.add_column("")
    for name in ("table KiB", "index KiB", "live", "dead", "updates", "HOT", "autovacuums"):
        table.add_column(name, justify="right")
    sizes: dict[str, float] = {}
    connection.execute("SELECT pg_stat_force_next_flush()")
    for name, size, index, live, dead, updates, hot, vacuums in connection.execute(_SIZES):
        share = "-" if hot is None else f"{hot:.1%}"
        counts = (f"{value:,}" for value in (live, dead, updates))
        table.add_row(name, f"{size:,.0f}", f"{index:,.0f}", *counts, share, str(vacuums))
        sizes[name] = float(size + index)
    console.print(table)
    return sizes


if __name__ == "__main__":
    main()
