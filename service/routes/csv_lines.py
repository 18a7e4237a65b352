"""CSV beside JSON: which of both a request prefers, and rows as lines."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from typing import Any

import msgspec
from litestar import Request

from service.wire import JSON

CSV = "text/csv"


def prefers_csv(request: Request[Any, Any, Any]) -> bool:
    """Whether `Accept` has CSV before JSON."""
    return request.accept.best_match([JSON, CSV], default=JSON) == CSV


def csv_lines(names: Sequence[str], rows: Iterable[Iterable[object]]) -> bytes:
    """A line of names and one per row: values as JSON has them, with all digits; empty for null."""
    written = io.StringIO(newline="")
    lines = csv.writer(written)
    lines.writerow(names)
    plain = msgspec.to_builtins([list(row) for row in rows])
    lines.writerows([_spelled(value) for value in row] for row in plain)
    return written.getvalue().encode()


def _spelled(value: object) -> object:
    # which csv writes as Python does: True, False
    return str(value).lower() if isinstance(value, bool) else value
