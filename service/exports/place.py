"""The file that an export goes to: whole under its name, or not there."""

from __future__ import annotations

import fcntl
import gzip
import os
import sys
from collections.abc import Generator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import BinaryIO, cast

from backports import zstd

_BUFFER_BYTES = 1 << 20


class Taken(OSError):
    """Another export writes to that file."""


@contextmanager
def destination(path: Path | None, compression: str | None) -> Generator[BinaryIO]:
    """A file to write to, compressed by `gzip` or `zstd` if told; None: standard output.

    It is written beside its place, as NAME.part, and takes that on the way out, flushed to disk.
    Where anything is raised it is removed, and what was in its place stays. Pipes and devices are
    written to as they are. Raises OSError.
    """
    with ExitStack() as opened:
        if path is None:
            file = cast("BinaryIO", sys.stdout.buffer)
            opened.callback(file.flush)
        elif path.exists() and not path.is_file():
            file = opened.enter_context(path.open("wb"))
        else:
            # what a link points to, not the link
            file = opened.enter_context(_beside(path.resolve()))
        if compression == "gzip":
            packed = gzip.GzipFile(filename="", mode="wb", fileobj=file, mtime=0, compresslevel=6)
            file = cast("BinaryIO", opened.enter_context(packed))
        elif compression == "zstd":
            file = cast("BinaryIO", opened.enter_context(zstd.open(file, "wb")))
        yield file


@contextmanager
def _beside(path: Path) -> Generator[BinaryIO]:
    part = path.with_name(f"{path.name}.part")
    descriptor = os.open(part, os.O_CREAT | os.O_WRONLY, 0o666)
    with os.fdopen(descriptor, "wb", _BUFFER_BYTES) as file:
        _lock(descriptor, part)
        try:
            # what one that was killed left there
            file.truncate(0)
            if path.exists():
                os.fchmod(descriptor, path.stat().st_mode & 0o777)
            yield file
            file.flush()
            os.fsync(descriptor)
            part.replace(path)
        except BaseException:
            part.unlink(missing_ok=True)
            raise
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _lock(descriptor: int, part: Path) -> None:
    """Let no other export write there; the lock ends with its process. Raises Taken."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        # one that ended meanwhile has given the file its name
        if part.stat().st_ino == os.fstat(descriptor).st_ino:
            return
    except (BlockingIOError, FileNotFoundError):
        pass
    raise Taken(f"another export writes to {part.name}")
