"""Board of a service's workers: a directory in which each has its slab, for all to read.

A worker locks its slab for as long as it lives. One that replaces it finds the slab unlocked and
counts on in it: nothing that was counted is lost, however a worker ended, and no slab is left over.
"""

from __future__ import annotations

import fcntl
import logging
import mmap
import os
import shutil
import tempfile
import time
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

from service.metrics.families import Family, Layout
from service.metrics.slab import Contents, Slab, contents_of, formatted

_log = logging.getLogger(__name__)

# by which the workers find the board of their supervisor
_VARIABLE = "_WATTLEDGER_METRICS_BOARD"
_NAME = "wattledger-metrics-"
_MEMORY = Path("/dev/shm")  # noqa: S108  a directory of its own is made there
_SUPERVISED = "supervised"
# a directory that is not locked may be one that is being made
_BEING_MADE_SECONDS = 60.0


class Board(Protocol):
    """Slabs of workers, and a document that one of them publishes for all."""

    def claim(self, families: Sequence[Family]) -> Slab:
        """A slab for this process to count in until it ends."""
        ...

    def contents(self) -> list[Contents]:
        """What all slabs hold."""
        ...

    def leads(self) -> bool:
        """Whether this process is the one that publishes, from now on until it ends."""
        ...

    def publish(self, document: bytes) -> None:
        """Replace the document."""
        ...

    def published(self) -> bytes | None:
        """The document; None where there is none yet."""
        ...


class PrivateBoard:
    """The board of a process that has no others beside it."""

    def __init__(self) -> None:
        self._slabs: list[Slab] = []
        self._document: bytes | None = None

    def claim(self, families: Sequence[Family]) -> Slab:
        """A new slab."""
        slab = Slab.private(families)
        slab.take_over()
        self._slabs.append(slab)
        return slab

    def contents(self) -> list[Contents]:
        """What all slabs hold."""
        return [slab.contents() for slab in self._slabs]

    def leads(self) -> bool:
        """Nobody else does."""
        return True

    def publish(self, document: bytes) -> None:
        """Replace the document."""
        self._document = document

    def published(self) -> bytes | None:
        """The document; None where there is none yet."""
        return self._document


class SharedBoard:
    """The board in a directory."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        # descriptors, whose locks are held until this process ends
        self._held: list[int] = []
        self._is_leading = False

    def claim(self, families: Sequence[Family]) -> Slab:
        """A slab that nobody counts in any more, else a new one. Raises OSError."""
        layout = Layout(families)
        with self._locked():
            for path in self._paths():
                if slab := self._claimed(path, layout):
                    return slab
            made = self._claimed(self._make(layout), layout)
            assert made is not None  # noqa: S101  nobody else saw it
            return made

    def contents(self) -> list[Contents]:
        """What all slabs hold. Raises OSError where the directory is gone."""
        found: list[Contents] = []
        with self._locked():
            for path in self._paths():
                file = os.open(path, os.O_RDONLY)
                try:
                    with mmap.mmap(file, 0, access=mmap.ACCESS_READ) as memory:
                        found.append(contents_of(memory, is_live=not _lock(file)))
                finally:
                    os.close(file)
        return found

    def leads(self) -> bool:
        """Whether this process is the one that publishes, from now on until it ends."""
        if not self._is_leading:
            self._is_leading = self._hold("leader")
        return self._is_leading

    def publish(self, document: bytes) -> None:
        """Replace the document, at once for all. Raises OSError."""
        new = self._directory / "published.new"
        new.write_bytes(document)
        new.replace(self._directory / "published")

    def published(self) -> bytes | None:
        """The document; None where there is none yet."""
        try:
            return (self._directory / "published").read_bytes()
        except FileNotFoundError:
            return None

    def _hold(self, name: str) -> bool:
        """Lock a file until this process ends; false where another one has it."""
        file = os.open(self._directory / name, os.O_RDWR | os.O_CREAT, 0o600)
        if _lock(file):
            self._held.append(file)
            return True
        os.close(file)
        return False

    def _paths(self) -> list[Path]:
        return sorted(self._directory.glob("*.slab"))

    def _claimed(self, path: Path, layout: Layout) -> Slab | None:
        """The slab of a file, if it is free and of this layout: a newer version has another."""
        file = os.open(path, os.O_RDWR)
        if _lock(file):
            memory = mmap.mmap(file, 0)
            if contents_of(memory, is_live=False).layout == layout.encoded():
                self._held.append(file)
                slab = Slab(layout, memory)
                slab.take_over()
                return slab
            memory.close()
        os.close(file)
        return None

    def _make(self, layout: Layout) -> Path:
        empty = formatted(layout)
        path = self._directory / f"{len(self._paths()):04}.slab"
        new = path.with_suffix(".new")
        with new.open("wb") as file:
            # all of it now: memory that cannot be had later ends a process
            os.posix_fallocate(file.fileno(), 0, len(empty))
            file.write(empty)
        new.replace(path)
        return path

    @contextmanager
    def _locked(self) -> Generator[None]:
        """Keep others from claiming or looking, for the moment that either takes."""
        file = os.open(self._directory / "lock", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield
        finally:
            os.close(file)

    @classmethod
    @contextmanager
    def supervised(cls) -> Generator[SharedBoard]:
        """A new board for the workers that this process starts, removed at the end."""
        parent = _MEMORY if os.access(_MEMORY, os.W_OK) else Path(tempfile.gettempdir())
        _remove_left_over(parent)
        directory = Path(tempfile.mkdtemp(prefix=_NAME, dir=parent))
        board = cls(directory)
        board._hold(_SUPERVISED)
        os.environ[_VARIABLE] = str(directory)
        try:
            yield board
        finally:
            del os.environ[_VARIABLE]
            shutil.rmtree(directory, ignore_errors=True)


def supervisors_board() -> Board:
    """The board of the process that supervises this one; a private one where none does."""
    directory = os.environ.get(_VARIABLE)
    return SharedBoard(Path(directory)) if directory else PrivateBoard()


def claim_or_count_alone(board: Board, families: Sequence[Family]) -> Slab:
    """A slab of the board; where it can give none, one that nobody else sees: readings go on."""
    try:
        return board.claim(families)
    except OSError as error:
        _log.warning("what this worker does is missing in the metrics: %s", error)
        return Slab.private(families)


def _lock(file: int) -> bool:
    """Lock an open file; false where another one has it."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _remove_left_over(parent: Path) -> None:
    """Remove boards whose supervisor was killed."""
    for directory in parent.glob(f"{_NAME}*"):
        try:
            state = directory.stat()
            if state.st_uid != os.getuid() or time.time() - state.st_mtime < _BEING_MADE_SECONDS:
                continue
            file = os.open(directory / _SUPERVISED, os.O_RDWR | os.O_CREAT, 0o600)
            try:
                if _lock(file):
                    shutil.rmtree(directory, ignore_errors=True)
            finally:
                os.close(file)
        except OSError:
            continue
