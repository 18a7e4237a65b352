"""Sources of an import: files and standard input, decompressed as they are read."""

from __future__ import annotations

import gzip
import io
import sys
import zlib
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

from backports import zstd

from service.importing.errors import NotImportable
from service.wire.signatures import instead_of_readings

STANDARD_INPUT = "-"
TABLE, LINES = "csv", "ndjson"
# enough for the names of the columns, and to tell what a file is
_HEAD = 64 * 1024
_BUFFER = 1024 * 1024
_SUFFIXES = {".csv": TABLE, ".tsv": TABLE, ".ndjson": LINES, ".jsonl": LINES}
_COMPRESSED = {b"\x1f\x8b": "gzip", b"\x28\xb5\x2f\xfd": "zstd"}
_BROKEN = (EOFError, gzip.BadGzipFile, zlib.error, zstd.ZstdError)


class _Counted(io.RawIOBase):
    """A file that counts the bytes which were read of it."""

    def __init__(self, file: io.BufferedReader[Any]) -> None:
        self._file = file
        self.bytes = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: bytearray | memoryview, /) -> int:  # type: ignore[override]
        # as much as there is: of a pipe that is waited for, the rest is yet to come
        piece = self._file.read1(len(buffer))
        buffer[: len(piece)] = piece
        self.bytes += len(piece)
        return len(piece)


class Source:
    """An open file: `bytes_read` of `size` (None: not known) as they are on the disk.

    `data` is what it holds, decompressed, of which `head` is the start.
    """

    def __init__(self, name: str, file: io.BufferedReader[Any], size: int | None) -> None:
        self.name = name
        self.size = size
        self._counted = _Counted(file)
        self.data = _decompressed(self._counted)
        try:
            self.head = self.data.peek(_HEAD)[:_HEAD]
        except _BROKEN as error:
            raise NotImportable(f"{name} cannot be decompressed: {error}") from error

    @property
    def bytes_read(self) -> int:
        """How much of the file was read, before it is decompressed."""
        return self._counted.bytes

    def form(self) -> str:
        """What it holds, by its content: TABLE or LINES. Raises NotImportable."""
        if not self.head:
            raise NotImportable(f"{self.name} is empty")
        if found := instead_of_readings(self.head):
            raise NotImportable(f"{self.name} is neither CSV nor NDJSON: {found}")
        first = self.head.removeprefix(b"\xef\xbb\xbf").lstrip()[:1]
        if first == b"{":
            return LINES
        if first == b"[":
            raise NotImportable(
                f"{self.name} holds a JSON array: write one object per line, as `jq -c '.[]'` does"
            )
        return _SUFFIXES.get(Path(_uncompressed_name(self.name)).suffix.lower(), TABLE)


@contextmanager
def opened(name: str) -> Generator[Source]:
    """Open a file by its path, or standard input by "-".

    Raises NotImportable, also where it turns out to be damaged while it is read.
    """
    try:
        if name == STANDARD_INPUT:
            yield Source("standard input", cast("io.BufferedReader[Any]", sys.stdin.buffer), None)
            return
        path = Path(name)
        with path.open("rb") as file:
            yield Source(name, file, path.stat().st_size)
    except _BROKEN as error:
        raise NotImportable(
            f"{name} is damaged or cut short: {error}; what is before that is stored"
        ) from error
    except UnicodeDecodeError as error:
        raise NotImportable(
            f"{name} is not {error.encoding}: say what it is, such as --encoding cp1252"
        ) from error
    except OSError as error:
        raise NotImportable(f"{name} cannot be read: {error.strerror or error}") from error


def base_name(name: str) -> str:
    """The name of a file without its folder and suffixes; "stdin" of standard input."""
    if name == STANDARD_INPUT:
        return "stdin"
    bare = Path(_uncompressed_name(name))
    return bare.stem if bare.suffix.lower() in _SUFFIXES else bare.name


def _uncompressed_name(name: str) -> str:
    path = Path(name)
    return path.stem if path.suffix.lower() in (".gz", ".zst", ".zstd") else path.name


def _decompressed(counted: _Counted) -> io.BufferedReader[Any]:
    file = io.BufferedReader(counted, _BUFFER)
    start = file.peek(4)
    encoding = next((of for mark, of in _COMPRESSED.items() if start.startswith(mark)), None)
    if encoding is None:
        return file
    inner = gzip.GzipFile(fileobj=file) if encoding == "gzip" else zstd.ZstdFile(file)
    return io.BufferedReader(cast("io.RawIOBase", inner), _BUFFER)
