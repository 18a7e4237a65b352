"""Files of the page as they are sent: read once, named by what is in them, packed once."""

from __future__ import annotations

import gzip
import re
from functools import cached_property, lru_cache
from hashlib import sha256
from importlib.metadata import version
from pathlib import Path

import msgspec

from service.page.library import library

FOLDER = Path(__file__).parent / "assets"
_INDEX = "index.html"
_VENDOR = "vendor/"
_MEDIA_TYPES = {
    ".css": "text/css",
    ".html": "text/html",
    ".js": "text/javascript",
    ".svg": "image/svg+xml",
}
# a trusted proxy names the prefix, and there is seldom more than one
_MOST_PREFIXES = 8
# an encoding is wanted unless its quality is zero
_GZIP = re.compile(r"(?:^|,)\s*(?:gzip|\*)\s*(?:;\s*q=(?!0(?:\.0*)?\s*(?:,|$))[0-9.]+\s*)?(?:,|$)")


class File(msgspec.Struct, frozen=True):
    """A file: its media type, its bytes as they are and packed, and the tag of either."""

    media_type: str
    plain: bytes
    packed: bytes
    tag: str

    def body(self, accepted: str) -> tuple[bytes, str, dict[str, str]]:
        """What a client gets that accepts such encodings: the bytes, their tag, and headers."""
        if _GZIP.search(accepted) and len(self.packed) < len(self.plain):
            return self.packed, f'"{self.tag}-gzip"', {"Content-Encoding": "gzip"}
        return self.plain, f'"{self.tag}"', {}


class Files:
    """All files of the page, by the hash of all of them."""

    def __init__(self, folder: Path = FOLDER) -> None:
        """Raises OSError where they cannot be read."""
        own = {
            path.relative_to(folder).as_posix(): path.read_bytes()
            for path in sorted(folder.rglob("*"))
            if path.suffix in _MEDIA_TYPES
        }
        brought = {f"{_VENDOR}{name}": body for name, body in library().items()}
        self._index = own.pop(_INDEX).decode()
        contents = {**own, **brought}
        whole = sha256()
        for name, body in (*contents.items(), (_INDEX, self._index.encode())):
            whole.update(b"%s\0%d\0%s" % (name.encode(), len(body), body))
        self.hash = whole.hexdigest()[:16]
        self._tags = "".join(
            f'<link rel="stylesheet" href="{{{{assets}}}}/{name}">'
            if name.endswith(".css")
            else f'<script defer src="{{{{assets}}}}/{name}"></script>'
            for name in brought
        )
        self._files = {name: _file(name, body) for name, body in contents.items()}
        self._indexes = lru_cache(_MOST_PREFIXES)(self._placed_index)

    @cached_property
    def version(self) -> str:
        """The version of Wattledger, looked up once."""
        return version("wattledger")

    def named(self, name: str) -> File | None:
        """A file of the page by its path; None where there is none."""
        return self._files.get(name)

    def index(self, root: str) -> File:
        """The page itself, for a reader who comes by that path prefix."""
        return self._indexes(root)

    def _placed_index(self, root: str) -> File:
        page = self._index.replace("{{library}}", self._tags)
        page = page.replace("{{assets}}", f"{root}/assets/{self.hash}")
        page = page.replace("{{root}}", root).replace("{{version}}", self.version)
        return _file(_INDEX, page.encode())


def _file(name: str, body: bytes) -> File:
    packed = gzip.compress(body, mtime=0)
    return File(_MEDIA_TYPES[Path(name).suffix], body, packed, sha256(body).hexdigest()[:24])
