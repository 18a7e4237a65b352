"""Ledgers on both editions, and the devices that they are of."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack

import psycopg
import pytest

from tests.editions.conftest import engine, shared_path
from tests.support.ledger import Device, new_device
from tests.support.readings import Connection
from tests.support.server import Server

__all__ = ["engine", "shared_path"]


@pytest.fixture(scope="module", params=["server", "webassembly"])
def where(request: pytest.FixtureRequest) -> str:
    """Each engine in turn: the run's server, and the Community edition as WebAssembly."""
    return request.param


@pytest.fixture(scope="module")
def url(where: str, request: pytest.FixtureRequest, database_server: Server) -> Iterator[str]:
    """A migrated database for all tests of a file, each of which has a device of its own."""
    with ExitStack() as stack:
        if where == "server":
            yield stack.enter_context(database_server.clone())
        else:
            started = request.getfixturevalue("engine")
            started.reset()
            yield started.url


@pytest.fixture(scope="module")
def db(url: str) -> Iterator[Connection]:
    """A superuser's connection to it, in autocommit mode."""
    with psycopg.connect(url, autocommit=True) as opened:
        opened.execute("SET timezone = 'UTC'")
        yield opened


@pytest.fixture(params=["meter", "vehicle"])
def device(request: pytest.FixtureRequest) -> Device:
    """A meter and a vehicle in turn."""
    return new_device(request.param)
