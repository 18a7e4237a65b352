"""Database of the demonstration: one of its own on the embedded server, or a given empty one."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import psycopg
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict

from service import migrate as schema
from service import settings
from service.database.conninfo import completed
from service.demo.mark import Mark, is_ours
from service.demo.plan import moment_of
from service.demo.tariff import set_tariff
from service.embedded import Cluster, default_directory, start_both, stop_both

_Connection = psycopg.Connection[tuple[str | None, ...]]
NAME = "wattledger_demo"
_SERVICE = "wattledger_service"
# how long one that was just killed may take to let go
_PATIENCE = "SET LOCAL lock_timeout = '3s'"
_LOCK = "SELECT pg_advisory_lock(hashtextextended('wattledger demo', 0))"
_OLDEST = "SELECT (telemetry.acceptance('meter_reading')).oldest"
_HAS_LEDGER = "SELECT to_regclass('telemetry.meter_state') IS NOT NULL"
# tables and views of others; what a migration that was killed left is ours
_OTHERS = """
SELECT format('%I.%I', n.nspname, c.relname)
FROM pg_class AS c
INNER JOIN pg_namespace AS n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f')
    AND n.nspname NOT IN ('information_schema', 'telemetry', 'api', 'bi', 'ops')
    AND n.nspname NOT LIKE 'pg\\_%'
    AND c.relname NOT LIKE '%yoyo%'
    AND NOT EXISTS (
        SELECT FROM pg_depend AS d
        WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e'
    )
ORDER BY 1
LIMIT 1
"""
_DEVICES = """
SELECT count(*), min(d.device_id)
FROM (
    SELECT m.meter_id AS device_id FROM telemetry.meter_state AS m
    UNION ALL
    SELECT v.vehicle_id FROM telemetry.vehicle_state AS v
) AS d
"""
_READ_MARK = """
SELECT shobj_description(d.oid, 'pg_database')
FROM pg_database AS d
WHERE d.datname = current_database()
"""


class NotOurs(Exception):
    """A database is not the demonstration's to use; the message says what to do."""


class Demonstration:
    """A migrated database with nothing but the fleet of `mark` in it, kept from other runs.

    `admin` is the URL of a login that may do all, `service` that of the service's.
    """

    def __init__(self, connection: _Connection, mark: Mark, admin: str, service: str) -> None:
        self._connection = connection
        self.mark = mark
        self.admin = admin
        self.service = service

    def reach(self, hour: int) -> None:
        """Note that all is stored that arrived before an hour, in hours since 1970."""
        posted = moment_of(hour * 60)
        if posted > self.mark.posted:
            self.mark = replace(self.mark, posted=posted)
            _write_mark(self._connection, self.mark)

    def close(self) -> None:
        """Let others at it."""
        self._connection.close()


def prepare(wanted: Mark, report: Callable[[str], None], *, any_start: bool) -> Demonstration:
    """The database of a fleet: a new one, or where that fleet was begun before, that one.

    `any_start`: it may have begun on another day than the one wanted. Raises NotOurs,
    EmbeddedError, MigrationError, psycopg.Error.
    """
    url = service = settings.database_url()
    passwords: dict[str, str] = {}
    if url is None or service is None:
        cluster = Cluster(default_directory())
        start_both(cluster)
        _create(cluster)
        url = cluster.url(database=NAME)
        service = cluster.url(_SERVICE, database=NAME)
        passwords = {_SERVICE: cluster.password_of(_SERVICE)}
    connection = _connect(url)
    try:
        _keep_others_out(connection)
        found = _fleet_in(connection)
        if found is not None:
            _refuse_others(found, wanted, connection.info.dbname, any_start=any_start)
        # a line per step is for those who migrate a database that they have
        schema.migrate(url, lambda _: None, passwords)
        mark = found or wanted
        if found is None:
            _refuse_too_old(connection, wanted)
            set_tariff(connection)
            _write_mark(connection, wanted)
            report(f"the database {_name(url)} is ready")
        else:
            report(f"{_name(url)} has this fleet up to {mark.posted:%Y-%m-%d %H:%M} UTC: going on")
    except BaseException:
        connection.close()
        raise
    return Demonstration(connection, mark, url, service)


