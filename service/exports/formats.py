"""CSV and NDJSON, made of lines of CSV as PostgreSQL writes them."""

from __future__ import annotations

import csv
import json
from collections.abc import Sequence
from functools import lru_cache
from typing import BinaryIO, Protocol

from service.exports.history import Column


class Writer(Protocol):
    """What writes rows to a file; `close` ends the format and leaves the file open."""

    def write(self, lines: list[bytes]) -> None: ...

    def close(self) -> None: ...


class Csv:
    """CSV (RFC 4180, UTF-8): a line of names and one per row, nothing where there is no value."""

    def __init__(self, file: BinaryIO, columns: Sequence[Column]) -> None:
        self._file = file
        file.write((",".join(column.shown for column in columns) + "\n").encode())

    def write(self, lines: list[bytes]) -> None:
        self._file.write(b"".join(lines))

    def close(self) -> None:
        pass


class Ndjson:
    """One JSON object per line, its numbers with all the digits that the database has.

    What has no value is null, or left out where `is_sparse`.
    """

    def __init__(self, file: BinaryIO, columns: Sequence[Column], *, is_sparse: bool) -> None:
        self._file = file
        self._is_sparse = is_sparse
        self._fields = [(f'"{column.shown}":', _SPELLED[column.kind]) for column in columns]

    def write(self, lines: list[bytes]) -> None:
        written: list[str] = []
        for row in csv.reader(line.decode() for line in lines):
            members = [
                name + spelled(value) if value else name + "null"
                for (name, spelled), value in zip(self._fields, row, strict=True)
                if value or not self._is_sparse
            ]
            written.append("{" + ",".join(members) + "}\n")
        self._file.write("".join(written).encode())

    def close(self) -> None:
        pass


@lru_cache(maxsize=4096)
def _text(value: str) -> str:
    # of the same devices, mostly
    return json.dumps(value, ensure_ascii=False)


def _quoted(value: str) -> str:
    return f'"{value}"'


def _as_it_is(value: str) -> str:
    return value


_SPELLED = {
    "text": _text,
    "time": _quoted,
    "date": _quoted,
    "exact": _as_it_is,
    "whole": _as_it_is,
    "real": _as_it_is,
    "truth": _as_it_is,
    "json": _as_it_is,
}
