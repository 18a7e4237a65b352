"""Clusters in directories that the unprivileged user can reach, removed after the test."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import psycopg
import pytest
from click.testing import CliRunner, Result

from service.cli.db import db as db_group
from service.embedded import Cluster, EmbeddedError, Standby

_SETTINGS = {"shared_buffers": "32MB", "max_wal_size": "128MB"}


@pytest.fixture
def directory() -> Iterator[Path]:
    """A new directory under /tmp: pytest's own are closed to other users."""
    made = Path(tempfile.mkdtemp(prefix="wattledger-embedded-", dir="/tmp"))
    made.chmod(0o755)
    yield made
    shutil.rmtree(made)


@pytest.fixture
def cluster(directory: Path) -> Iterator[Cluster]:
    """A cluster on a free port, not started, with too little memory to be in the way."""
    made = Cluster(directory / "cluster", port=0, settings=_SETTINGS)
    yield made
    with suppress(EmbeddedError):
        made.stop()


@pytest.fixture(scope="module")
def started_cluster() -> Iterator[Cluster]:
    """A running cluster for tests that leave it as it is."""
    parent = Path(tempfile.mkdtemp(prefix="wattledger-embedded-", dir="/tmp"))
    parent.chmod(0o755)
    made = Cluster(parent / "cluster", port=0, settings=_SETTINGS)
    made.start()
    yield made
    made.destroy()
    parent.rmdir()


def query(cluster: Cluster, statement: str) -> list[tuple[Any, ...]]:
    """Run a statement in the database `wattledger` and commit it; return its rows, if any."""
    with psycopg.connect(cluster.url(), autocommit=True) as connection:
        cursor = connection.execute(statement.encode())
        return cursor.fetchall() if cursor.description else []


class Command:
    """Calls `wattledger db` with an environment that knows one directory."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.environment = {
            "WATTLEDGER_HOME": str(home),
            "WATTLEDGER_DB_PORT": "0",
            "DATABASE_URL": None,
        }

    def __call__(self, *arguments: str, **environment: str) -> Result:
        return CliRunner().invoke(db_group, arguments, env=self.environment | environment)

    def psql(self, *arguments: str) -> str:
        """Call psql, for which the process gives up itself; return what it wrote."""
        given = {name: value for name, value in self.environment.items() if value is not None}
        return subprocess.run(
            [sys.executable, "-c", "from service.cli.db import db; db()", "psql", *arguments],
            env={k: v for k, v in os.environ.items() if k != "DATABASE_URL"} | given,
            capture_output=True,
            text=True,
            timeout=60,
            check=True,
        ).stdout


@pytest.fixture
def db(directory: Path) -> Iterator[Command]:
    """The command on a directory that holds nothing yet."""
    command = Command(directory)
    yield command
    cluster = Cluster(directory / "postgresql")
    cluster.stop()
    Standby(cluster).stop()
