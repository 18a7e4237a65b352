"""A streaming standby of an embedded database: made, started, removed, or put in its place."""

import os
import shutil
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from psycopg.conninfo import make_conninfo

from service.embedded import places, primary, promotion
from service.embedded.cluster import Cluster, Status
from service.embedded.errors import EmbeddedError
from service.embedded.primary import Streaming
from service.embedded.running import run

_PATIENCE_SECONDS = 60.0
# each beside configuration.py's, which a standby has as its primary has them
_SETTINGS = {
    # a query that is in the way of what is repeated is cancelled, and goes to the primary
    "max_standby_streaming_delay": "5s",
    # so soon it follows again when its primary is back
    "wal_retrieve_retry_interval": "1s",
}


@dataclass(frozen=True)
class StandbyStatus:
    """Whether a standby is there and runs, and how it follows; None: it does not."""

    exists: bool
    server: Status
    streaming: Streaming | None
    # of the newest commit that it has repeated, unless it does not answer
    age_seconds: float | None


class Standby:
    """A server in a directory of its own that repeats what another one does, and can only read.

    `port`: null for the one after the primary's, 0 for any free one; it counts when the standby is
    made. `settings` are put over the defaults, at every start.
    """

    def __init__(
        self,
        followed: Cluster,
        directory: Path | None = None,
        port: int | None = None,
        settings: Mapping[str, str] | None = None,
    ) -> None:
        beside = followed.directory.with_name(f"{followed.directory.name}-standby")
        self._followed = followed
        self._directory = (directory or beside).absolute()
        self._password_file = self._directory / "replication.pass"
        near = followed.usual_port()
        self.cluster = Cluster(
            self._directory,
            port=min(near + 1, 65535) if port is None else port,
            settings={
                **_SETTINGS,
                "primary_conninfo": self._conninfo(near),
                "primary_slot_name": primary.SLOT,
                "cluster_name": primary.NAME,
                **(settings or {}),
            },
            passwords=followed.directory,
        )

    @property
    def exists(self) -> bool:
        """Whether it was made, and neither removed nor promoted since."""
        return self.cluster.data.exists()

    def start(self) -> None:
        """Start it, having copied the primary where it is not there yet; nothing if it runs.

        When this returns, it answers who reads, and follows. Raises EmbeddedError.
        """
        if not self.exists:
            self._followed.postmaster_pid()  # before a directory is made
        with self.cluster.held():
            if not self.exists:
                self._copy()
        self.cluster.start()

    def stop(self) -> None:
        """Stop it if it runs."""
        if self.exists:
            self.cluster.stop()

    def status(self) -> StandbyStatus:
        """How it stands, as the primary sees it, and the standby itself."""
        server = self.cluster.status()
        streaming = primary.streaming(self._followed) if self._followed.status().running else None
        return StandbyStatus(
            self.exists, server, streaming, self._age_seconds() if server.running else None
        )

    def wait_until_streaming(self) -> Streaming:
        """Wait until it follows; return how. Raises EmbeddedError, saying what is in the way."""
        deadline = time.monotonic() + _PATIENCE_SECONDS
        while (found := primary.streaming(self._followed)) is None:
            if primary.has_lost_wal(self._followed):
                raise EmbeddedError(
                    "the standby was away for so long that the primary no longer has what it"
                    " lacks: `wattledger db standby --remove`, then make it anew"
                )
            if time.monotonic() > deadline:
                raise EmbeddedError(
                    f"the standby does not follow: see its log in {self._directory / 'log'}"
                )
            time.sleep(0.1)
        return found

    def set_synchronous(self, synchronous: bool) -> None:
        """Let each commit of the primary wait for it too, or no longer. Raises EmbeddedError."""
        primary.set_synchronous(self._followed, synchronous=synchronous)
        deadline = time.monotonic() + _PATIENCE_SECONDS
        while synchronous and not (
            (found := primary.streaming(self._followed)) and found.synchronous
        ):
            if time.monotonic() > deadline:
                raise EmbeddedError("the primary does not take the standby for a synchronous one")
            time.sleep(0.05)

    def remove(self) -> None:
        """Stop it, remove its data, and let the primary do without. Raises EmbeddedError."""
        primary.set_synchronous(self._followed, synchronous=False)
        self.destroy()
        primary.drop_slot(self._followed)

    def destroy(self) -> None:
        """Stop it and remove its data, whatever becomes of the primary."""
        if self._directory.exists():
            self.cluster.destroy()

    def promote(self, *, force: bool = False) -> Path:
        """Put it in its primary's place, with that one's directory and port, and start it there.

        Returns where the former primary's data is kept. `force`: also where the primary runs, which
        is stopped then. What is interrupted half-way can be repeated. Raises EmbeddedError.
        """
        if not self.exists:
            raise EmbeddedError("there is no standby to promote: `wattledger db standby` makes one")
        former = promotion.take_over(self._followed, self.cluster, force=force)
        self.destroy()
        return former

    def _conninfo(self, port: int) -> str:
        """How the primary is reached; the password stands in a file, since others see arguments."""
        return make_conninfo(
            "",
            host="127.0.0.1",
            port=port,
            user=primary.LOGIN,
            passfile=str(self._password_file),
            application_name=primary.NAME,
            sslmode="disable",
        )

    def _copy(self) -> None:
        """Copy the running primary beside the place of the data, then rename that."""
        password = primary.prepare(self._followed)
        user = places.unprivileged_user(self._followed.directory / "data")
        staging = self.cluster.data.with_name("data.new")
        shutil.rmtree(staging, ignore_errors=True)
        staging.mkdir(mode=0o700)
        self._password_file.unlink(missing_ok=True)
        self._password_file.touch(mode=0o600)
        self._password_file.write_text(f"127.0.0.1:*:*:{primary.LOGIN}:{password}\n")
        if user:
            for path in (staging, self._password_file):
                os.chown(path, user.pw_uid, user.pw_gid)
        port = self._followed.status().port
        assert port is not None  # noqa: S101  prepare() raises where it does not run
        done = run(
            [
                self._followed.program("pg_basebackup"),
                f"--dbname={self._conninfo(port)}",
                f"--pgdata={staging}",
                f"--slot={primary.SLOT}",
                *("--checkpoint=fast", "--wal-method=stream", "--no-password"),
            ],
            user,
            home=self._directory,
        )
        if done.returncode:
            raise EmbeddedError(f"pg_basebackup failed: {done.stderr.strip()}")
        # once it is promoted, it should not wait for a standby that is itself
        primary.forget_synchronous(staging)
        (staging / "standby.signal").touch()
        staging.rename(self.cluster.data)

    def _age_seconds(self) -> float | None:
        try:
            with primary.session(self.cluster) as connection:
                row = connection.execute(
                    "SELECT (extract(EPOCH FROM clock_timestamp())"
                    " - extract(EPOCH FROM pg_last_xact_replay_timestamp()))::double precision"
                ).fetchone()
        except EmbeddedError:
            return None
        return row[0] if row else None


def start_both(cluster: Cluster) -> Standby | None:
    """Start an embedded database, and its standby if it has one, for which commits may wait.

    Returns the standby. Raises EmbeddedError.
    """
    cluster.start()
    standby = Standby(cluster)
    if not standby.exists:
        return None
    standby.start()
    return standby


def stop_both(cluster: Cluster) -> None:
    """Stop an embedded database, then its standby, which has all by then."""
    cluster.stop()
    Standby(cluster).stop()
