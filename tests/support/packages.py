"""Real programs of Debian for tests, such as PgBouncer, unpacked beside the host's own."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

from filelock import FileLock

from service.embedded import places
from service.embedded.apt import Apt
from service.embedded.debian import SUITE


def command(package: str, program_path: str) -> list[str]:
    """How to call a program of a package, such as `usr/sbin/nginx`, fetched where it is not here.

    It runs through its own dynamic loader, since the host's C library may be older than its own.
    Raises EmbeddedError where Debian's archive cannot be used.
    """
    return program(unpacked(package), program_path)


def program(tree: Path, path: str) -> list[str]:
    """How to call a program of an unpacked package, by its place in there."""
    loader = next(tree.glob("usr/lib*/ld-linux-*.so.*"))
    libraries = next(path.parent for path in sorted(tree.glob("usr/lib/*/libc.so.6")))
    real = tree / path
    words = [loader, "--argv0", real, "--library-path", libraries, real]
    return [str(word) for word in words]


def unpacked(package: str, *, alone: bool = False) -> Path:
    """The directory of a package and, unless `alone`, all that it needs, fetched the first time.

    Raises EmbeddedError where Debian's archive cannot be used.
    """
    cache = places.cache_directory()
    root = cache / f"tests-{SUITE}-{package}"
    places.make_directory(cache)
    # the workers of xdist come here at once
    with FileLock(cache / f"tests-{package}.lock"):
        if not (root / "complete").exists():
            shutil.rmtree(root, ignore_errors=True)
            places.make_directory(root)
            apt = Apt(root / "apt", SUITE, f"leave out the tests that need {package}")
            for archive in apt.download(package, f"{package} for the tests", alone=alone):
                subprocess.run(["dpkg-deb", "--extract", archive, root], check=True)
            shutil.rmtree(root / "apt")
            (root / "complete").touch()
    return root
