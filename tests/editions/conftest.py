"""The same database on both editions: the run's server, Apache unless told, and WebAssembly."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import psycopg
import pytest

from tests.support.community import Engine, migrated_engine
from tests.support.readings import Connection
from tests.support.server import Server


@pytest.fixture(scope="session")
def shared_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory of the whole run: that of a worker of xdist is one in it."""
    own = tmp_path_factory.getbasetemp()
    return own.parent if "PYTEST_XDIST_WORKER" in os.environ else own


@pytest.fixture(scope="session")
def engine(shared_path: Path) -> Iterator[Engine]:
    """The Community edition, migrated; a worker starts it when a test first asks for it."""
    started = migrated_engine(shared_path / "community.tar")
    yield started
    started.stop()


@pytest.fixture
def community_url(engine: Engine) -> str:
    """A migrated database on the Community edition: for one connection at a time."""
    engine.reset()
    return engine.url


@pytest.fixture(params=["server", "webassembly"])
def where(request: pytest.FixtureRequest) -> str:
    """Each engine in turn: the run's server, and the Community edition as WebAssembly."""
    return request.param


@pytest.fixture
def url(where: str, request: pytest.FixtureRequest, database_server: Server) -> Iterator[str]:
    """A migrated database of the test's own on that engine: for one connection at a time."""
    if where == "webassembly":
        yield request.getfixturevalue("community_url")
    else:
        with database_server.clone() as cloned:
            yield cloned


@pytest.fixture
def db(url: str) -> Iterator[Connection]:
    """A superuser's connection to it, in autocommit mode."""
    with psycopg.connect(url, autocommit=True) as opened:
        opened.execute("SET timezone = 'UTC'")
        yield opened


@pytest.fixture
def url_filled_by(
    where: str, request: pytest.FixtureRequest, database_server: Server
) -> Iterator[Callable[[Callable[[Connection], None]], str]]:
    """Gives a database like `url`, with what a function of a connection puts into it.

    That is called once, and what it made is copied for each test.
    """
    with ExitStack() as opened:

        def give(fill: Callable[[Connection], None]) -> str:
            if where == "webassembly":
                engine = request.getfixturevalue("engine")
                engine.reset_filled(fill)
                return engine.url
            return opened.enter_context(database_server.clone_filled(fill))

        yield give
