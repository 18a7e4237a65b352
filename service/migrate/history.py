"""Migrations by yoyo, made safe against a crash, a second migrator and an edited file."""

# yoyo carries no types
# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false
# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false

import contextlib
import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg
import yoyo
from psycopg import sql
from yoyo.backends.core.postgresql import PostgresqlPsycopgBackend
from yoyo.connections import parse_uri
from yoyo.migrations import Migration, get_migration_hash

from service.migrate import files
from service.migrate.edition import Edition
from service.migrate.errors import MigrationError

_TABLE = "_yoyo_migration"

_BOOKKEEPING = Path(__file__).with_name("bookkeeping.sql")


class _Backend(PostgresqlPsycopgBackend):
    """yoyo's backend, on a connection of ours, that commits a migration and its record together."""

    schema = "migration"

    def __init__(self, connection: psycopg.Connection[Any], shipped: dict[str, str]) -> None:
        self._given = connection
        self._shipped = shipped
        uri = parse_uri("postgresql+psycopg:///")._replace(database=connection.info.dbname)
        super().__init__(dburi=uri, migration_table=_TABLE)

    def connect(self, dburi: object) -> psycopg.Connection[Any]:
        return self._given

    def apply_one(self, migration: Migration, force: bool = False, mark: bool = True) -> None:
        # recorded first, since a migration goes on as another role
        with self.transaction():
            self.mark_one(migration)
            self.execute(
                "INSERT INTO migration.content (migration_id, sha256) VALUES (:id, :sha256)",
                {"id": migration.id, "sha256": self._shipped[migration.id]},
            )
            with contextlib.redirect_stdout(io.StringIO()):
                migration.process_steps(self, "apply", force)


def applied_hashes(connection: psycopg.Connection[Any]) -> dict[str, str]:
    """SHA-256 of each applied migration by its id; empty for a database without any."""
    found = connection.execute("SELECT to_regclass('migration.content') IS NOT NULL").fetchone()
    if found != (True,):
        return {}
    rows = connection.execute("SELECT c.migration_id, c.sha256 FROM migration.content AS c")
    return dict(rows.fetchall())


def faults(shipped: dict[str, str], applied: dict[str, str]) -> list[str]:
    """What makes the applied migrations irreconcilable with the shipped ones, as sentences."""
    edited = [name for name, sha256 in applied.items() if shipped.get(name, sha256) != sha256]
    unknown = [name for name in applied if name not in shipped]
    return [
        *(
            f"migration {name} was edited after it was applied here:"
            " restore the file, and put the change into a new migration"
            for name in sorted(edited)
        ),
        *(
            f"migration {name} is not known to this version, so the database is newer:"
            " install the newer Wattledger"
            for name in sorted(unknown)
        ),
    ]


def apply_pending(connection: psycopg.Connection[Any], edition: Edition) -> list[str]:
    """Apply what the edition needs, each migration in a transaction; return their ids.

    The connection is in autocommit mode and holds the lock of the migrators.
    """
    connection.execute(_BOOKKEEPING.read_bytes())
    shipped = files.migration_hashes(edition)
    if found := faults(shipped, applied_hashes(connection)):
        raise MigrationError("\n".join(found))
    backend = _Backend(connection, shipped)
    backend.init_database()
    backend.break_lock()  # we hold the migrators' lock, so a row here was left by a killed one
    with backend.lock():
        known = yoyo.read_migrations(str(files.MIGRATIONS)).filter(_is_one_of(shipped))
        pending = backend.to_apply(known)
        for migration in pending:
            try:
                backend.apply_one(migration)
            except psycopg.Error as error:
                raise MigrationError(f"migration {migration.id} failed: {error}") from error
    connection.execute("RESET search_path")
    return [migration.id for migration in pending]


def replace(connection: psycopg.Connection[Any], applied: str, variant: str) -> None:
    """Record another edition's variant of a migration in place of the applied one."""
    sha256 = files.sha256(files.MIGRATIONS / f"{variant}.sql")
    connection.execute(
        "UPDATE migration.content SET migration_id = %s, sha256 = %s WHERE migration_id = %s",
        [variant, sha256, applied],
    )
    connection.execute(
        sql.SQL(
            "UPDATE migration.{} SET migration_id = %s, migration_hash = %s WHERE migration_id = %s"
        ).format(sql.Identifier(_TABLE)),
        [variant, get_migration_hash(variant), applied],
    )


def _is_one_of(shipped: dict[str, str]) -> Callable[[Migration], bool]:
    def is_shipped(migration: Migration) -> bool:
        return migration.id in shipped

    return is_shipped
