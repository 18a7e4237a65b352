"""The real systemd-analyze of Debian's package, and the one that is installed here."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from tests.support.packages import command, unpacked

_PROGRAM = "usr/bin/systemd-analyze"


class Analyzer(NamedTuple):
    """How to call one, and where it finds the units that come with it; empty for its own place."""

    words: list[str]
    units: str

    def __call__(self, units: Path, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
        """Call it with the units of a directory beside those that it has."""
        return subprocess.run(
            [*self.words, *arguments],
            # nothing after the colon stands for the usual places
            env={**os.environ, "SYSTEMD_UNIT_PATH": f"{units}:{self.units}", "LC_ALL": "C.UTF-8"},
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )


def analyzers() -> Iterator[Analyzer]:
    """Each that there is: the package's, and the one of this system if it has one."""
    if found := shutil.which("systemd-analyze"):
        yield Analyzer([found], "")
    tree = unpacked("systemd")
    words = command("systemd", _PROGRAM)
    place = words.index("--library-path") + 1
    words[place] += f":{next(tree.glob('usr/lib/*/systemd/libsystemd-shared-*.so')).parent}"
    yield Analyzer(words, str(tree / "usr/lib/systemd/system"))
