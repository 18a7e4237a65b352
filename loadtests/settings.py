"""Whether settings of the database that can be changed while it runs matter to single readings."""

from __future__ import annotations

import argparse

import psycopg
from psycopg import sql
from rich.console import Console

from loadtests import ratios, stack
from loadtests.benchmark import wrk
from loadtests.benchmark.steps import INGEST_PATH
from loadtests.cpu import Stopwatch

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
    parser = argparse.ArgumentParser(prog="python -m loadtests.settings", description=__doc__)
    parser.add_argument("--seconds", type=float, default=3, help="for each variant and round")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--connections", type=int, default=300)
    options = parser.parse_args()
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
            result = wrk.run(url, "json", 1, times.take(), options.connections, seconds)
            if result.errors:
                raise RuntimeError(f"{result.errors} requests failed")
            rate = result.requests_per_second
            return rate, result.latency.p99, watch.cores()["database"] / rate * 1e6

        load(1)
        for turn in range(options.rounds):
            for name, settings in _VARIANTS.items():
                console.print(f"round {turn + 1}/{options.rounds}: {name}")
                _set(connection, settings)
                taken[name].append(load(options.seconds))
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
