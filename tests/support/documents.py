"""SQL blocks of docs/, and tables as they are printed there."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

from psycopg import Cursor

DOCS = Path(__file__).parents[2] / "docs"


class Block(NamedTuple):
    """A fenced SQL block: the words after ```sql, the statements, and the result shown below."""

    document: str
    line: int
    words: frozenset[str]
    statements: str
    result: str | None


def sql_blocks() -> list[Block]:
    """Every SQL block of every document, in order."""
    pattern = re.compile(
        r"^```sql([^\n]*)\n(.*?)^```\n(?:\n?```text\n(.*?)^```\n)?", re.MULTILINE | re.DOTALL
    )
    return [
        Block(
            path.name,
            text.count("\n", 0, match.start()) + 1,
            frozenset(match[1].split()),
            match[2],
            match[3],
        )
        for path in sorted(DOCS.glob("*.md"))
        for text in [path.read_text(encoding="utf-8")]
        for match in pattern.finditer(text)
    ]


def table(cursor: Cursor[tuple[object, ...]]) -> str:
    """A result as psql would align it, without its last line."""
    assert cursor.description is not None
    names = [column.name for column in cursor.description]
    rows = [[_shown(value) for value in row] for row in cursor.fetchall()]
    widths = [max(map(len, column)) for column in zip(names, *rows, strict=True)]
    lines = [_line(names, widths), "-+-".join("-" * width for width in widths)]
    return "\n".join([*lines, *(_line(row, widths) for row in rows)]) + "\n"


def _line(cells: Sequence[str], widths: Sequence[int]) -> str:
    padded = [cell.ljust(width) for cell, width in zip(cells, widths, strict=True)]
    return " | ".join(padded).rstrip()


def _shown(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, datetime):
        return value.strftime("%Y-%m-%d %H:%M")
    return str(value)
