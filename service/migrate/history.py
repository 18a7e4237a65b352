"""Migrations by yoyo, made safe against a crash, a second migrator and an edited file."""

# yoyo carries no types
# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false
# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false

import contextlib
import io
import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import psycopg
import yoyo
from psycopg import sql
from yoyo.backends.core.postgresql import PostgresqlPsycopgBackend
from yoyo.connections import parse_uri
from yoyo.migrations import Migration, get_migration_hash

from service.migrate import definitions, files
from service.migrate.edition import Edition
from service.migrate.errors import MigrationError
from service.migrate.patience import LOCKED_OUT, Patience

_TABLE = "_yoyo_migration"

# its migrations were edited, renamed and put together before the first release
_UNRELEASED = (
    "this database was made by an unreleased version of Wattledger and cannot be migrated: copy the"
    " readings, links and keys that you want to keep into files, make the database anew (the"
    " embedded one: `wattledger db destroy`), and load them, or send the readings again;"
    " docs/dba.md has the commands under 'From an unreleased version'"
)


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
            # also where this run ends before it has applied all of them anew
            self.execute("DELETE FROM migration.definition_file")
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
    edited = sorted(name for name, sha256 in applied.items() if shipped.get(name, sha256) != sha256)
    unknown = sorted(applied.keys() - shipped.keys())
    if edited and unknown:
        return [_UNRELEASED]
    if edited:
        were = (
            "migrations {} were edited after they were"
            if len(edited) > 1
            else "migration {} was edited after it was"
        )
        return [
            f"{were.format(', '.join(edited))} applied here: restore what you edited, and put the"
            f" change into a new migration; if it was not you, {_UNRELEASED}"
        ]
    return [
        f"migration {name} is not known to this version, so the database is newer:"
        " install the newer Wattledger"
        for name in unknown
    ]


def prepare(connection: psycopg.Connection[Any], edition: Edition) -> None:
    """Make the migrator's own tables; for a connection that holds the lock of the migrators.

    Raises MigrationError where the database is not one that this version can migrate.
    """
    if found := faults(files.migration_hashes(edition), applied_hashes(connection)):
        raise MigrationError("\n".join(found))
    if not definitions.are_applied(connection, edition):
        connection.execute(files.BOOKKEEPING.read_bytes())


def apply_pending(
    connection: psycopg.Connection[Any], edition: Edition, patience: Patience
) -> Iterator[str]:
    """Apply what the edition needs, each migration in a transaction; yield what was done.

    The connection is in autocommit mode, holds the lock of the migrators, and was prepared.
    """
    shipped = files.migration_hashes(edition)
    if shipped.keys() <= applied_hashes(connection).keys():
        return
    backend = _Backend(connection, shipped)
    pending = patience.attempt("the list of migrations", partial(_to_apply, backend, shipped))
    for number, migration in enumerate(pending, 1):
        name = f"migration {migration.id}"
        place = f"{number} of {len(pending)}"
        started = time.monotonic()
        patience.attempt(f"{name} ({place})", partial(_apply_one, backend, migration))
        patience.keep(name)
        yield f"applied {name} ({place}, {time.monotonic() - started:.1f} s)"
    connection.execute("RESET search_path")


def _to_apply(backend: _Backend, shipped: dict[str, str]) -> list[Migration]:
    backend.create_lock_table()
    backend.break_lock()  # we hold the migrators' lock, so a row here was left by a killed one
    known = yoyo.read_migrations(str(files.MIGRATIONS)).filter(_is_one_of(shipped))
    return list(backend.to_apply(known))


def _apply_one(backend: _Backend, migration: Migration) -> None:
    try:
        backend.apply_one(migration)
    except LOCKED_OUT:
        raise
    except psycopg.Error as error:
        raise MigrationError(f"migration {migration.id} failed: {error}") from error


def record_community(connection: psycopg.Connection[Any]) -> None:
    """Record the Community variant of each migration in place of the applied Apache one."""
    for file in files.MIGRATIONS.glob("*.community.sql"):
        variant, applied = file.stem, file.with_suffix("").with_suffix(".apache").name
        connection.execute(
            "UPDATE migration.content SET migration_id = %s, sha256 = %s WHERE migration_id = %s",
            [variant, files.sha256(file), applied],
        )
        connection.execute(
            sql.SQL(
                "UPDATE migration.{} SET migration_id = %s, migration_hash = %s"
                " WHERE migration_id = %s"
            ).format(sql.Identifier(_TABLE)),
            [variant, get_migration_hash(variant), applied],
        )


def _is_one_of(shipped: dict[str, str]) -> Callable[[Migration], bool]:
    def is_shipped(migration: Migration) -> bool:
        return migration.id in shipped

    return is_shipped
