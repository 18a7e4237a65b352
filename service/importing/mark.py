"""Marks of how far a file is stored, beside it, so that an import goes on where it was."""

from __future__ import annotations

import hashlib
from pathlib import Path

import msgspec

from service.importing.errors import NotImportable

_SUFFIX = ".wattledger-import"
_HEAD = 64 * 1024


class Totals(msgspec.Struct):
    """What became of records: readings stored, there already, and refused by reason."""

    read: int = 0
    stored: int = 0
    duplicates: int = 0
    links: int = 0
    refused: dict[str, int] = msgspec.field(default_factory=dict[str, int])

    def refuse(self, reason: str, count: int = 1) -> None:
        """Count what was refused."""
        self.refused[reason] = self.refused.get(reason, 0) + count


class Mark(msgspec.Struct):
    """How far a file is stored: `records` of it, with `totals`, by the options `asked`.

    `refused_bytes` is how long the file of refused records was then.
    """

    size: int
    changed_ns: int
    head: str
    asked: str
    records: int = 0
    refused_bytes: int = 0
    totals: Totals = msgspec.field(default_factory=Totals)


class Place:
    """The mark's file, NAME.wattledger-import beside the file NAME."""

    def __init__(self, file: Path, asked: str) -> None:
        """`asked`: what else decides what the records are; with others, they are others."""
        self.path = file.with_name(file.name + _SUFFIX)
        self._file = file
        status = file.stat()
        with file.open("rb") as opened:
            head = hashlib.sha256(opened.read(_HEAD)).hexdigest()
        self._new = Mark(status.st_size, status.st_mtime_ns, head, asked)

    def read(self) -> Mark:
        """The mark of an import that was stopped, else a new one. Raises NotImportable."""
        try:
            there = msgspec.json.decode(self.path.read_bytes(), type=Mark)
        except FileNotFoundError:
            return self._new
        except (OSError, msgspec.MsgspecError, UnicodeDecodeError) as error:
            raise NotImportable(f"{self.path} cannot be read: {self._way_out()}") from error
        new = self._new
        if (there.size, there.changed_ns, there.head) != (new.size, new.changed_ns, new.head):
            raise NotImportable(
                f"{self._file} changed since its import was stopped at record {there.records:,}:"
                f" {self._way_out()}"
            )
        if there.asked != new.asked:
            raise NotImportable(
                f"the import of {self._file} was stopped after {there.records:,} records, and began"
                f" with other options: call it with those again; or {self._way_out()}"
            )
        return there

    def write(self, mark: Mark) -> None:
        """Keep a mark, whole or not at all. Raises OSError."""
        draft = self.path.with_name(self.path.name + "~")
        draft.write_bytes(msgspec.json.encode(mark))
        draft.replace(self.path)

    def remove(self) -> None:
        """Remove it: the file is stored."""
        self.path.unlink(missing_ok=True)

    @staticmethod
    def _way_out() -> str:
        return "--no-resume starts anew, and what is stored already is a duplicate then"
