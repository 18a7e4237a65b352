"""The TimescaleDB that a test run uses: an embedded one, or the one at TEST_DATABASE_URL."""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg import conninfo, sql

from service.embedded import Cluster
from service.migrate import edition, migrate
from tests.support import keys

URL_VARIABLE = "WATTLEDGER_TESTS_SERVER"
# roles belong to the whole server, so that all tests must agree on these
PASSWORDS = {
    "wattledger_service": "only-for-tests",
    "wattledger_bi": "a password with 'quotes' & %",
    "wattledger_dba": "only-for-tests",
}
_TEMPLATE_VARIABLE = "WATTLEDGER_TESTS_TEMPLATE"
_EDITION_VARIABLE = "WATTLEDGER_TESTS_EDITION"
_WORKERS_VARIABLE = "WATTLEDGER_TESTS_WORKERS"
_STARTED_VARIABLE = "WATTLEDGER_TESTS_STARTED"

# speed, for data that no test needs after a power cut; no background workers, which would hold
# connections to the template and run jobs in the middle of a test
_SETTINGS = {
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "timescaledb.max_background_workers": "0",
    "shared_buffers": "64MB",
    # a run logs in many thousand times, and 4096 rounds take longer than all else of it
    "scram_iterations": "1",
}
# where Linux keeps files in memory, and what a run may need of it
_MEMORY = Path("/dev/shm")
_MEMORY_BYTES = 2 << 30


class StartedServer:
    """What `start` started, to be stopped when the run ends."""

    def __init__(self, cluster: Cluster | None, url: str, template: str) -> None:
        self._cluster = cluster
        self._url = url
        self._template = template

    def stop(self) -> None:
        """Remove the template, what is made of it for all, and the cluster if it is ours."""
        if self._cluster is None:
            with psycopg.connect(self._url, autocommit=True) as connection:
                for (name,) in connection.execute(
                    "SELECT d.datname FROM pg_database AS d WHERE starts_with(d.datname, %s)",
                    [self._template],
                ).fetchall():
                    connection.execute(
                        sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(
                            sql.Identifier(name)
                        )
                    )
            return
        directory = self._cluster.directory
        self._cluster.stop()
        shutil.rmtree(directory.parent, ignore_errors=True)


KEY: pytest.StashKey[StartedServer] = pytest.StashKey()


def start() -> StartedServer:
    """Start the run's server, make its template, and tell the workers by the environment."""
    started_at()
    cluster = None
    url = os.environ.get("TEST_DATABASE_URL")
    # the tests' own database, whatever the shell that they are run from works on
    os.environ.pop("DATABASE_URL", None)
    if not url:
        parent = Path(tempfile.mkdtemp(prefix="wattledger-tests-", dir=_memory()))
        parent.chmod(0o755)
        cluster = Cluster(parent / "cluster", port=0, settings=_SETTINGS)
        cluster.start()
        url = cluster.url("postgres")
        _hash_password_anew(url)
    template = f"wattledger_template_{uuid.uuid4().hex[:12]}"
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(template)))
    with psycopg.connect(at_database(url, template), autocommit=True) as connection:
        connection.execute("CREATE EXTENSION IF NOT EXISTS timescaledb WITH SCHEMA public")
        # a clone begins without what jobs that came just in time have left behind
        stop_jobs(connection)
        _tell_what_it_is(connection)
    migrate(at_database(url, template), lambda _: None, PASSWORDS)
    keys.put_into_template(at_database(url, template))
    _close_to_all(url, template)
    os.environ[URL_VARIABLE] = url
    os.environ[_TEMPLATE_VARIABLE] = template
    return StartedServer(cluster, url, template)


def _hash_password_anew(url: str) -> None:
    """Hash the superuser's password, which initdb has made, as the settings have it."""
    login = conninfo.conninfo_to_dict(url)
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(
            sql.SQL("ALTER ROLE {} PASSWORD {}").format(
                sql.Identifier(str(login["user"])), sql.Literal(str(login["password"]))
            )
        )


def started_at() -> datetime:
    """When the run started, the same for all workers."""
    return datetime.fromisoformat(
        os.environ.setdefault(_STARTED_VARIABLE, datetime.now(UTC).isoformat())
    )


def _memory() -> Path | None:
    """A directory in memory with room for the run; None where there is none.

    A clone is a thousand small files, which a disk's file system takes three times as long to make.
    """
    if os.access(_MEMORY, os.W_OK) and shutil.disk_usage(_MEMORY).free >= _MEMORY_BYTES:
        return _MEMORY
    return None


