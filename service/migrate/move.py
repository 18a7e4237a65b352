"""A move to continuous aggregates, of a database that began on the Apache edition.

What raw readings tell is computed from them, by TimescaleDB; what is older is copied. Both take
long and are done beside everybody's work. The switch itself copies at most a day.
"""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, LiteralString

import psycopg
from psycopg import sql

from service.migrate import aggregates, definitions, edition, files, history
from service.migrate.errors import MigrationError
from service.migrate.patience import Patience

_LOCKS = Path(__file__).with_name("move_locks.sql")
_SWITCH = Path(__file__).with_name("move.sql")
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
# a vacuum by the server itself makes way for whom it keeps waiting, if that waits long enough: here
# nobody queues behind the wait, as in the switch everybody would
_DISTURB_VACUUM = """
LOCK TABLE
    telemetry.meter_state, telemetry.vehicle_state,
    telemetry.meter_energy_hourly, telemetry.meter_energy_daily,
    telemetry.vehicle_energy_hourly, telemetry.vehicle_energy_daily
IN SHARE UPDATE EXCLUSIVE MODE
"""
# soon enough that nobody who comes to wait behind it has time to find a deadlock
_LOCK_READINGS = """
SELECT set_config('lock_timeout', round(extract(EPOCH FROM
    current_setting('deadlock_timeout')::interval) * 250)::text, true);
LOCK TABLE ONLY telemetry.meter_reading, ONLY telemetry.vehicle_reading IN ACCESS EXCLUSIVE MODE
"""
# nothing is dropped meanwhile: who drops asks for it, and comes back another time
_KEEP_CHUNKS = "SELECT pg_advisory_lock(hashtextextended('telemetry.drop_next', 0))"
_DROP_CHUNKS = "SELECT pg_advisory_unlock(hashtextextended('telemetry.drop_next', 0))"
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
    patience.attempt("the end of a drop", partial(connection.execute, _KEEP_CHUNKS))
    try:
        rollups = _fill_beside(connection, report, patience)
        patience.attempt(
            "the switch to continuous aggregates",
            partial(_switch, connection, rollups, patience.step),
        )
        patience.keep("the switch to continuous aggregates")
        _catch_up(connection, patience)
    finally:
        if not connection.closed:
            connection.execute(_DROP_CHUNKS)
    report("the rollups are continuous aggregates now, kept by TimescaleDB's jobs")


def _fill_beside(
    connection: psycopg.Connection[Any], report: Callable[[str], None], patience: Patience
) -> list[aggregates.Rollup]:
    patience.attempt("the first step of the move", partial(_build_beside, connection))
    return aggregates.fill(connection, report, patience)


def _build_beside(connection: psycopg.Connection[Any]) -> None:
    (migration,) = files.MIGRATIONS.glob("*.rollups.community.sql")
    with connection.transaction():
        connection.execute(_LOCK_READINGS)
        # what an earlier attempt left behind
        connection.execute("DROP SCHEMA IF EXISTS moving CASCADE")
        connection.execute("CREATE SCHEMA moving AUTHORIZATION wattledger_owner")
        text = migration.read_text(encoding="utf-8").replace(_HERE, _BESIDE)
        connection.execute(text.encode())


def _catch_up(connection: psycopg.Connection[Any], patience: Patience) -> None:
    """What came until the switch, in turn with the jobs that there are now."""
    try:
        connection.execute(
            "CALL telemetry.take_turn('migrate --to-community', INTERVAL '30 minutes')"
        )
        for rollup in aggregates.current(connection):
            call = sql.SQL(
                "CALL telemetry.refresh_rollup({}, '-infinity', 'infinity', FALSE)"
            ).format(sql.Literal(rollup.name))
            patience.attempt(f"refreshing {rollup.name}", partial(connection.execute, call))
        connection.execute("SELECT telemetry.end_turn()")
    except psycopg.Error as error:
        raise MigrationError(
            "the rollups are continuous aggregates now, but what came late meanwhile is not in them"
            f" before the next refresh by job: {error}"
        ) from error


def _switch(
    connection: psycopg.Connection[Any],
    rollups: list[aggregates.Rollup],
    step: definitions.Step,
) -> None:
    with connection.transaction():
        connection.execute(_DISTURB_VACUUM)
    with connection.transaction():
        connection.execute("SET LOCAL ROLE wattledger_owner")
        connection.execute(_LOCKS.read_bytes())
        _copy_rest(connection, rollups)
        connection.execute(_SWITCH.read_bytes())
        connection.execute("SET LOCAL ROLE NONE")
        connection.execute("DROP SCHEMA moving")
        history.record_community(connection)
        definitions.forget(connection)
        definitions.apply(connection, "community", partial(_step_at_once, connection, step))


def _copy_rest(connection: psycopg.Connection[Any], rollups: list[aggregates.Rollup]) -> None:
    """The day from within which raw readings are all there: now nobody writes any more."""
    for was, rollup in zip(rollups, aggregates.current(connection), strict=True):
        if was.computed != rollup.computed:
            raise MigrationError(
                f"{was.source} was dropped meanwhile, before {was.name} had all of it."
                " Nothing was changed: try again"
            )
        if was.copied is not None and was.copied != was.computed:
            aggregates.copy(connection, was, was.copied, was.computed)


def _step_at_once(connection: psycopg.Connection[Any], step: definitions.Step, name: str) -> None:
    step(name)
    # all locks are there: what is not is given up with the rest, rather than waited for
    connection.execute("SET LOCAL lock_timeout = '10ms'")
