"""The passwords of the embedded database's logins, in a file that only its owner reads."""

import fcntl
import json
import os
import secrets
from pathlib import Path

from service.embedded.errors import EmbeddedError


def password_of(directory: Path, role: str) -> str:
    """Return the password of `role`, made at the first call. Raises EmbeddedError."""
    path = directory / "secrets.json"
    try:
        with path.with_suffix(".lock").open("w") as lock:
            # two that add a password at once would lose one
            fcntl.flock(lock, fcntl.LOCK_EX)
            known: dict[str, str] = json.loads(path.read_text()) if path.exists() else {}
            if role not in known:
                known[role] = secrets.token_urlsafe(24)
                _write(path, known)
    except (OSError, ValueError) as error:
        raise EmbeddedError(f"cannot read or write the passwords in {path}: {error}") from error
    return known[role]


def _write(path: Path, known: dict[str, str]) -> None:
    fresh = path.with_suffix(".new")
    fresh.unlink(missing_ok=True)
    with os.fdopen(os.open(fresh, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "w") as file:
        json.dump(known, file)
        file.flush()
        os.fsync(file.fileno())  # without it nobody could log in to the data after a power cut
    fresh.replace(path)
