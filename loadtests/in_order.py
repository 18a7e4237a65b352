"""Database's core time per group of readings that come in order: registers beside differences.

Writes groups of 1, 50 and 500 readings of 2,000 meters on connections of their own, each to a
database of its own on one embedded server, in turns: differences, and registers; and with --before
differences to a database that the definitions of an earlier commit made. The server leaves flushing
to the system, since what the disk takes is the same for all. Prints medians of the backends' core
time and their ratios.
"""

from __future__ import annotations

import io
import os
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import median
from typing import Any

import psycopg
from psycopg import sql
from rich.console import Console
from rich.table import Table

from loadtests.support import stack
from loadtests.support.options import command_line

_ROOT = Path(__file__).parents[1]
SIZES = (1, 50, 500)
_DEVICES = 2_000
# readings per size of group and turn
_READINGS = {1: 1_000, 50: 10_000, 500: 20_000}
_WARMED = 40  # groups that are not counted: plans are made, pages filled

_NOW = (
    "SELECT * FROM api.ingest_meter_readings("
    "%b::text[], %b::timestamptz[], %b::text[], %b::float8[], NULL, NULL, %b::float8[])"
)
_BEFORE = (
    "SELECT * FROM api.ingest_meter_readings("
    "%b::text[], %b::timestamptz[], %b::float8[], %b::float8[])"
)


class Writer:
    """Sends groups on a connection of its own, each device's readings a minute apart."""

    def __init__(self, url: str, statement: str, kind: str | None = None) -> None:
        self._connection = psycopg.connect(url, autocommit=True)
        self._pid = self._connection.info.backend_pid
        self._statement = statement
        self._kind = kind
        self._made = 0
        # whole hours are where other work is done: an hour is long enough for all that is sent
        self._began = (datetime.now(UTC) - timedelta(hours=30)).replace(
            minute=0, second=0, microsecond=0
        )

    def send(self, size: int, groups: int) -> float:
        """Send so many groups; return the backend's core time in microseconds per group."""
        arguments = [self._group(size) for _ in range(groups)]
        before = self._nanoseconds()
        for group in arguments:
            self._connection.execute(self._statement, group, prepare=True, binary=True)  # type: ignore[call-overload]
        return (self._nanoseconds() - before) / 1000 / groups

    def close(self) -> None:
        self._connection.close()

    def _nanoseconds(self) -> int:
        return int(Path(f"/proc/{self._pid}/schedstat").read_text().split()[0])

    def _group(self, size: int) -> list[Any]:
        numbers = range(self._made, self._made + size)
        self._made += size
        ids = [f"M-{number % _DEVICES}" for number in numbers]
        times = [self._began + timedelta(seconds=number // _DEVICES) for number in numbers]
        if self._statement == _BEFORE:
            return [ids, times, [number % 97 / 1000 for number in numbers], [231.2] * size]
        if self._kind is None:
            return [ids, times, None, [number % 97 / 1000 for number in numbers], [231.2] * size]
        levels = [1000 + number // _DEVICES / 100 for number in numbers]
        return [ids, times, [self._kind] * size, levels, [231.2] * size]


@contextmanager
def definitions_of(commit: str) -> Iterator[Path]:
    """The tree of a commit of this repository, in a folder that is removed at the end."""
    tree = subprocess.run(
        ["git", "archive", "--format=tar", commit],
        cwd=_ROOT,
        check=True,
        stdout=subprocess.PIPE,
    ).stdout
    with tempfile.TemporaryDirectory(prefix="wattledger-before-") as folder:
        with tarfile.open(fileobj=io.BytesIO(tree)) as archive:
            archive.extractall(folder, filter="data")
        yield Path(folder)


def main() -> None:
    """Measure all writers in turns, print the medians and their ratios to differences now."""
    parser = command_line("just measure in_order", __doc__)
    parser.add_argument("--rounds", type=int, default=5, help="turns that the writers take")
    parser.add_argument("--before", metavar="COMMIT", help="an earlier commit to compare with")
    given = parser.parse_args()
    console = Console(width=max(100, Console().width))
    with stack.database({"fsync": "off"}) as cluster:
        costs = measure(cluster.url(), given.rounds, given.before)
    _show(costs, console)


def measure(url: str, rounds: int, before: str | None) -> dict[tuple[str, int], float]:
    """Medians of all writers, by name and size of group, each on a new database of that server."""
    taken: dict[tuple[str, int], list[float]] = {}
    with ExitStack() as opened:
        writers = {
            "differences": Writer(_made(url, "differences", _ROOT), _NOW),
            "registers": Writer(_made(url, "registers", _ROOT), _NOW, "lifetime_register"),
        }
        if before:
            tree = opened.enter_context(definitions_of(before))
            writers["differences before"] = Writer(_made(url, "before", tree), _BEFORE)
        for writer in writers.values():
            opened.callback(writer.close)
            writer.send(500, 8)
            for size in SIZES:
                writer.send(size, _WARMED)
        for _ in range(rounds):
            for size in SIZES:
                for name, writer in writers.items():
                    cost = writer.send(size, _READINGS[size] // size)
                    taken.setdefault((name, size), []).append(cost)
    return {cell: median(costs) for cell, costs in taken.items()}


def _made(url: str, name: str, tree: Path) -> str:
    """The URL of a new database with the schema of a tree, made by that tree's own command."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
    made = psycopg.conninfo.make_conninfo(url, dbname=name)
    subprocess.run(
        [sys.executable, "-c", "from service.cli import main; main(['migrate'])"],
        cwd=tree,
        env={**os.environ, "DATABASE_URL": made, "PYTHONPATH": str(tree)},
        check=True,
        stdout=subprocess.DEVNULL,
    )
    return made


def _show(costs: dict[tuple[str, int], float], console: Console) -> None:
    names = list(dict.fromkeys(name for name, _ in costs))
    table = Table(title="µs of the database's core per group, and to differences")
    table.add_column("readings per group")
    for size in SIZES:
        table.add_column(f"{size:,}", justify="right")
    for name in names:
        cells = [
            f"{costs[name, size]:,.0f} ({costs[name, size] / costs[names[0], size]:.2f})"
            for size in SIZES
        ]
        table.add_row(name, *cells)
    console.print(table)


if __name__ == "__main__":
    main()
