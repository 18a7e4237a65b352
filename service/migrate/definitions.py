"""Definitions of sql/: all that can be created again at any time, applied where it changed."""

import hashlib
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg

from service.migrate import files
from service.migrate.edition import Edition
from service.migrate.errors import MigrationError
from service.migrate.patience import LOCKED_OUT

_OBJECTS = Path(__file__).with_name("objects.sql")

# a service that is so many versions behind is told to be replaced
_REMEMBERED_SETS = 50

Step = Callable[[str], None]


def pending(connection: psycopg.Connection[Any], edition: Edition) -> list[Path]:
    """The files that have to be applied, in order: those that changed since they were.

    All of them after a migration, and where somebody changed or dropped by hand what they made.
    """
    paths = files.definition_files(edition)
    known = recorded(connection)
    _, objects_sha256 = _present_set(connection)
    if objects_sha256 != _fingerprint(_objects(connection)):
        return paths
    return [path for path in paths if known.get(files.name_of(path)) != files.sha256(path)]


def are_applied(connection: psycopg.Connection[Any], edition: Edition) -> bool:
    """Whether the set of definitions that this version ships was the last one applied."""
    return _present_set(connection)[0] == files.definitions_hash(edition)


def differences(connection: psycopg.Connection[Any], edition: Edition) -> list[str]:
    """What makes the definitions other than this version's, as sentences."""
    if not (recorded(connection) and are_applied(connection, edition)):
        return ["the definitions of sql/ differ from those applied"]
    if pending(connection, edition):
        return ["what the definitions of sql/ made was changed or dropped by hand"]
    return []


def recorded(connection: psycopg.Connection[Any]) -> dict[str, str]:
    """SHA-256 of each file as it was last applied, by name; empty after a migration."""
    found = connection.execute("SELECT to_regclass('migration.definition_file')").fetchone()
    if found == (None,):
        return {}
    rows = connection.execute("SELECT f.file, f.sha256 FROM migration.definition_file AS f")
    return dict(rows.fetchall())


def apply(connection: psycopg.Connection[Any], edition: Edition, step: Step) -> int:
    """Apply the pending files in one transaction, as the owner; return how many those were.

    `step` is told what is done next. Raises MigrationError, and LOCKED_OUT where a lock was not to
    be had: then nothing was changed.
    """
    with connection.transaction():
        paths = pending(connection, edition)
        if paths:
            connection.execute(
                "GRANT USAGE ON SCHEMA migration TO wattledger_owner;"
                "GRANT SELECT ON ALL TABLES IN SCHEMA migration TO wattledger_owner"
            )
            before = _objects(connection)
            _run(connection, paths, step)
            everything = files.definition_files(edition)
            made = {number for number, _ in _objects(connection).values()}
            # what a file drops takes along what others made on it: views, comments, rights
            if any(number not in made for number, _ in before.values()) and paths != everything:
                paths = everything
                _run(connection, paths, step)
        _keep_policies(connection, step)
        if paths or not are_applied(connection, edition):
            _record(connection, edition)
    return len(paths)


def forget(connection: psycopg.Connection[Any]) -> None:
    """Have all files applied by the next `apply`."""
    connection.execute("DELETE FROM migration.definition_file")


def _run(connection: psycopg.Connection[Any], paths: list[Path], step: Step) -> None:
    connection.execute("SET LOCAL ROLE wattledger_owner")
    for number, path in enumerate(paths, 1):
        name = files.name_of(path)
        step(f"sql/{name} ({number} of {len(paths)})")
        with _named(f"sql/{name}"):
            connection.execute(path.read_bytes())
    connection.execute("SET LOCAL ROLE NONE")


def _keep_policies(connection: psycopg.Connection[Any], step: Step) -> None:
    """Bring TimescaleDB's jobs in line also where no definition changed."""
    found = connection.execute("SELECT to_regprocedure('telemetry.apply_policies()')").fetchone()
    if found == (None,):
        return
    step("the policies of TimescaleDB")
    connection.execute("SET LOCAL ROLE wattledger_owner")
    with _named("keeping the policies of TimescaleDB"):
        connection.execute("SELECT telemetry.apply_policies()")
    connection.execute("SET LOCAL ROLE NONE")


@contextmanager
def _named(what: str) -> Generator[None]:
    try:
        yield
    except LOCKED_OUT:
        raise
    except psycopg.Error as error:
        raise MigrationError(f"{what} failed: {error}") from error


def _record(connection: psycopg.Connection[Any], edition: Edition) -> None:
    sha256 = files.definitions_hash(edition)
    shipped = {files.name_of(path): files.sha256(path) for path in files.definition_files(edition)}
    forget(connection)
    connection.execute(
        "INSERT INTO migration.definition_file (file, sha256)"
        " SELECT * FROM unnest(%s::text[], %s::text[])",
        [list(shipped), list(shipped.values())],
    )
    # a set that was here before is one to go back to: what came after it is forgotten
    connection.execute(
        "DELETE FROM migration.definition_set AS d WHERE d.position >= ("
        " SELECT s.position FROM migration.definition_set AS s WHERE s.sha256 = %s)",
        [sha256],
    )
    connection.execute(
        "INSERT INTO migration.definition_set (position, sha256, objects_sha256, applied_at)"
        " SELECT coalesce(max(d.position), 0) + 1, %s, %s, now()"
        " FROM migration.definition_set AS d",
        [sha256, _fingerprint(_objects(connection))],
    )
    connection.execute(
        "DELETE FROM migration.definition_set AS d WHERE d.position <= ("
        " SELECT max(s.position) FROM migration.definition_set AS s) - %s",
        [_REMEMBERED_SETS],
    )


def _present_set(connection: psycopg.Connection[Any]) -> tuple[str | None, str | None]:
    """SHA-256 of the definitions last applied, and of what they made; None if none ever were."""
    found = connection.execute("SELECT to_regclass('migration.definition_set')").fetchone()
    if found == (None,):
        return None, None
    row = connection.execute(
        "SELECT d.sha256, d.objects_sha256 FROM migration.definition_set AS d"
        " ORDER BY d.position DESC LIMIT 1"
    ).fetchone()
    return row or (None, None)


def _objects(connection: psycopg.Connection[Any]) -> dict[str, tuple[int, str]]:
    """Number and hash of each object that definitions may have made, by its name."""
    with connection.transaction(force_rollback=True):
        # PostgreSQL leaves out of a definition what the path says
        connection.execute("SET LOCAL search_path = pg_catalog, pg_temp")
        rows = connection.execute(_OBJECTS.read_bytes()).fetchall()
    return {name: (number, digest) for name, number, digest in rows}


def _fingerprint(objects: dict[str, tuple[int, str]]) -> str:
    lines = (f"{name} {digest}\n" for name, (_, digest) in objects.items())
    return hashlib.sha256("".join(lines).encode()).hexdigest()
