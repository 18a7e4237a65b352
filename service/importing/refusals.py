"""Files of records that were refused, with the reasons, written only where there are some."""

from __future__ import annotations

from pathlib import Path
from typing import BinaryIO

from service.importing.blocks import Reader


class Refusals:
    """A file of refused records; `size` is how much of it is written."""

    def __init__(self, path: Path, reader: Reader, size: int) -> None:
        """`size`: how much of the file is of what was stored before; the rest goes.

        Raises OSError.
        """
        self.path = path
        self.size = size
        self._reader = reader
        self._file: BinaryIO | None = self._opened() if size else None

    def add(self, raw: str, line: int, reason: str, detail: str) -> None:
        """Write a record, as it stands in its file. Raises OSError."""
        self._write(self._reader.refused(raw, line, reason, detail))

    def flush(self) -> None:
        """Hand what was added to the system."""
        if self._file is not None:
            self._file.flush()

    def close(self) -> None:
        """Close the file."""
        if self._file is not None:
            self._file.close()

    def _write(self, text: str) -> None:
        data = text.encode(errors="replace")
        if self._file is None:
            self._file = self._opened()
        self._file.write(data)
        self.size += len(data)

    def _opened(self) -> BinaryIO:
        if self.size:
            file = self.path.open("r+b")
            file.truncate(self.size)
            file.seek(self.size)
            return file
        file = self.path.open("wb")
        if head := self._reader.refused_head():
            self.size = file.write(head.encode(errors="replace"))
        return file
