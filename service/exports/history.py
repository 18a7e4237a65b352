"""Rows of history as lines of CSV, read window by window in few snapshots of the database."""

from __future__ import annotations

import time
from collections.abc import Generator
from datetime import datetime
from typing import Any, Literal, NamedTuple

from psycopg import Connection, sql

from service.exports.subjects import Devices, Subject

Kind = Literal["text", "time", "date", "exact", "whole", "real", "truth", "json"]

_KINDS: dict[str, Kind] = {
    "text": "text",
    "_text": "json",
    "jsonb": "json",
    "timestamptz": "time",
    "date": "date",
    "numeric": "exact",
    "int4": "whole",
    "int8": "whole",
    "float8": "real",
    "bool": "truth",
}
# of the catalogue: a query of the relation itself would wait for whoever drops any of its chunks
_COLUMNS = """
SELECT c.column_name::text, c.udt_name::text, c.numeric_precision::integer, c.numeric_scale::integer
FROM information_schema.columns AS c
WHERE c.table_schema = %s AND c.table_name = %s
ORDER BY c.ordinal_position
"""

# how CSV has it, where PostgreSQL's own text is not what everybody reads: RFC 3339, true, JSON
_SPELLED: dict[Kind, sql.SQL] = {
    "time": sql.SQL(
        "CASE WHEN isfinite({0})"
        " THEN translate(({0} AT TIME ZONE 'UTC')::text, ' ', 'T') || 'Z' END"
    ),
    "truth": sql.SQL("{0}::text"),
    "json": sql.SQL("to_json({0})::text"),
}
_PLAIN = sql.SQL("{0}")

# rows that are handed on together: enough to make a call cheap
_BATCH_ROWS = 4096
# the last part of a window is done when the window is
_NEARLY = 0.99


class Column(NamedTuple):
    """A column: its name in the relation and in the file, and what it holds.

    Of `exact` numbers `precision` and `scale` are those of the relation.
    """

    name: str
    shown: str
    kind: Kind
    precision: int
    scale: int


class Window(NamedTuple):
    """A window of time that one statement reads; `rows`: an estimate, of all devices."""

    since: datetime
    until: datetime
    rows: int


class History:
    """One subject's rows between two moments, as they are in a snapshot of the database.

    Each UTC day, of sessions 32 days, is a statement of its own. A snapshot that is older than
    `seconds` is renewed before the next one. Raises psycopg.Error.
    """

    def __init__(
        self,
        connection: Connection[Any],
        subject: Subject,
        devices: Devices,
        *,
        seconds: float,
    ) -> None:
        self.columns: list[Column] = []
        self.rows = 0
        self.snapshots = 0
        self._connection = connection
        self._subject = subject
        self._devices = devices
        self._seconds = seconds
        self._taken = 0.0
        self._windows: list[Window] = []
        self._done = self._total = self._part = 0.0

    def look_up(self, since: str | None, until: str | None, zone: str) -> None:
        """Take a snapshot, and find the columns and the windows that are to be read.

        The moments are as somebody wrote them, in that time zone unless they have an offset.
        """
        # what the login's role says of these is for whoever types
        self._connection.execute("SET datestyle = 'ISO'; SET statement_timeout = 0; SET jit = off")
        self._take_snapshot()
        self.columns = self._found_columns()
        windows = self._connection.cursor(row_factory=_window).execute(
            "SELECT w.* FROM ops.export_windows(%s::text, ops.local_moment(%s::text, %s::text),"
            " ops.local_moment(%s::text, %s::text)) AS w",
            [self._subject.dataset, since, zone, until, zone],
        )
        self._windows = windows.fetchall()
        self._total = float(sum(max(window.rows, 1) for window in self._windows))

    def batches(self) -> Generator[list[bytes]]:
        """Rows as lines of CSV, thousands at once, without a line of names. For one reading."""
        for window in self._windows:
            if time.monotonic() - self._taken > self._seconds:
                self._take_snapshot()
            expected = max(window.rows, 1)
            before = self.rows
            with self._connection.cursor().copy(self._query(window)) as copied:
                batch: list[bytes] = []
                for line in copied:
                    batch.append(bytes(line))
                    if len(batch) == _BATCH_ROWS:
                        self.rows += len(batch)
                        if self._devices.are_all:
                            self._part = min(self.rows - before, expected * _NEARLY)
                        yield batch
                        batch = []
            self.rows += len(batch)
            self._part = 0
            self._done += expected
            if batch:
                yield batch
        self._connection.execute("COMMIT")

    @property
    def share(self) -> float:
        """About how much of it is read, 0 to 1."""
        return (self._done + self._part) / self._total if self._total else 1.0

    def _found_columns(self) -> list[Column]:
        names = self._subject.names
        found = [
            Column(name, names[name] if names else name, _KINDS[kind], precision or 0, scale or 0)
            for name, kind, precision, scale in self._connection.execute(
                _COLUMNS, self._subject.relation
            )
            if names is None or name in names
        ]
        order = list(names or ())
        return sorted(found, key=lambda column: order.index(column.name)) if names else found

    def _take_snapshot(self) -> None:
        if self.snapshots:
            self._connection.execute("COMMIT")
        self._connection.execute("BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        self._taken = time.monotonic()
        self.snapshots += 1

    def _query(self, window: Window) -> sql.Composed:
        subject = self._subject
        columns = [
            _SPELLED.get(column.kind, _PLAIN).format(sql.Identifier(column.name))
            for column in self.columns
        ]
        # the window as constants: planned by them, a statement touches no other chunk
        return sql.SQL(
            "COPY (SELECT {} FROM {} WHERE {} >= {}::timestamptz AND {} < {}::timestamptz{}"
            " ORDER BY {}) TO STDOUT (FORMAT csv)"
        ).format(
            sql.SQL(", ").join(columns),
            sql.Identifier(*subject.relation),
            sql.Identifier(subject.time),
            window.since,
            sql.Identifier(subject.time),
            window.until,
            self._devices.condition(),
            sql.SQL(", ").join(map(sql.Identifier, subject.order)),
        )


def _window(cursor: Any) -> Any:
    return Window._make
