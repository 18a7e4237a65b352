"""Apply the definitions of sql/: all that can be created again at any time."""

from typing import Any

import psycopg

from service.migrate import files
from service.migrate.edition import Edition
from service.migrate.errors import MigrationError


def applied_hash(connection: psycopg.Connection[Any]) -> str | None:
    """SHA-256 of the definitions last applied here, null if none ever were."""
    found = connection.execute("SELECT to_regclass('migration.definitions') IS NOT NULL").fetchone()
    if found != (True,):
        return None
    row = connection.execute("SELECT d.sha256 FROM migration.definitions AS d").fetchone()
    return row[0] if row else None


def apply_all(connection: psycopg.Connection[Any], edition: Edition) -> None:
    """Apply the edition's files in one transaction, as the owner, and record what was applied."""
    with connection.transaction():
        connection.execute(
            "GRANT USAGE ON SCHEMA migration TO wattledger_owner;"
            "GRANT SELECT ON ALL TABLES IN SCHEMA migration TO wattledger_owner"
        )
        connection.execute(
            "INSERT INTO migration.definitions AS d (sha256, applied_at) VALUES (%s, now())"
            " ON CONFLICT (only_row) DO UPDATE SET sha256 = excluded.sha256, applied_at = now()",
            [files.definitions_hash(edition)],
        )
        connection.execute("SET LOCAL ROLE wattledger_owner")
        for path in files.definition_files(edition):
            try:
                connection.execute(path.read_bytes())
            except psycopg.Error as error:
                name = path.relative_to(files.DEFINITIONS)
                raise MigrationError(f"sql/{name} failed: {error}") from error
