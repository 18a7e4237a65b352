"""Rows of functions that answer with rows of more than one kind."""

from __future__ import annotations

from typing import Any, TypeVar

import msgspec

_Row = TypeVar("_Row", bound=msgspec.Struct)


def struct_of(kind: type[_Row], row: dict[str, Any]) -> _Row:
    """The struct of a row by column name, which may have more columns than it has fields."""
    return kind(**{name: row[name] for name in kind.__struct_fields__})
