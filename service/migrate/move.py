"""A move to continuous aggregates, of a database that began on the Apache edition."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, LiteralString

import psycopg
from psycopg import sql

from service.migrate import definitions, edition, files, history
from service.migrate.errors import MigrationError
from service.migrate.patience import Patience

_SWITCH = Path(__file__).with_name("move.sql")
_ROLLUPS = (
    "meter_energy_hourly",
    "vehicle_energy_hourly",
    "meter_energy_daily",
    "vehicle_energy_daily",
)
_VIEWS_OF_OTHERS = """
SELECT DISTINCT v.oid::regclass::text
FROM pg_depend AS d
JOIN pg_rewrite AS r ON d.classid = 'pg_rewrite'::regclass AND d.objid = r.oid
JOIN pg_class AS v ON v.oid = r.ev_class
JOIN pg_class AS b ON d.refclassid = 'pg_class'::regclass AND d.refobjid = b.oid
WHERE b.relnamespace = 'bi'::regnamespace
    AND v.relnamespace::regnamespace::text NOT IN ('bi', 'telemetry', 'api', 'ops')
ORDER BY 1
"""
_HERE: LiteralString = "bi."
_BESIDE: LiteralString = "moving."


def to_community(
    connection: psycopg.Connection[Any], report: Callable[[str], None], patience: Patience
) -> None:
    """Build continuous aggregates beside the present rollups, fill them, and switch.

    The connection is in autocommit mode and holds the lock of the migrators; the database is
    current. What fails before the switch leaves everything as it was, and may be repeated.
    """
    if edition.recorded(connection) == "community":
        report("the rollups are continuous aggregates already")
        return
    if edition.licensed(connection) != "community":
        raise MigrationError(
            "the server's licence does not allow continuous aggregates:"
            " set timescaledb.license to 'timescale', restart the server, and try again"
        )
    if others := [name for (name,) in connection.execute(_VIEWS_OF_OTHERS)]:
        raise MigrationError(
            "these views are built on relations of bi, which are made anew: "
            + ", ".join(others)
            + ". Drop them, move, and create them again"
        )
    source, target = _variants()
    patience.attempt("the first step of the move", partial(_build_beside, connection, target))
    for number, name in enumerate(_ROLLUPS, 1):
        report(f"filling the continuous aggregate {name} ({number} of {len(_ROLLUPS)})")
        patience.attempt(f"filling {name}", partial(connection.execute, _refresh(name)))
    patience.attempt(
        "the switch to continuous aggregates",
        partial(_switch, connection, source.stem, target.stem, patience.step),
    )
    report("the rollups are continuous aggregates now, kept by TimescaleDB's policies")


def _switch(
    connection: psycopg.Connection[Any], source: str, target: str, step: definitions.Step
) -> None:
    with connection.transaction():
        connection.execute(_SWITCH.read_bytes())
        connection.execute("DROP SCHEMA moving")
        history.replace(connection, source, target)
        definitions.forget(connection)
        definitions.apply(connection, "community", step)


def _variants() -> tuple[Path, Path]:
    """The migration that makes the rollups, as it was applied and as it is to be."""
    (source,) = files.MIGRATIONS.glob("*.rollups.apache.sql")
    return source, source.with_name(source.name.replace("apache", "community"))


def _build_beside(connection: psycopg.Connection[Any], migration: Path) -> None:
    with connection.transaction():
        # what an earlier attempt left behind
        connection.execute("DROP SCHEMA IF EXISTS moving CASCADE")
        connection.execute("CREATE SCHEMA moving AUTHORIZATION wattledger_owner")
        text = migration.read_text(encoding="utf-8").replace(_HERE, _BESIDE)
        connection.execute(text.encode())


def _refresh(name: str) -> sql.Composed:
    # up to the last whole bucket: a watermark in the future would hide what comes after it
    width = "1 day" if name.endswith("daily") else "1 hour"
    return sql.SQL(
        "CALL public.refresh_continuous_aggregate({}, NULL, public.time_bucket({}, now()))"
    ).format(sql.Literal(_BESIDE + name), sql.Literal(width))
