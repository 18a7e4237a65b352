"""Find the SQL that this version ships, and fingerprint it."""

import hashlib
from pathlib import Path

from service.migrate.edition import Edition, belongs_to

_PACKAGE = Path(__file__).resolve().parent.parent
# a wheel carries them inside the package, a checkout has them at its top level
_ROOT = _PACKAGE / "_bundled" if (_PACKAGE / "_bundled").is_dir() else _PACKAGE.parent

MIGRATIONS = _ROOT / "migrations"
DEFINITIONS = _ROOT / "sql"


def definition_files(edition: Edition) -> list[Path]:
    """The edition's files of sql/ in the order in which sql/load_order has them applied."""
    lines = (DEFINITIONS / "load_order").read_text(encoding="utf-8").splitlines()
    listed = [Path(line) for line in lines if line.strip() and not line.startswith("#")]
    return [DEFINITIONS / path for path in listed if belongs_to(path, edition)]


def migration_hashes(edition: Edition) -> dict[str, str]:
    """SHA-256 of the content of the edition's migrations, in hexadecimal, by migration id."""
    return {
        path.stem: sha256(path)
        for path in sorted(MIGRATIONS.glob("*.sql"))
        if belongs_to(Path(path.name), edition)
    }


def definitions_hash(edition: Edition) -> str:
    """One SHA-256, in hexadecimal, over names and contents of the edition's definitions."""
    digest = hashlib.sha256()
    for path in definition_files(edition):
        digest.update(f"{path.relative_to(DEFINITIONS).as_posix()} {sha256(path)}\n".encode())
    return digest.hexdigest()


def sha256(path: Path) -> str:
    """SHA-256 of a file's content, in hexadecimal."""
    return hashlib.sha256(path.read_bytes()).hexdigest()
