"""Where the embedded database keeps its programs and its data, and as whom it runs."""

import os
import pwd
from pathlib import Path

from service.embedded.errors import EmbeddedError


def default_directory() -> Path:
    """The directory of the database: WATTLEDGER_HOME, else the user's data directory."""
    if given := os.environ.get("WATTLEDGER_HOME"):
        return Path(given).absolute() / "postgresql"
    if os.geteuid() == 0:  # root's home is closed to the user that the server runs as
        return Path("/var/lib/wattledger/postgresql")
    base = os.environ.get("XDG_DATA_HOME") or Path.home() / ".local/share"
    return Path(base) / "wattledger/postgresql"


def cache_directory() -> Path:
    """Where unpacked programs are kept: WATTLEDGER_CACHE, else the user's cache directory."""
    if given := os.environ.get("WATTLEDGER_CACHE"):
        return Path(given).absolute()
    if os.geteuid() == 0:
        return Path("/var/cache/wattledger")
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "wattledger"


def preferred_port() -> int:
    """The port for a new database: WATTLEDGER_DB_PORT, else 54329."""
    given = os.environ.get("WATTLEDGER_DB_PORT", "54329")
    if not given.isdecimal() or not 0 <= int(given) <= 65535:
        raise EmbeddedError(f"WATTLEDGER_DB_PORT={given!r} is not a port number")
    return int(given)


def unprivileged_user() -> pwd.struct_passwd | None:
    """Whom to run as where we are root, which PostgreSQL refuses to be; null: as ourselves."""
    if os.geteuid() != 0:
        return None
    given = os.environ.get("WATTLEDGER_DB_USER")
    for name in (given,) if given else ("postgres", "nobody"):
        try:
            return pwd.getpwnam(name)
        except KeyError:
            continue
    raise EmbeddedError(
        f"there is no user {given or 'nobody'} to run PostgreSQL as, which refuses to be root:"
        " set WATTLEDGER_DB_USER to an unprivileged user"
    )


def make_reachable(directory: Path, user: pwd.struct_passwd | None) -> None:
    """Make a directory, and raise EmbeddedError where `user` could not reach it."""
    directory.mkdir(parents=True, exist_ok=True)
    if user is None:
        return
    for place in (directory, *directory.parents):
        status = place.stat()
        if status.st_uid != user.pw_uid and not status.st_mode & 0o001:
            raise EmbeddedError(
                f"the user {user.pw_name}, as whom PostgreSQL runs, cannot enter {place}:"
                " set WATTLEDGER_HOME to a directory that it can enter"
            )