def destroy() -> bool:
    """Remove the embedded one; return whether there was one. Raises NotOurs, EmbeddedError."""
    if settings.database_url():
        raise NotOurs(
            "DATABASE_URL is set, and that database is not the demonstration's to remove: unset it"
            " to remove the one on the embedded server, or drop yours by yourself"
        )
    cluster = Cluster(default_directory())
    found = cluster.status()
    if not found.exists:
        return False
    if not found.running:
        start_both(cluster)
    try:
        with _connect(cluster.url(database="postgres")) as connection:
            there = connection.execute(
                "SELECT FROM pg_database AS d WHERE d.datname = %s", [NAME]
            ).fetchone()
            connection.execute(
                sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(NAME))
            )
            return there is not None
    finally:
        if not found.running:
            stop_both(cluster)


def read_mark(url: str) -> str | None:
    """What a database says of the demonstration in it."""
    with _connect(url) as connection:
        row = connection.execute(_READ_MARK).fetchone()
    return row[0] if row else None


def _create(cluster: Cluster) -> None:
    with _connect(cluster.url(database="postgres")) as connection:
        there = connection.execute(
            "SELECT FROM pg_database AS d WHERE d.datname = %s", [NAME]
        ).fetchone()
        # a row without columns is an empty tuple
        if there is None:
            # another run may be faster
            with suppress(psycopg.errors.DuplicateDatabase, psycopg.errors.UniqueViolation):
                connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(NAME)))


def _keep_others_out(connection: _Connection) -> None:
    """Keep other runs out until the connection is closed. Raises NotOurs."""
    try:
        with connection.transaction():
            connection.execute(_PATIENCE)
            connection.execute(_LOCK)
    except psycopg.errors.LockNotAvailable as error:
        raise NotOurs(
            f"another `wattledger demo` is at work in {connection.info.dbname}: stop that one, or"
            " name another database by DATABASE_URL"
        ) from error


def _fleet_in(connection: _Connection) -> Mark | None:
    """The fleet whose devices are there; None: none are. Raises NotOurs where others are."""
    if connection.execute(_HAS_LEDGER).fetchone() != (True,):
        if (other := connection.execute(_OTHERS).fetchone()) is not None:
            raise NotOurs(
                f"{connection.info.dbname} is not empty: it has {other[0]}. Unset DATABASE_URL for"
                " a database of its own, or name an empty one"
            )
        return None
    row = connection.execute(_DEVICES).fetchone()
    assert row is not None  # noqa: S101  an aggregate has a row
    if not row[0]:
        return None
    text = (connection.execute(_READ_MARK).fetchone() or (None,))[0]
    found = Mark.read(text)
    name = connection.info.dbname
    if found is None and is_ours(text):
        raise NotOurs(f"{name} has a fleet of another version in it: {_way_out()}")
    if found is None:
        raise NotOurs(
            f"{name} holds {row[0]} devices, such as {row[1]}, and a simulated fleet has no place"
            " among them: unset DATABASE_URL for a database of its own, or name an empty one"
        )
    return found


def _refuse_others(found: Mark, wanted: Mark, name: str, *, any_start: bool) -> None:
    if not found.is_fleet_of(wanted) or not (any_start or found.start == wanted.start):
        raise NotOurs(
            f"{name} holds another fleet. To go on with that one:\n\n"
            f"  wattledger demo {found.options}\n\nFor a new one, {_way_out()}"
        )


def _way_out() -> str:
    if settings.database_url():
        return "drop that database, or name an empty one by DATABASE_URL"
    return "remove it by `wattledger demo --destroy`, or name another database by DATABASE_URL"


def _refuse_too_old(connection: _Connection, wanted: Mark) -> None:
    row = connection.execute(_OLDEST).fetchone()
    assert row is not None  # noqa: S101  it has one row
    # by a day, since it goes on while this is posted
    oldest = datetime.fromisoformat(str(row[0])).astimezone(UTC) + timedelta(days=1)
    if wanted.start < oldest:
        raise NotOurs(
            f"readings from {wanted.start:%Y-%m-%d} on are older than what the service accepts:"
            f" start on {oldest + timedelta(days=1):%Y-%m-%d} or later"
        )


def _write_mark(connection: _Connection, mark: Mark) -> None:
    connection.execute(
        sql.SQL("COMMENT ON DATABASE {} IS {}").format(
            sql.Identifier(connection.info.dbname), sql.Literal(str(mark))
        )
    )


def _name(url: str) -> str:
    return str(conninfo_to_dict(url).get("dbname") or "postgres")


def _connect(url: str) -> _Connection:
    return psycopg.connect(completed(url), autocommit=True, connect_timeout=10)
