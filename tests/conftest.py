"""A real TimescaleDB for every run, and a database of its own for every test."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest

from tests.support import examples, server
from tests.support.server import Server
from tests.support.spreading import ByFileAndEngine


def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:
    # many tests wait for a server, a deadline or a fault: two cores do the work of four workers
    cores = os.cpu_count() or 1
    return max(cores, min(cores + 2, 6))


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> ByFileAndEngine | None:
    # what anybody asks for by --dist stays as it is
    return ByFileAndEngine(config, log) if config.getvalue("dist") == "load" else None


def pytest_configure(config: pytest.Config) -> None:
    # before a test is imported, and in the workers of xdist too
    if "not slow" in config.option.markexpr:
        examples.shorten()
    # once a run: the workers of xdist inherit the environment of the process that started them
    if not hasattr(config, "workerinput") and not config.option.collectonly:
        # hundreds of processes follow, and one that finds all compiled starts three times as fast
        os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
        config.stash[server.KEY] = server.start()


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Leave to the long forms what takes long on WebAssembly alone."""
    for item in items:
        if item.get_closest_marker("slow_on_webassembly") and "[webassembly" in item.nodeid:
            item.add_marker(pytest.mark.slow)


def pytest_unconfigure(config: pytest.Config) -> None:
    if (started := config.stash.get(server.KEY, None)) is not None:
        started.stop()


def pytest_report_header() -> str | None:
    url = os.environ.get(server.URL_VARIABLE)
    return server.describe(url) if url else None


@pytest.fixture(scope="session")
def database_server() -> Server:
    """The server of this run, with a migrated template database."""
    return Server(os.environ[server.URL_VARIABLE])


@pytest.fixture(scope="session")
def native_community(database_server: Server) -> Server:
    """The run's server, which must be Community with workers; `server.start_jobs` has jobs run."""
    if database_server.edition != "community" or not database_server.workers:
        pytest.skip(
            "needs a native Community engine with background workers: name one by TEST_DATABASE_URL"
        )
    return database_server


@pytest.fixture(scope="session")
def needs_apache(database_server: Server) -> Server:
    """The run's server, which must be of the Apache edition."""
    if database_server.edition != "apache":
        pytest.skip("needs the Apache edition, which the tests' own server is")
    return database_server


@pytest.fixture
def database_url(database_server: Server) -> Iterator[str]:
    """A migrated database of the test's own, as its superuser."""
    with database_server.clone() as url:
        yield url


@pytest.fixture(scope="session")
def shared_database_url(database_server: Server) -> Iterator[str]:
    """A migrated database for a worker's whole run: for tests that roll back what they do."""
    with database_server.clone() as url:
        yield url


@pytest.fixture(scope="session")
def shared_connection(shared_database_url: str) -> Iterator[psycopg.Connection[Any]]:
    """A connection to it, in autocommit mode: a new one would compile every function anew."""
    with psycopg.connect(shared_database_url, autocommit=True) as opened:
        yield opened


@pytest.fixture
def connection(database_url: str) -> Iterator[psycopg.Connection[Any]]:
    """A superuser's connection to the test's own database, in autocommit mode."""
    with psycopg.connect(database_url, autocommit=True) as opened:
        yield opened


@pytest.fixture
def service_url(database_url: str) -> str:
    """The test's own database, as the login that the service has."""
    return server.as_service(database_url)
