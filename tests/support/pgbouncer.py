"""A real PgBouncer with the configuration of docs/operations.md."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
from psycopg import conninfo

from service.embedded import Cluster, places
from tests.support.packages import command
from tests.support.process import free_port

_DOCUMENT = Path(__file__).parents[2] / "docs" / "operations.md"


class PgBouncer:
    """A pooler before a cluster, that can be killed and started again."""

    def __init__(self, directory: Path, cluster: Cluster, pool_size: int, *roles: str) -> None:
        self.port = free_port()
        self._cluster = cluster
        self._directory = directory
        self._user = places.unprivileged_user(directory / "none")
        self._process: subprocess.Popen[bytes] | None = None
        with psycopg.connect(cluster.url()) as connection:
            rows = connection.execute(
                "SELECT a.rolname, a.rolpassword FROM pg_authid AS a WHERE a.rolname = ANY(%s)",
                [list(roles)],
            ).fetchall()
        logins = directory / "userlist.txt"
        logins.write_text("".join(f'"{name}" "{secret}"\n' for name, secret in rows))
        self._config = directory / "pgbouncer.ini"
        text = re.findall(r"```ini\n(.*?)```", _DOCUMENT.read_text(), re.DOTALL)[0]
        for pattern, value in (
            (r"(?<=port=)5432", str(cluster.status().port)),
            (r"(?<=listen_port = )\d+", str(self.port)),
            (r"(?<=default_pool_size = )\d+", str(pool_size)),
            (r"(?<=auth_file = ).*", str(logins)),
            # none in the system's folder, where a killed one would leave it
            (r"(?<=\[pgbouncer\]\n)", "unix_socket_dir =\n"),
        ):
            text, replaced = re.subn(pattern, value, text)
            assert replaced == 1, pattern
        self._config.write_text(text)

    def url(self, role: str = "wattledger_service") -> str:
        """How a login reaches the database through it."""
        return conninfo.make_conninfo(self._cluster.url(role), port=self.port)

    def start(self) -> None:
        """Start it, and wait until it lets in."""
        with (self._directory / "pgbouncer.log").open("ab") as log_file:
            self._process = subprocess.Popen(
                [*command("pgbouncer", "usr/sbin/pgbouncer"), "--quiet", self._config],
                user=self._user.pw_uid if self._user else None,
                group=self._user.pw_gid if self._user else None,
                extra_groups=[] if self._user else None,
                env={"PATH": os.defpath},
                stdout=subprocess.DEVNULL,
                stderr=log_file,
            )
        deadline = time.monotonic() + 15
        while True:
            try:
                psycopg.connect(self.url(), connect_timeout=5).close()
            except psycopg.OperationalError:
                log = (self._directory / "pgbouncer.log").read_text()
                assert self._process.poll() is None, log
                assert time.monotonic() < deadline, log
                time.sleep(0.05)
            else:
                return

    def stop(self, how: signal.Signals = signal.SIGKILL) -> None:
        """End it at once, or as another signal asks for."""
        if self._process is not None:
            self._process.send_signal(how)
            self._process.wait(30)
            self._process = None


@contextmanager
def pooling(directory: Path, cluster: Cluster, pool_size: int, *roles: str) -> Iterator[PgBouncer]:
    """Start a pooler that lets `roles` in, beside the service's login; stop it at the end."""
    made = PgBouncer(directory, cluster, pool_size, "wattledger_service", *roles)
    made.start()
    try:
        yield made
    finally:
        made.stop()
