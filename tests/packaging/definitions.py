"""Statements of SQL files, and what each of them is about."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

# a comment, a body, a text, the end of a statement, or anything else
_PIECE = re.compile(r"--[^\n]*|\$\$.*?\$\$|'(?:[^']|'')*'|;|[^-$';]+|.", re.DOTALL)
_KIND = (
    r"(?P<kind>(?:UNIQUE )?INDEX|(?:MATERIALIZED )?VIEW|FUNCTION|PROCEDURE|TABLE|TYPE|TRIGGER"
    r"|SCHEMA|COLUMN|EXTENSION|DOMAIN|SEQUENCE|AGGREGATE|OPERATOR|CAST)"
)
_SUBJECT = re.compile(
    rf"(?P<verb>CREATE|COMMENT ON)\s+(?:OR REPLACE\s+)?(?:CONSTRAINT )?{_KIND}\s+(?P<name>[\w.]+)"
)
_COMMENT = re.compile(r"--[^\n]*")
# what may stand in a body or in format(), and makes something all the same
_INNER = re.compile(r"\bCREATE\s+TRIGGER\s+(?P<name>\w+)[^;]*?\sON\s+(?P<table>[\w.%]+)")


class Statement(NamedTuple):
    """One statement: CREATE or COMMENT ON, of which kind of thing, its name, and all of its text.

    The first two are empty where it is another one. The text begins with the comments before it.
    """

    verb: str
    kind: str
    name: str
    text: str


def statements(text: str) -> Iterator[Statement]:
    """The statements of a file, in order."""
    current = ""
    for piece in _PIECE.findall(text):
        current += piece
        if piece == ";":
            found = _SUBJECT.match(_COMMENT.sub("", current).strip())
            if found:
                yield Statement(found["verb"], found["kind"], found["name"], current.strip())
            else:
                yield Statement("", "", "", current.strip())
            current = ""


def created(path: Path) -> list[Statement]:
    """What a file makes."""
    return [s for s in statements(path.read_text(encoding="utf-8")) if s.verb == "CREATE"]


def triggers(path: Path) -> list[tuple[str, str]]:
    """The triggers that a file makes, in blocks too, with their tables."""
    return [
        (found["name"], found["table"])
        for found in _INNER.finditer(code(path.read_text(encoding="utf-8")))
    ]


def code(text: str) -> str:
    """A file without comments, and without the texts of COMMENT ON."""
    return re.sub(r"COMMENT ON [^;]*? IS\s*'(?:[^']|'')*'", "", _COMMENT.sub("", text))
