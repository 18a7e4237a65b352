"""One embedded database: made at its first start, kept in a directory, run in the background."""

import fcntl
import os
import shutil
import time
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import psycopg

from service.embedded import places, postmaster, secrets
from service.embedded.errors import EmbeddedError, NotRunning
from service.embedded.launch import launch
from service.embedded.postmaster import Postmaster
from service.embedded.programs import find_programs

DATABASE = "wattledger"
SUPERUSER = "postgres"
_MARKER = "wattledger-embedded-database"
# what a server may take to go down that was told to, or was killed, when we look
_PATIENCE_SECONDS = 10.0


@dataclass(frozen=True)
class Status:
    """Whether a cluster is there, and whether it runs."""

    exists: bool
    running: bool
    pid: int | None
    port: int | None


class Cluster:
    """A PostgreSQL server with TimescaleDB in a directory of its own.

    `port`: null for the usual one, 0 for any free one; it counts when the cluster is made.
    `settings` are put into the configuration over the defaults, at every start. `passwords`: the
    directory of the cluster whose logins these are, where that is another one.
    """

    def __init__(
        self,
        directory: Path,
        port: int | None = None,
        settings: Mapping[str, str] | None = None,
        passwords: Path | None = None,
    ) -> None:
        self.directory = directory.absolute()
        self._port = port
        self._settings = settings or {}
        self._passwords = passwords or self.directory
        self.data = self.directory / "data"
        self._marker = self.directory / _MARKER

    def start(self) -> None:
        """Start the server, having made it where it is not there yet; do nothing if it runs.

        When this returns, it accepts connections and the database `wattledger` exists.
        Raises EmbeddedError.
        """
        with self.held():
            deadline = time.monotonic() + _PATIENCE_SECONDS
            while True:
                try:
                    if postmaster.running(self.data) is None:
                        password = self.password_of(SUPERUSER)
                        launch(self.directory, SUPERUSER, password, self._port, self._settings)
                    postmaster.wait_until_ready(self.data)
                    # also where it ran: a first start may have been killed before it came so far
                    self._create_database()
                except (psycopg.OperationalError, postmaster.Ended, NotRunning) as error:
                    # what ran a moment ago may have been on its way down
                    if time.monotonic() > deadline:
                        raise EmbeddedError(f"the embedded database fails: {error}") from error
                    time.sleep(0.1)
                else:
                    return

    def stop(self) -> None:
        """Stop the server if it runs; open connections are ended, nothing committed is lost."""
        if self._exists():
            with self.held():
                postmaster.stop(self.data)

    def status(self) -> Status:
        """Whether the cluster exists and runs, and where."""
        found = postmaster.running(self.data)
        return Status(
            exists=self._exists(),
            running=found is not None,
            pid=found.pid if found else None,
            port=found.port if found else None,
        )

    def usual_port(self) -> int:
        """The port that it runs on, else the one that it was made with, or would be."""
        if found := postmaster.running(self.data):
            return found.port
        try:
            return int((self.directory / "port").read_text())
        except (OSError, ValueError):
            return places.preferred_port() if self._port is None else self._port

    def url(self, role: str = SUPERUSER, database: str = DATABASE) -> str:
        """A URL with which `role` reaches the running server. Raises EmbeddedError."""
        port = self._postmaster().port
        login = f"{quote(role, safe='')}:{self.password_of(role)}"
        return f"postgresql://{login}@127.0.0.1:{port}/{quote(database, safe='')}"

    def password_of(self, role: str) -> str:
        """The password kept for a login; migrating gives it to the role. Raises EmbeddedError."""
        return secrets.password_of(self._passwords, role)

    def psql_command(
        self, role: str = SUPERUSER, database: str = DATABASE
    ) -> tuple[list[str], dict[str, str]]:
        """How to call psql: its arguments, and the variables to add to the environment.

        The password is among the variables, since every user of the machine sees arguments.
        Raises EmbeddedError.
        """
        return [str(self.program("psql"))], {
            "PGHOST": "127.0.0.1",
            "PGHOSTADDR": "127.0.0.1",
            "PGPORT": str(self._postmaster().port),
            "PGUSER": role,
            "PGPASSWORD": self.password_of(role),
            "PGDATABASE": database,
            "PGSSLMODE": "disable",
        }

    def postmaster_pid(self) -> int:
        """The process id of the running server. Raises EmbeddedError."""
        return self._postmaster().pid

    def program(self, name: str) -> Path:
        """Where a program of this PostgreSQL is, such as `psql` or `pg_dump`."""
        return find_programs().path(name)

    def destroy(self) -> None:
        """Stop the server and remove all its data. Raises EmbeddedError for a foreign directory."""
        if not self._exists():
            raise EmbeddedError(f"{self.directory} holds no embedded database, so it is left alone")
        with self.held():
            postmaster.stop(self.data)
            # the marker last, so that a removal killed half-way can be repeated
            for path in self.directory.iterdir():
                if path.is_dir() and not path.is_symlink():
                    shutil.rmtree(path)
                elif path != self._marker:
                    path.unlink()
            self._marker.unlink()
            self.directory.rmdir()

    @contextmanager
    def held(self) -> Generator[None]:
        """Hold the directory against another process that starts, stops or removes it.

        Raises EmbeddedError.
        """
        while True:
            self._refuse_foreign()
            places.make_directory(self.directory)
            try:
                file = self._marker.open("a")
            except OSError as error:
                raise EmbeddedError(
                    f"cannot write {self._marker}: {error.strerror}; set WATTLEDGER_HOME to a"
                    " directory of your own"
                ) from error
            with file:
                fcntl.flock(file, fcntl.LOCK_EX)
                # who held it before may have removed the directory
                if self._exists() and os.path.samestat(
                    os.fstat(file.fileno()), self._marker.stat()
                ):
                    yield
                    return

    def _postmaster(self) -> Postmaster:
        if found := postmaster.running(self.data):
            return found
        raise NotRunning("the embedded database does not run: start it with `wattledger db start`")

    def _exists(self) -> bool:
        try:
            return self._marker.exists()
        except PermissionError as error:
            raise EmbeddedError(
                f"{self.directory} belongs to somebody else: set WATTLEDGER_HOME to a directory of"
                " your own"
            ) from error

    def _refuse_foreign(self) -> None:
        try:
            # one look: between two, another start may have begun to fill an empty directory
            names = {path.name for path in self.directory.iterdir()}
        except FileNotFoundError:
            return
        except OSError as error:
            raise EmbeddedError(f"cannot use {self.directory}: {error.strerror}") from error
        if names and _MARKER not in names:
            raise EmbeddedError(
                f"{self.directory} is not empty and holds no embedded database: set"
                " WATTLEDGER_HOME to another directory"
            )

    def _create_database(self) -> None:
        # not what the caller's PG… variables say
        with psycopg.connect(
            self.url(database="postgres"), autocommit=True, sslmode="disable", hostaddr="127.0.0.1"
        ) as connection:
            found = connection.execute(
                "SELECT FROM pg_database AS d WHERE d.datname = %s", [DATABASE]
            ).fetchone()
            if found is None:
                connection.execute(f"CREATE DATABASE {DATABASE}")
