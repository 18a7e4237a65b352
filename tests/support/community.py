"""The Community edition of TimescaleDB for tests: WebAssembly, run by Node.js."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import psycopg
from filelock import FileLock

from service.migrate import migrate
from tests.support.ledger import settle
from tests.support.readings import (
    Connection,
    MeterReading,
    VehicleReading,
    ingest_meters,
    ingest_vehicles,
    link,
    performance,
)

_PLACE = Path(__file__).parents[1] / "community"
_MODULES = _PLACE / "node_modules"
_NODE_MINIMUM = 20
# most engines end before it pays to have optimised what ran a little, which takes seconds of a core
_NODE_OPTIONS = ["--wasm-tiering-budget=20000000"]


class EngineMissing(Exception):
    """The engine cannot run here; the message says what to install."""


class Engine:
    """One running engine, empty or with what another one saved: one connection at a time."""

    def __init__(self, saved: Path | None = None) -> None:
        _install()
        self._filled: str | None = None
        self._process = subprocess.Popen(
            [_node(), *_NODE_OPTIONS, _PLACE / "engine.mjs", *([saved] if saved else [])],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        port = self._answer("ready").split()[1]
        self.url = (
            f"postgresql://postgres:postgres@127.0.0.1:{port}/postgres"
            "?sslmode=disable&connect_timeout=30"
        )

    def save(self, file: Path) -> None:
        """Write the database to a file; then the engine can only be stopped."""
        self._command(f"save {file}")

    def start_from_here(self) -> None:
        """Have `reset` go back to the database as it is now; connections of before are cut off."""
        self._command("mark start")

    def reset(self) -> None:
        """Go back to `start_from_here`; connections of before are cut off."""
        self._command("reset start")

    def reset_filled(self, fill: Callable[[Connection], None]) -> None:
        """Go back to that with what `fill` has put into it; again only after another one did."""
        name = f"{fill.__module__}.{fill.__qualname__}"
        if name != self._filled:
            self.reset()
            with psycopg.connect(self.url, autocommit=True) as connection:
                fill(connection)
            self._command("mark filled")
            self._filled = name
        self._command("reset filled")

    def stop(self) -> None:
        """End it; the data was in memory."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait(30)
        assert self._process.stdout is not None
        self._process.stdout.close()

    def _command(self, name: str) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(f"{name}\n")
        self._process.stdin.flush()
        self._answer("done")

    def _answer(self, expected: str) -> str:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line.startswith(expected):
            raise RuntimeError(f"the engine ended, or said {line!r} where {expected!r} was due")
        return line


def migrated_engine(saved: Path) -> Engine:
    """A new engine with a migrated database; see `engine_with`."""
    engine = engine_with(saved, lambda url: migrate(url, lambda _: None))
    with psycopg.connect(engine.url) as connection:
        _call_what_tests_call(connection)
        connection.rollback()
    engine.start_from_here()
    return engine


def _call_what_tests_call(connection: Connection) -> None:
    """Have the one session of an engine know it: else each test compiles those functions anew."""
    link(connection)
    ingest_meters(connection, [MeterReading()])
    ingest_vehicles(connection, [VehicleReading()])
    settle(connection)
    performance(connection)
    for side in ("meter", "vehicle"):
        connection.execute(f"SELECT FROM bi.{side}_energy_hourly")


def engine_with(saved: Path, fill: Callable[[str], None]) -> Engine:
    """A new engine with what `fill` makes of a database, which the first worker saves for all."""
    with FileLock(saved.with_suffix(".lock")):
        if not saved.exists():
            engine = Engine()
            with psycopg.connect(engine.url, autocommit=True) as connection:
                connection.execute("CREATE EXTENSION IF NOT EXISTS timescaledb")
            fill(engine.url)
            # whole or not at all
            part = saved.with_suffix(".part")
            engine.save(part)
            engine.stop()
            part.rename(saved)
    engine = Engine(saved)
    engine.start_from_here()
    return engine


def _node() -> str:
    node = shutil.which("node")
    if node is None or shutil.which("npm") is None:
        raise EngineMissing(_missing("Node.js is not installed"))
    version = subprocess.run([node, "--version"], capture_output=True, text=True, check=True).stdout
    if int(version.removeprefix("v").split(".")[0]) < _NODE_MINIMUM:
        raise EngineMissing(_missing(f"Node.js is too old ({version.strip()})"))
    return node


def _missing(what: str) -> str:
    return (
        f"{what}: tests on the Community edition of TimescaleDB run it in Node.js."
        f" Install Node.js {_NODE_MINIMUM} or newer with npm, so that `node` is in the PATH."
    )


def _install() -> None:
    _node()
    lock_file = _PLACE / "package-lock.json"
    done = _MODULES / ".installed-lock.json"
    # the workers of xdist come here at once
    with FileLock(_PLACE / ".installing"):
        if done.exists() and done.read_bytes() == lock_file.read_bytes():
            return
        answer = subprocess.run(
            ["npm", "ci", "--no-audit", "--no-fund", "--ignore-scripts"],
            cwd=_PLACE,
            capture_output=True,
            text=True,
            check=False,
            timeout=300,
        )
        if answer.returncode != 0:
            raise EngineMissing(f"npm could not install the engine:\n{answer.stderr[-2000:]}")
        shutil.copy(lock_file, done)
