"""Database of the demonstration: one of its own on the embedded server, or a given empty one."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

import psycopg
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict

from service import migrate as schema
from service import settings
from service.database.conninfo import completed
from service.demo.plan import Plan
from service.embedded import Cluster, default_directory

NAME = "wattledger_demo"
_SERVICE = "wattledger_service"
_MARK = (
    "Wattledger's demonstration: seed {seed}, {vehicles} vehicles, {days} days from"
    " {start:%Y-%m-%d}"
)
_HAS_LEDGER = "SELECT to_regclass('telemetry.meter_state') IS NOT NULL"
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


def prepare(plan: Plan, report: Callable[[str], None]) -> str:
    """A migrated database without devices, as the URL of a login that may do all.

    Raises NotOurs, EmbeddedError, MigrationError, psycopg.Error.
    """
    url = settings.database_url()
    passwords: dict[str, str] = {}
    if url is None:
        cluster = Cluster(default_directory())
        cluster.start()
        _create(cluster)
        url = cluster.url(database=NAME)
        passwords = {_SERVICE: cluster.password_of(_SERVICE)}
    with _connect(url) as connection:
        _refuse_devices(connection)
    # a line per step is for those who migrate a database that they have
    schema.migrate(url, lambda _: None, passwords)
    report(f"the database {_name(url)} is ready")
    with _connect(url) as connection:
        _write_mark(connection, plan)
    return url


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
        cluster.start()
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
            cluster.stop()


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
            connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(NAME)))


def _refuse_devices(connection: psycopg.Connection[tuple[str | None, ...]]) -> None:
    if connection.execute(_HAS_LEDGER).fetchone() != (True,):
        return
    row = connection.execute(_DEVICES).fetchone()
    assert row is not None  # noqa: S101  an aggregate has a row
    if not row[0]:
        return
    mark = (connection.execute(_READ_MARK).fetchone() or (None,))[0]
    name = connection.info.dbname
    if mark and mark.startswith(_MARK.partition(":")[0]):
        raise NotOurs(
            f"{name} holds a demonstration already ({mark.partition(': ')[2]}): remove it by"
            " `wattledger demo --destroy`, or name another database by DATABASE_URL"
        )
    raise NotOurs(
        f"{name} holds {row[0]} devices, such as {row[1]}, and a simulated fleet has no place"
        " among them: unset DATABASE_URL for a database of its own, or name an empty one"
    )


def _write_mark(connection: psycopg.Connection[tuple[str | None, ...]], plan: Plan) -> None:
    text = _MARK.format(
        seed=plan.seed, vehicles=plan.vehicles, days=plan.days, start=plan.start.astimezone(UTC)
    )
    connection.execute(
        sql.SQL("COMMENT ON DATABASE {} IS {}").format(
            sql.Identifier(connection.info.dbname), sql.Literal(text)
        )
    )


def start_of(days: int, now: datetime) -> datetime:
    """The midnight in UTC that is so many days before today's."""
    today = now.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    return datetime.fromtimestamp(today.timestamp() - days * 86_400, UTC)


def _name(url: str) -> str:
    return str(conninfo_to_dict(url).get("dbname") or "postgres")


def _connect(url: str) -> psycopg.Connection[tuple[str | None, ...]]:
    return psycopg.connect(completed(url), autocommit=True, connect_timeout=10)
