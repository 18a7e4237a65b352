"""The schema of a database as text, and the command that renews the text kept for each edition."""

from __future__ import annotations

import os
from pathlib import Path
from tempfile import TemporaryDirectory

import psycopg

from service.migrate import edition
from tests.support import server
from tests.support.community import migrated_engine
from tests.support.readings import Connection

_QUERY = Path(__file__).with_suffix(".sql")
_HEAD = """\
-- What migrations/ and sql/ make on the {edition} edition of TimescaleDB: to be read, and compared
-- by tests/editions/test_schema.py; `just schema` writes it anew. Bodies of functions and views
-- stand in sql/. All belongs to wattledger_owner, who has every right unless it is told.
"""


def kept(of: str) -> Path:
    """The file that holds the schema of an edition."""
    return Path(__file__).parents[1] / f"schema.{of}.sql"


def described(db: Connection) -> str:
    """The schema of a migrated database, in the words of the kept file."""
    with db.transaction(force_rollback=True):
        # so that every name is qualified
        db.execute("SET LOCAL search_path = pg_catalog, pg_temp")
        objects = [text for (text,) in db.execute(_QUERY.read_bytes())]
    head = _HEAD.format(edition=(edition.recorded(db) or "").title())
    return "\n".join([head, *objects]).replace("timestamp with time zone", "timestamptz")


def _write(url: str) -> None:
    with psycopg.connect(url, autocommit=True) as db:
        kept(edition.recorded(db) or "").write_text(described(db), encoding="utf-8")


def main() -> None:
    """Write the files of both editions, from new databases."""
    started = server.start()
    with TemporaryDirectory() as directory:
        engine = migrated_engine(Path(directory) / "community.tar")
    try:
        with server.Server(os.environ[server.URL_VARIABLE]).clone() as url:
            _write(url)
        _write(engine.url)
    finally:
        engine.stop()
        started.stop()


if __name__ == "__main__":
    main()
