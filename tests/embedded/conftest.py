"""Clusters in directories that the unprivileged user can reach, removed after the test."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import psycopg
import pytest

from service.embedded import Cluster, EmbeddedError

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
