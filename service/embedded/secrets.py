"""The passwords of the embedded database's logins, in a file that only its owner reads."""

import json
import os
import secrets
from pathlib import Path


def password_of(directory: Path, role: str) -> str:
    """Return the password of `role`, made at the first call."""
    path = directory / "secrets.json"
    known: dict[str, str] = json.loads(path.read_text()) if path.exists() else {}
    if role not in known:
        known[role] = secrets.token_urlsafe(24)
        fresh = path.with_suffix(".new")
        fresh.unlink(missing_ok=True)
        with os.fdopen(os.open(fresh, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "w") as file:
            json.dump(known, file)
        fresh.replace(path)
    return known[role]
