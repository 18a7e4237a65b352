"""Refused readings with defaults, kept and counted."""

from __future__ import annotations

from datetime import datetime
from typing import Any, NamedTuple

from tests.support.readings import NOW, Connection

_ARRAYS = ", ".join(
    f"%s::{kind}[]"
    for kind in (
        *("integer", "text", "text", "text", "bytea"),
        *("text", "text", "timestamptz", "float8", "float8", "float8", "float8"),
    )
)


class Refused(NamedTuple):
    """A refused reading, or, without a dataset, what could not be decoded."""

    index: int | None = 0
    reason: str = "out_of_range"
    detail: str = "too much"
    content_type: str = "application/json"
    raw: bytes = b"{}"
    dataset: str | None = "meter_reading"
    device_id: str | None = "M-1"
    read_at: datetime | None = NOW
    energy_kwh: float | None = 0.42
    voltage_v: float | None = 230.0
    soc_percent: float | None = None
    battery_temp_c: float | None = None
    kind: str | None = None
    interval_start: datetime | None = None
    session_id: str | None = None


def malformed(raw: bytes, index: int | None = None) -> Refused:
    """What could not be decoded."""
    return Refused(index, "malformed", "d", "text/plain", raw, *[None] * 10)


def keep(
    connection: Connection, *refused: Refused, key_id: str | None = None
) -> list[tuple[int, str]]:
    """Call api.quarantine_readings; return what else to tell, by place."""
    columns: list[Any] = [list(column) for column in zip(*refused, strict=True)]
    return connection.execute(
        f"SELECT * FROM api.quarantine_readings({_ARRAYS}, %s::text,"
        " %s::text[], %s::timestamptz[], %s::text[])",
        [*columns[:12], key_id, *columns[12:]],
    ).fetchall()


def replay(connection: Connection, **arguments: Any) -> list[str]:
    """Call ops.replay_quarantine; return the outcomes."""
    named = ", ".join(f"{name} => %s" for name in arguments)
    rows = connection.execute(
        f"SELECT outcome FROM ops.replay_quarantine({named})", list(arguments.values())
    )
    return [row[0] for row in rows]


def replay_due(connection: Connection, most: int = 1000) -> tuple[int, int, int]:
    """Call api.replay_due; return how many were accepted, duplicates and refused."""
    row = connection.execute("SELECT * FROM api.replay_due(%s)", [most]).fetchone()
    assert row is not None
    return row


def allow_ahead(connection: Connection, clock_skew: str) -> None:
    """Move the time of readings that are ahead of the clock, as if time passed."""
    connection.execute("UPDATE telemetry.rules SET clock_skew = %s", [clock_skew])


def bound(connection: Connection, **bounds: Any) -> None:
    """Set bounds of the quarantine."""
    for name, value in bounds.items():
        connection.execute(f"UPDATE telemetry.quarantine_bounds SET {name} = %s", [value])


def remove_settings(connection: Connection, table: str) -> None:
    """Remove the rows of a table of settings, past the trigger that refuses it."""
    connection.execute("SET session_replication_role = replica")
    connection.execute(f"DELETE FROM telemetry.{table}")
    connection.execute("RESET session_replication_role")


def kept(connection: Connection) -> dict[str | None, list[int | None]]:
    """The indexes of what is kept, by key, in order of arrival."""
    found: dict[str | None, list[int | None]] = {}
    for key_id, index in connection.execute(
        "SELECT key_id, reading_index FROM telemetry.quarantine ORDER BY quarantine_id"
    ):
        found.setdefault(key_id, []).append(index)
    return found


def assert_counted(connection: Connection) -> None:
    """Assert that the counters, in all and of each key, say what is there."""
    counted = connection.execute("SELECT kept_bytes FROM telemetry.quarantine_bounds").fetchall()
    there = connection.execute(
        "SELECT coalesce(sum(length(raw)), 0) FROM telemetry.quarantine"
    ).fetchall()
    assert counted == there
    different = connection.execute(
        "SELECT * FROM (SELECT coalesce(key_id, '') AS key_id, sum(length(raw)) AS bytes"
        " FROM telemetry.quarantine GROUP BY 1) AS q"
        " FULL JOIN telemetry.quarantine_share AS s USING (key_id)"
        " WHERE coalesce(q.bytes, 0) <> coalesce(s.kept_bytes, 0)"
    ).fetchall()
    assert different == []
