"""What a primary is told so that a standby can follow it, and what it says of that."""

from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql

from service.embedded.cluster import Cluster
from service.embedded.errors import EmbeddedError

# of the standby, as the primary knows it
NAME = "wattledger_standby"
SLOT = "wattledger_standby"
# may copy the database and follow it, and nothing else
LOGIN = "wattledger_replication"
_SYNCHRONOUS = "synchronous_standby_names"


@dataclass(frozen=True)
class Streaming:
    """How a standby follows: how far behind it is, and whether commits wait for it."""

    lag_bytes: int
    lag_seconds: float
    synchronous: bool


@contextmanager
def session(cluster: Cluster) -> Generator[psycopg.Connection[Any]]:
    """A superuser's session on the server that waits for no standby. Raises EmbeddedError."""
    try:
        with psycopg.connect(
            cluster.url(database="postgres"),
            autocommit=True,
            connect_timeout=10,
            # not what the caller's PG… variables say
            sslmode="disable",
            hostaddr="127.0.0.1",
            options="-c synchronous_commit=local",
        ) as opened:
            yield opened
    except psycopg.Error as error:
        raise EmbeddedError(f"the server in {cluster.directory} fails: {error}") from error


def prepare(cluster: Cluster) -> str:
    """Let a standby copy and follow the running server; return its login's password.

    The slot keeps what the standby has not yet got. Raises EmbeddedError.
    """
    password = cluster.password_of(LOGIN)
    with session(cluster) as connection:
        found = connection.execute("SELECT FROM pg_roles AS r WHERE r.rolname = %s", [LOGIN])
        verb = "ALTER" if found.rowcount else "CREATE"
        # so that no log has the password itself
        hashed = connection.pgconn.encrypt_password(
            password.encode(), LOGIN.encode(), b"scram-sha-256"
        )
        connection.execute(
            sql.SQL("{} ROLE {} LOGIN REPLICATION PASSWORD {}").format(
                sql.SQL(verb), sql.Identifier(LOGIN), sql.Literal(hashed.decode())
            )
        )
        _drop_slot(connection)
        connection.execute("SELECT pg_create_physical_replication_slot(%s, TRUE)", [SLOT])
    return password


def streaming(cluster: Cluster) -> Streaming | None:
    """How the standby follows the running server; None where it does not."""
    try:
        with session(cluster) as connection:
            row = connection.execute(
                "SELECT greatest(pg_current_wal_flush_lsn() - r.replay_lsn, 0)::bigint,"
                " coalesce(extract(EPOCH FROM r.replay_lag), 0)::double precision,"
                " r.sync_state <> 'async'"
                " FROM pg_stat_replication AS r"
                " WHERE r.application_name = %s AND r.state = 'streaming'"
                " AND r.replay_lsn IS NOT NULL",
                [NAME],
            ).fetchone()
    except EmbeddedError:  # on its way down
        return None
    return Streaming(*row) if row else None


def has_lost_wal(cluster: Cluster) -> bool:
    """Whether the server no longer has what the standby lacks."""
    with session(cluster) as connection:
        found = connection.execute(
            "SELECT FROM pg_replication_slots AS s"
            " WHERE s.slot_name = %s AND s.wal_status = 'lost'",
            [SLOT],
        )
        return bool(found.rowcount)


def set_synchronous(cluster: Cluster, *, synchronous: bool) -> None:
    """Let each commit of the running server wait for its standby too, or no longer."""
    with session(cluster) as connection:
        # not in wattledger.conf, which is written anew at every start
        if synchronous:
            connection.execute(
                sql.SQL("ALTER SYSTEM SET {} = {}").format(
                    sql.Identifier(_SYNCHRONOUS), sql.Literal(NAME)
                )
            )
        else:
            connection.execute(
                sql.SQL("ALTER SYSTEM RESET {}").format(sql.Identifier(_SYNCHRONOUS))
            )
        connection.execute("SELECT pg_reload_conf()")


def forget_synchronous(data: Path) -> None:
    """Let a copy of the server that does not run wait for no standby."""
    path = data / "postgresql.auto.conf"
    kept = [
        line
        for line in path.read_text().splitlines(keepends=True)
        if not line.startswith(_SYNCHRONOUS)
    ]
    with path.open("r+") as file:  # not a new file: this one belongs to the server's user
        file.write("".join(kept))
        file.truncate()


def drop_slot(cluster: Cluster) -> None:
    """Keep nothing for a standby any longer. Raises EmbeddedError while one still follows."""
    with session(cluster) as connection:
        _drop_slot(connection)


def _drop_slot(connection: psycopg.Connection[Any]) -> None:
    try:
        connection.execute(
            "SELECT pg_drop_replication_slot(s.slot_name)"
            " FROM pg_replication_slots AS s WHERE s.slot_name = %s",
            [SLOT],
        )
    except psycopg.errors.ObjectInUse as error:
        raise EmbeddedError(f"a standby still follows: {error}") from error
