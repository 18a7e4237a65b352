"""One embedded database: made at its first start, kept in a directory, run in the background."""

import fcntl
import os
import shutil
import socket
import subprocess
from collections.abc import Generator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg

from service.embedded import places, postmaster, secrets
from service.embedded.configuration import configuration
from service.embedded.errors import EmbeddedError
from service.embedded.postmaster import Postmaster
from service.embedded.programs import Programs, find_programs

DATABASE = "wattledger"
SUPERUSER = "postgres"
_MARKER = "wattledger-embedded-database"


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
    `settings` are put into the configuration over the defaults.
    """

    def __init__(
        self, directory: Path, port: int | None = None, settings: Mapping[str, str] | None = None
    ) -> None:
        self.directory = directory
        self._port = port
        self._settings = settings or {}
        self._data = directory / "data"

    def start(self) -> None:
        """Start the server, having made it where it is not there yet; do nothing if it runs.

        When this returns, it accepts connections and the database `wattledger` exists.
        Raises EmbeddedError.
        """
        user = places.unprivileged_user()
        places.make_reachable(self.directory.parent, user)
        with self._only_one():
            if postmaster.running(self._data):
                return
            self._check_version()
            programs = find_programs()
            if not self._data.exists():
                self._make(programs)
            self._check_major(programs)
            postmaster.clear_stale(self._data)
            self._configure()
            log = self.directory / "log" / "start.log"
            done = self._run(
                programs, "pg_ctl", "start", "-s", "-w", "-t", "120", "-D", self._data, "-l", log
            )
            if done.returncode:
                raise EmbeddedError(
                    f"PostgreSQL did not start: {done.stderr.strip()}\n{_tail(log)}"
                    f"see also the log in {log.parent}"
                )
            self._create_database()

    def stop(self) -> None:
        """Stop the server if it runs; open connections are ended, nothing committed is lost."""
        if not postmaster.running(self._data):
            return
        done = self._run(find_programs(), "pg_ctl", "stop", "-s", "-m", "fast", "-D", self._data)
        if done.returncode:
            raise EmbeddedError(f"PostgreSQL did not stop: {done.stderr.strip()}")

    def status(self) -> Status:
        """Whether the cluster exists and runs, and where."""
        found = postmaster.running(self._data)
        return Status(
            exists=(self.directory / _MARKER).exists(),
            running=found is not None,
            pid=found.pid if found else None,
            port=found.port if found else None,
        )

    def url(self, role: str = SUPERUSER, database: str = DATABASE) -> str:
        """A URL with which `role` reaches the running server. Raises EmbeddedError."""
        port = self._postmaster().port
        return f"postgresql://{role}:{self.password_of(role)}@127.0.0.1:{port}/{database}"

    def password_of(self, role: str) -> str:
        """The password kept for a login; migrating gives it to the role."""
        return secrets.password_of(self.directory, role)

    def postmaster_pid(self) -> int:
        """The process id of the running server. Raises EmbeddedError."""
        return self._postmaster().pid

    def program(self, name: str) -> Path:
        """Where a program of this PostgreSQL is, such as `psql` or `pg_dump`."""
        return find_programs().path(name)

    def destroy(self) -> None:
        """Stop the server and remove all its data. Raises EmbeddedError for a foreign directory."""
        if not (self.directory / _MARKER).exists():
            raise EmbeddedError(f"{self.directory} holds no embedded database, so it is left alone")
        self.stop()
        shutil.rmtree(self.directory)

    def _postmaster(self) -> Postmaster:
        if found := postmaster.running(self._data):
            return found
        raise EmbeddedError(
            "the embedded database does not run: start it with `wattledger db start`"
        )

    @contextmanager
    def _only_one(self) -> Generator[None]:
        """Hold the directory against another start at the same time."""
        foreign = self.directory.exists() and not (self.directory / _MARKER).exists()
        if foreign and any(self.directory.iterdir()):
            raise EmbeddedError(
                f"{self.directory} is not empty and holds no embedded database: set"
                " WATTLEDGER_HOME to another directory"
            )
        self.directory.mkdir(exist_ok=True)
        with (self.directory / _MARKER).open("w") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield

    def _check_version(self) -> None:
        version = self._data / "PG_VERSION"
        if self._data.exists() and not version.exists():
            raise EmbeddedError(f"{self._data} holds no PostgreSQL data: move it away")

    def _check_major(self, programs: Programs) -> None:
        found = (self._data / "PG_VERSION").read_text().strip()
        if found != str(programs.major):
            raise EmbeddedError(
                f"{self._data} was made by PostgreSQL {found}, the programs here are PostgreSQL"
                f" {programs.major}: dump it with the old version and restore the dump, or set"
                " WATTLEDGER_HOME to another directory"
            )

    def _make(self, programs: Programs) -> None:
        """Run initdb beside the final place, so that one killed half-way leaves nothing there."""
        staging = self.directory / "data.new"
        shutil.rmtree(staging, ignore_errors=True)
        staging.mkdir(mode=0o700)
        (self.directory / "log").mkdir(exist_ok=True)
        password = self.directory / "password.new"
        password.unlink(missing_ok=True)
        password.touch(mode=0o600)
        password.write_text(self.password_of(SUPERUSER))
        if user := places.unprivileged_user():
            for path in (staging, password, self.directory / "log"):
                os.chown(path, user.pw_uid, user.pw_gid)
        locale = ["--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--locale=C"]
        done = self._run(
            programs,
            "initdb",
            *(locale if programs.major >= 17 else ["--locale=C"]),
            "--encoding=UTF8",
            "--auth=scram-sha-256",
            "--data-checksums",
            f"--username={SUPERUSER}",
            f"--pwfile={password}",
            f"--pgdata={staging}",
        )
        password.unlink()
        if done.returncode:
            raise EmbeddedError(f"initdb failed: {done.stderr.strip()}")
        with (staging / "postgresql.conf").open("a") as file:
            file.write("include 'wattledger.conf'\n")
        staging.rename(self._data)

    def _configure(self) -> None:
        """Write the configuration; the port stays what it was unless somebody took it."""
        remembered = self.directory / "port"
        wanted = self._port if self._port is not None else places.preferred_port()
        if remembered.exists():
            wanted = int(remembered.read_text())
        port = wanted if _is_free(wanted) and wanted else _free_port()
        remembered.write_text(str(port))
        (self._data / "wattledger.conf").write_text(configuration(port, self._settings))

    def _create_database(self) -> None:
        with psycopg.connect(self.url(database="postgres"), autocommit=True) as connection:
            found = connection.execute(
                "SELECT FROM pg_database AS d WHERE d.datname = %s", [DATABASE]
            ).fetchone()
            if found is None:
                connection.execute(f"CREATE DATABASE {DATABASE}")

    def _run(
        self, programs: Programs, name: str, *arguments: object
    ) -> subprocess.CompletedProcess[str]:
        """Run a program as the unprivileged user, and wait."""
        user = places.unprivileged_user()
        command = [str(programs.path(name)), *map(str, arguments)]
        identity: dict[str, object] = (
            {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []} if user else {}
        )
        return subprocess.run(
            command,
            cwd="/",
            env={"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C", "HOME": "/"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            **identity,  # type: ignore[arg-type]
        )


def _is_free(port: int) -> bool:
    with closing(socket.socket()) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def _free_port() -> int:
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _tail(log: Path) -> str:
    return "\n".join(log.read_text().splitlines()[-10:]) + "\n" if log.exists() else ""
