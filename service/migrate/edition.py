"""Edition of TimescaleDB that a database was migrated for: it decides what its rollups are."""

from pathlib import PurePath
from typing import Any, Literal, cast, get_args

import psycopg

from service.migrate.errors import MigrationError

Edition = Literal["apache", "community"]
EDITIONS: tuple[Edition, ...] = get_args(Edition)

# the migration that makes the rollups comes in one variant per edition, and the applied one tells
_ROLLUPS = "0008.rollups."


def belongs_to(path: PurePath, edition: Edition) -> bool:
    """Whether a migration (by its ending) or definition (by its folder) is for that edition."""
    others = {name for name in EDITIONS if name != edition}
    return others.isdisjoint(path.parts) and path.stem.rpartition(".")[2] not in others


def recorded(connection: psycopg.Connection[Any]) -> Edition | None:
    """The edition whose rollups the database has, None where it has none yet."""
    found = connection.execute("SELECT to_regclass('migration.content') IS NOT NULL").fetchone()
    if found != (True,):
        return None
    row = connection.execute(
        "SELECT c.migration_id FROM migration.content AS c WHERE starts_with(c.migration_id, %s)",
        [_ROLLUPS],
    ).fetchone()
    return cast(Edition, row[0].removeprefix(_ROLLUPS)) if row else None


def licensed(connection: psycopg.Connection[Any]) -> Edition:
    """The edition that the server's licence allows; Apache where the extension is not there yet."""
    row = connection.execute("SELECT current_setting('timescaledb.license', true)").fetchone()
    return "community" if row == ("timescale",) else "apache"


def of(connection: psycopg.Connection[Any]) -> Edition:
    """The edition to migrate for: what the database has, else what its licence allows.

    Raises MigrationError where the licence does not allow what the database has.
    """
    has, allowed = recorded(connection), licensed(connection)
    if has == "community" and allowed == "apache":
        raise MigrationError(
            "this database has continuous aggregates, which the server's licence does not allow:"
            " set timescaledb.license to 'timescale' and restart the server"
        )
    return has or allowed
