"""Settings of the embedded database: where it is kept, its port, and as whom it runs."""

import os
import pwd
from pathlib import Path

from service.embedded.errors import EmbeddedError
from service.embedded.running import run


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


def debian_mirror() -> str | None:
    """The archive to fetch from where the host's own is not wanted: WATTLEDGER_DEBIAN_MIRROR."""
    return os.environ.get("WATTLEDGER_DEBIAN_MIRROR") or None


def preferred_port() -> int:
    """The port for a new database: WATTLEDGER_DB_PORT, else 54329."""
    given = os.environ.get("WATTLEDGER_DB_PORT", "54329")
    if not given.isdecimal() or not 0 <= int(given) <= 65535:
        raise EmbeddedError(f"WATTLEDGER_DB_PORT={given!r} is not a port number")
    return int(given)


def unprivileged_user(data: Path) -> pwd.struct_passwd | None:
    """Whom to run as where we are root, which PostgreSQL refuses to be; null: as ourselves.

    The owner of the data if it is there already: PostgreSQL insists on that, and a user called
    postgres may have been added since. Raises EmbeddedError where there is nobody.
    """
    if os.geteuid() != 0:
        return None
    if data.exists() and (owner := data.stat().st_uid) != 0:
        try:
            return pwd.getpwuid(owner)
        except KeyError as error:
            raise EmbeddedError(
                f"{data} belongs to the user number {owner}, whom this system does not know: give"
                " it to an unprivileged user with chown -R"
            ) from error
    given = os.environ.get("WATTLEDGER_DB_USER")
    for name in (given,) if given else ("postgres", "nobody"):
        try:
            user = pwd.getpwnam(name)
        except KeyError:
            continue
        if user.pw_uid != 0:
            return user
    raise EmbeddedError(
        f"there is no unprivileged user {given or 'nobody'} to run PostgreSQL as, which refuses to"
        " be root: set WATTLEDGER_DB_USER to one"
    )


def make_directory(directory: Path) -> None:
    """Make a directory and its parents, open to the unprivileged user whatever the umask.

    Raises EmbeddedError where that is not allowed.
    """
    try:
        missing = [place for place in (directory, *directory.parents) if not place.exists()]
        for place in reversed(missing):
            place.mkdir(exist_ok=True)
            place.chmod(0o755)
    except OSError as error:
        raise EmbeddedError(f"cannot make {directory}: {error.strerror}") from error


def check_reachable(place: Path, user: pwd.struct_passwd | None, setting: str) -> None:
    """Raise EmbeddedError, naming the setting to change, where `user` cannot enter or run it."""
    if user is None or _is_open(place, user):
        return
    closed = next(part for part in (*reversed(place.parents), place) if not _is_open(part, user))
    raise EmbeddedError(
        f"the user {user.pw_name}, as whom PostgreSQL runs, cannot enter {closed}: set {setting}"
        " to a directory that it can enter"
    )


def _is_open(place: Path, user: pwd.struct_passwd) -> bool:
    # asked of the system, since groups and access lists count too
    return run(["/bin/sh", "-c", 'test -x "$1"', "sh", place], user).returncode == 0
