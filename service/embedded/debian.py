"""Fetch PostgreSQL and TimescaleDB from Debian's archive, and unpack them beside the host's own.

apt works on a root of its own with an empty list of installed packages, so that it fetches all
that the programs need, down to the C library, and checks the archive's signatures. Nothing is
installed, and no privilege is needed.
"""

import fcntl
import shlex
import shutil
import subprocess
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from service.embedded import places
from service.embedded.apt import Apt
from service.embedded.errors import EmbeddedError

POSTGRESQL_MAJOR = 17
SUITE = "trixie"
_PACKAGE = "postgresql-17-timescaledb"
_BIN = f"usr/lib/postgresql/{POSTGRESQL_MAJOR}/bin"
# PostgreSQL reads the host's, whatever its packages bring
_TIME_ZONES = Path("/usr/share/zoneinfo")
_INSTEAD = (
    "install a TimescaleDB package for PostgreSQL, or set DATABASE_URL to a TimescaleDB"
    " elsewhere, such as the one of docker-compose.yml"
)
# hundreds of megabytes that a server never opens
_PRUNED = (
    "usr/share/doc",
    "usr/share/man",
    "usr/share/locale",
    f"usr/lib/postgresql/{POSTGRESQL_MAJOR}/lib/bitcode",
)


def unpacked_programs() -> Path:
    """Return the directory of the unpacked programs, fetching them where they are not there yet.

    Raises EmbeddedError.
    """
    cache = places.cache_directory()
    # another layout takes another name: servers may still run from the old one
    root = cache / f"debian-{SUITE}-{_PACKAGE}"
    if not (root / "complete").exists():
        places.make_directory(cache)
        with only_one(cache / "lock"):
            if not (root / "complete").exists():
                _fetch(root)
    return root / "bin"


@contextmanager
def only_one(lock: Path) -> Generator[None]:
    with lock.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _fetch(root: Path) -> None:
    if shutil.which("apt-get") is None or shutil.which("dpkg-deb") is None:
        raise EmbeddedError(
            "this system has no apt to fetch PostgreSQL with TimescaleDB from Debian: " + _INSTEAD
        )
    if not (_TIME_ZONES / "UTC").exists():
        raise EmbeddedError(f"PostgreSQL needs the time zones in {_TIME_ZONES}: install tzdata")
    staging = root.with_name(root.name + ".staging")
    for left_by_one_killed in (root, staging):
        shutil.rmtree(left_by_one_killed, ignore_errors=True)
    try:
        _unpack(staging)
        staging.rename(root)
        _write_wrappers(root)
        (root / "complete").touch()
    finally:
        shutil.rmtree(staging, ignore_errors=True)


def _unpack(staging: Path) -> None:
    places.make_directory(staging / "root")
    apt = Apt(staging / "apt", SUITE, _INSTEAD)
    for package in apt.download(_PACKAGE, "PostgreSQL with TimescaleDB (100 MB)"):
        done = subprocess.run(
            ["dpkg-deb", "--extract", package, staging / "root"],
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise EmbeddedError(f"cannot unpack {package.name}: {done.stderr.strip()}")
    for unused in _PRUNED:
        shutil.rmtree(staging / "root" / unused, ignore_errors=True)
    shutil.rmtree(staging / "apt")


def _write_wrappers(root: Path) -> None:
    """Make a script for each program that calls it through the packages' own dynamic loader.

    The host's C library may be older than the one that the programs were linked with. Programs
    look for one another beside the path in argv[0], so the scripts stand there, and the programs
    themselves are renamed.
    """
    tree = root / "root"
    loader = next((tree / "usr/lib64").glob("ld-linux-*.so.*"), None) or next(
        (tree / "usr/lib").glob("ld-linux-*.so.*")
    )
    libraries = next(path.parent for path in sorted((tree / "usr/lib").glob("*/libpq.so.5")))
    places.make_directory(root / "bin")
    for program in sorted((tree / _BIN).iterdir()):
        real = program.with_name(program.name + ".real")
        program.rename(real)
        command = [loader, "--argv0", program, "--library-path", libraries, real]
        program.write_text(f'#!/bin/sh\nexec {shlex.join(map(str, command))} "$@"\n')
        program.chmod(0o755)
        (root / "bin" / program.name).symlink_to(program)
