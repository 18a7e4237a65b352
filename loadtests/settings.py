"""Effect on single readings of settings that the database can change while it runs.

Posts single readings by wrk to a service on an embedded database, with each setting in turns.
Prints readings per second with their ratio to the usual settings, latency, and the database's core
time per reading. Needs wrk.
"""

from __future__ import annotations

import psycopg
from psycopg import sql
from rich.console import Console

from loadtests.support import ratios, stack, wrk
from loadtests.support.cpu import Stopwatch
from loadtests.support.stack import INGEST_PATH

_VARIANTS: dict[str, dict[str, str]] = {
    "as it is": {},
    "commit_delay 100 µs": {"commit_delay": "100", "commit_siblings": "1"},
    "commit_delay 1000 µs": {"commit_delay": "1000", "commit_siblings": "1"},
    "wal_compression off": {"wal_compression": "off"},
    "max_wal_size 1GB, checkpoint_timeout 5min": {
        "max_wal_size": "1GB",
        "checkpoint_timeout": "5min",
    },
}


def main() -> None:
    """Measure all variants in turns on one database; print their ratios to the first."""
    given = wrk.options("settings", __doc__)
    console = Console(width=max(120, Console().width))
    times = wrk.Times()
    taken: dict[str, list[tuple[float, float, float]]] = {name: [] for name in _VARIANTS}
    with (
        stack.database() as cluster,
        psycopg.connect(cluster.url(), autocommit=True) as connection,
        stack.wattledger(cluster.url("wattledger_service"), stack.OUT / "service.log") as service,
    ):
        (pages,) = connection.execute("SHOW huge_pages_status").fetchone() or ("unknown",)
        console.print(f"huge pages in use: {pages}")

        def load(seconds: float) -> tuple[float, float, float]:
            watch = Stopwatch(database=cluster.postmaster_pid())
            url = service.url + INGEST_PATH
            result = wrk.run(url, "json", 1, times.take(), given.connections, seconds)
            if result.errors:
                raise RuntimeError(f"{result.errors} requests failed")
            rate = result.requests_per_second
            return rate, result.latency.p99, watch.cores()["database"] / rate * 1e6

        load(1)
        for turn in range(given.rounds):
            for name, settings in _VARIANTS.items():
                console.print(f"round {turn + 1}/{given.rounds}: {name}")
                _set(connection, settings)
                taken[name].append(load(given.seconds))
    console.print(ratios.table("setting", "database", taken))


def _set(connection: psycopg.Connection, settings: dict[str, str]) -> None:
    """Make these the only settings that differ."""
    connection.execute("ALTER SYSTEM RESET ALL")
    for name, value in settings.items():
        connection.execute(
            sql.SQL("ALTER SYSTEM SET {} = {}").format(sql.Identifier(name), sql.Literal(value))
        )
    connection.execute("SELECT pg_reload_conf()")


if __name__ == "__main__":
    main()
