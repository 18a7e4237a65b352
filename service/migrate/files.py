"""Files of SQL that this version ships, and their fingerprints."""

import hashlib
from pathlib import Path

from service.migrate.edition import Edition, belongs_to

_PACKAGE = Path(__file__).resolve().parent.parent
# a wheel carries them inside the package, a checkout has them at its top level
_ROOT = _PACKAGE / "_bundled" if (_PACKAGE / "_bundled").is_dir() else _PACKAGE.parent

MIGRATIONS = _ROOT / "migrations"
DEFINITIONS = _ROOT / "sql"
BOOKKEEPING = Path(__file__).with_name("bookkeeping.sql")


def definition_files(edition: Edition) -> list[Path]:
    """The edition's files of sql/ in the order in which sql/load_order has them applied."""
    lines = (DEFINITIONS / "load_order").read_text(encoding="utf-8").splitlines()
    listed = [Path(line) for line in lines if line.strip() and not line.startswith("#")]
    return [DEFINITIONS / path for path in listed if belongs_to(path, edition)]


def name_of(definition: Path) -> str:
    """A definition's path below sql/, as sql/load_order has it."""
    return definition.relative_to(DEFINITIONS).as_posix()


def migration_hashes(edition: Edition) -> dict[str, str]:
    """SHA-256 of the content of the edition's migrations, in hexadecimal, by migration id."""
    return {
        path.stem: sha256(path)
        for path in sorted(MIGRATIONS.glob("*.sql"))
        if belongs_to(Path(path.name), edition)
    }


def definitions_hash(edition: Edition) -> str:
    """One SHA-256, in hexadecimal, over names and contents of the edition's definitions.

    The migrator's own tables, in which it is kept, are part of it.
    """
    digest = hashlib.sha256(BOOKKEEPING.read_bytes())
    for path in definition_files(edition):
        digest.update(f"{name_of(path)} {sha256(path)}\n".encode())
    return digest.hexdigest()


def sha256(path: Path) -> str:
    """SHA-256 of a file's content, in hexadecimal."""
    return hashlib.sha256(path.read_bytes()).hexdigest()
