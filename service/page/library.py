"""Library that draws plots, uPlot: from the package that brings it, if it is what its author made.

Nothing of that package is imported: it is the carrier of two files, whose hashes are those of
the files in uPlot's own release on npm.
"""

from __future__ import annotations

from hashlib import sha256
from importlib.util import find_spec
from pathlib import Path

VERSION = "1.6.31"
_CARRIER = "youplot"
# by the name that each is served by: where it is in the package, and its SHA-256
_FILES = {
    "uPlot.js": (
        "vendor/uplot.iife.min.js",
        "2d27e8ad3d228164525ce213f9dc716f39b4e3aee0cc773fb3491c96cf4921a2",
    ),
    "uPlot.css": (
        "vendor/uplot.min.css",
        "df630c6a8d6f8eeaff264b50f73ce5b114f646ffd9a0bb74f049b0a00135fa04",
    ),
}


def library() -> dict[str, bytes]:
    """The files by name; none where the package is missing, or has others."""
    found = find_spec(_CARRIER)
    for location in (found.submodule_search_locations or []) if found else []:
        files = {
            name: path.read_bytes()
            for name, (place, _) in _FILES.items()
            if (path := Path(location, place)).is_file()
        }
        if all(
            name in files and sha256(files[name]).hexdigest() == expected
            for name, (_, expected) in _FILES.items()
        ):
            return files
    return {}