def _close_to_all(url: str, template: str) -> None:
    """Keep TimescaleDB's scheduler out: a database that someone uses cannot be copied."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(
            sql.SQL("ALTER DATABASE {} ALLOW_CONNECTIONS false").format(sql.Identifier(template))
        )
        connection.execute(
            "SELECT pg_terminate_backend(a.pid, 5000) FROM pg_stat_activity AS a"
            " WHERE a.datname = %s",
            [template],
        )


def _tell_what_it_is(connection: psycopg.Connection[Any]) -> None:
    os.environ[_EDITION_VARIABLE] = edition.licensed(connection)
    row = connection.execute("SHOW timescaledb.max_background_workers").fetchone()
    os.environ[_WORKERS_VARIABLE] = row[0] if row else "0"


def start_jobs(connection: psycopg.Connection[Any]) -> None:
    """Let TimescaleDB's scheduler run the jobs of the connection's database from now on."""
    connection.execute("SELECT _timescaledb_functions.start_background_workers()")


def stop_jobs(connection: psycopg.Connection[Any]) -> None:
    """End the scheduler of the connection's database, until `start_jobs`."""
    connection.execute("SELECT _timescaledb_functions.stop_background_workers()")


class Server:
    """Makes databases from the template; no job runs in one by itself."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.edition = os.environ[_EDITION_VARIABLE]
        self.workers = int(os.environ[_WORKERS_VARIABLE])
        self._template = os.environ[_TEMPLATE_VARIABLE]

    @contextmanager
    def empty(self) -> Iterator[str]:
        """A new database without anything, removed afterwards."""
        with self._database("template0") as url:
            yield url

    @contextmanager
    def clone(self) -> Iterator[str]:
        """A new migrated database, removed afterwards."""
        with self._database(self._template) as url:
            if self.workers:
                with psycopg.connect(url, autocommit=True) as connection:
                    stop_jobs(connection)
            yield url

    @contextmanager
    def clone_filled(self, fill: Callable[[psycopg.Connection[Any]], None]) -> Iterator[str]:
        """A new database with what `fill` has put into another one, once for all workers."""
        of = f"{fill.__module__}.{fill.__qualname__}"
        filled = f"{self._template}_{hashlib.sha256(of.encode()).hexdigest()[:16]}"
        with psycopg.connect(self.url, autocommit=True) as connection:
            # held until the connection ends
            connection.execute("SELECT pg_advisory_lock(hashtextextended(%s, 0))", [filled])
            if not connection.execute(
                "SELECT FROM pg_database AS d WHERE d.datname = %s", [filled]
            ).fetchall():
                with self.clone() as url:
                    with psycopg.connect(url, autocommit=True) as empty:
                        fill(empty)
                    made = conninfo.conninfo_to_dict(url)["dbname"]
                    _close_to_all(self.url, made)
                    # whole or not at all
                    connection.execute(
                        sql.SQL("ALTER DATABASE {} RENAME TO {}").format(
                            sql.Identifier(made), sql.Identifier(filled)
                        )
                    )
        with self._database(filled) as url:
            yield url

    @contextmanager
    def _database(self, template: str) -> Iterator[str]:
        name = f"wattledger_test_{uuid.uuid4().hex[:16]}"
        with psycopg.connect(self.url, autocommit=True) as connection:
            connection.execute(
                sql.SQL("CREATE DATABASE {} TEMPLATE {} STRATEGY FILE_COPY").format(
                    sql.Identifier(name), sql.Identifier(template)
                )
            )
        try:
            yield at_database(self.url, name)
        finally:
            with (
                # a fault test may have left the server down, and the run's end removes it all
                suppress(psycopg.OperationalError),
                psycopg.connect(self.url, autocommit=True) as connection,
            ):
                connection.execute(
                    sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name))
                )


def at_database(url: str, name: str) -> str:
    """The same server and login, another database."""
    return conninfo.make_conninfo(url, dbname=name)


def as_service(url: str) -> str:
    """The same database, as the login that the service has."""
    return as_role(url, "wattledger_service")


def as_role(url: str, role: str) -> str:
    """The same database, as the login of one of our roles."""
    return conninfo.make_conninfo(url, user=role, password=PASSWORDS[role])


def describe(url: str) -> str:
    """One line for the header of a run: which server and which extension."""
    with psycopg.connect(url) as connection:
        row = connection.execute(
            "SELECT current_setting('server_version'), a.default_version"
            " FROM pg_available_extensions AS a WHERE a.name = 'timescaledb'"
        ).fetchone()
    assert row is not None
    return f"database: PostgreSQL {row[0]}, TimescaleDB {row[1]}"
