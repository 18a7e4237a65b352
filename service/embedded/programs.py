"""Find PostgreSQL's programs with TimescaleDB: the host's own, else Debian's unpacked."""

import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

from service.embedded import debian

SUPPORTED_MAJORS = (18, 17, 16)
# older ones lack what the migrations use
_OLDEST_TIMESCALEDB = (2, 19)


@dataclass(frozen=True)
class Programs:
    """A directory of PostgreSQL's programs, and their major version."""

    directory: Path
    major: int

    def path(self, name: str) -> Path:
        """Where the program `name` is, such as `pg_dump`."""
        return self.directory / name


def find_programs() -> Programs:
    """Return the programs to use, fetching them at the first call on this machine.

    Raises EmbeddedError where neither the host nor its distribution has them.
    """
    if found := _installed():
        return found
    return Programs(debian.unpacked_programs(), debian.POSTGRESQL_MAJOR)


def _installed() -> Programs | None:
    for major in SUPPORTED_MAJORS:
        directory = Path(f"/usr/lib/postgresql/{major}/bin")
        share = Path(f"/usr/share/postgresql/{major}")
        if (directory / "initdb").exists() and _has_extensions(share):
            return Programs(directory, major)
    return _by_pg_config()


def _by_pg_config() -> Programs | None:
    try:
        answer = subprocess.run(
            ["pg_config", "--version", "--bindir", "--sharedir"],
            capture_output=True,
            text=True,
            check=True,
        ).stdout.splitlines()
    except (OSError, subprocess.CalledProcessError):
        return None
    major = int(re.findall(r"\d+", answer[0])[0])
    directory, share = Path(answer[1]), Path(answer[2])
    # a client's pg_config comes without a server
    if major in SUPPORTED_MAJORS and (directory / "initdb").exists() and _has_extensions(share):
        return Programs(directory, major)
    return None


def _has_extensions(share: Path) -> bool:
    extensions = share / "extension"
    if not (extensions / "btree_gist.control").exists():
        return False
    try:
        control = (extensions / "timescaledb.control").read_text()
    except OSError:
        return False
    version = re.search(r"default_version\s*=\s*'(\d+)\.(\d+)", control)
    return version is not None and tuple(map(int, version.groups())) >= _OLDEST_TIMESCALEDB
