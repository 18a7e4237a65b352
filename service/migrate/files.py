"""Find the SQL that this version ships, and fingerprint it."""

import hashlib
from pathlib import Path

_PACKAGE = Path(__file__).resolve().parent.parent
# a wheel carries them inside the package, a checkout has them at its top level
_ROOT = _PACKAGE / "_bundled" if (_PACKAGE / "_bundled").is_dir() else _PACKAGE.parent

MIGRATIONS = _ROOT / "migrations"
DEFINITIONS = _ROOT / "sql"


def definition_files() -> list[Path]:
    """The files of sql/ in the order in which sql/load_order has them applied."""
    lines = (DEFINITIONS / "load_order").read_text(encoding="utf-8").splitlines()
    return [DEFINITIONS / line for line in lines if line.strip() and not line.startswith("#")]


def migration_hashes() -> dict[str, str]:
    """SHA-256 of every migration's content, in hexadecimal, by migration id."""
    return {path.stem: _sha256(path) for path in sorted(MIGRATIONS.glob("*.sql"))}


def definitions_hash() -> str:
    """One SHA-256, in hexadecimal, over the names and contents of all definitions in order."""
    digest = hashlib.sha256()
    for path in definition_files():
        digest.update(f"{path.relative_to(DEFINITIONS).as_posix()} {_sha256(path)}\n".encode())
    return digest.hexdigest()


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
