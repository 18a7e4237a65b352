"""The quarantine: readable, bounded, and sent again once a limit was widened."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import psycopg
import pytest

from tests.support.readings import NOW, Connection, meter_history, vehicle_history

COLUMNS = [
    *("integer", "text", "text", "text", "bytea"),
    *("text", "text", "timestamptz", "float8", "float8", "float8", "float8"),
]


def keep(connection: Connection, *rows: tuple[Any, ...]) -> None:
    """Call api.quarantine_readings; a row may leave out the decoded columns."""
    full = [(*row, *[None] * (len(COLUMNS) - len(row))) for row in rows]
    columns = [list(column) for column in zip(*full, strict=True)]
    arrays = ", ".join(f"%s::{kind}[]" for kind in COLUMNS)
    connection.execute(f"SELECT api.quarantine_readings({arrays})", columns)


def a_meter(energy_kwh: float, meter_id: str = "M-1") -> tuple[Any, ...]:
    raw = b"{}"
    return (
        0,
        "out_of_range",
        "too much",
        "application/json",
        raw,
        "meter_reading",
        meter_id,
        NOW,
        energy_kwh,
        230.0,
    )


def a_vehicle(temp_c: float) -> tuple[Any, ...]:
    decoded = ("vehicle_reading", "V-1", NOW, 0.4, None, 80.0, temp_c)
    return (1, "out_of_range", "too hot", "application/json", b"{}", *decoded)


def seen(connection: Connection) -> list[tuple[Any, ...]]:
    return connection.execute(
        "SELECT reason, raw, raw_bytes FROM ops.quarantine ORDER BY quarantine_id"
    ).fetchall()


def replay(connection: Connection, *arguments: Any) -> list[str]:
    marks = ", ".join(["%s"] * len(arguments))
    rows = connection.execute(f"SELECT outcome FROM ops.replay_quarantine({marks})", arguments)
    return [row[0] for row in rows]


def test_raw_bytes_are_shown_as_text_or_in_hexadecimal(connection: Connection) -> None:
    keep(
        connection,
        (0, "malformed", "d", "application/json", '{"é":1}'.encode()),
        (None, "malformed", "d", "application/msgpack", b"\x81\xff\x00"),
    )
    assert seen(connection) == [("malformed", '{"é":1}', 8), ("malformed", "81ff00", 3)]


def test_a_reading_is_stored_by_replay_after_its_limit_was_widened(
    connection: Connection,
) -> None:
    keep(connection, a_meter(1500.0), a_vehicle(170.0))
    assert replay(connection) == ["out_of_range", "out_of_range"]
    connection.execute("UPDATE telemetry.limits SET maximum = 2000")
    assert replay(connection) == ["accepted", "accepted"]
    assert meter_history(connection) == [("M-1", NOW, 0, 1_500_000_000, 230_000)]
    assert vehicle_history(connection) == [("V-1", NOW, 0, 400_000, 80_000, 170_000)]
    assert replay(connection) == []


def test_replay_chooses_by_reason_and_time(connection: Connection) -> None:
    connection.execute("UPDATE telemetry.limits SET maximum = 2000")
    keep(connection, a_meter(1500.0))
    assert replay(connection, "future") == []
    assert replay(connection, None, NOW + timedelta(days=1)) == []
    assert replay(connection, "out_of_range") == ["accepted"]


def test_what_could_not_be_decoded_is_not_replayed(connection: Connection) -> None:
    keep(connection, (0, "malformed", "d", "application/json", b"rubbish"))
    assert replay(connection) == []
    assert len(seen(connection)) == 1


def test_past_its_size_the_oldest_go_first(connection: Connection) -> None:
    connection.execute("UPDATE telemetry.quarantine_bounds SET max_bytes = 100000")
    for number in range(30):
        raw = bytes([65 + number % 26]) * 10_000
        keep(connection, (number, "malformed", "d", "text/plain", raw))
    rows = connection.execute(
        "SELECT reading_index FROM telemetry.quarantine ORDER BY 1"
    ).fetchall()
    assert rows
    assert rows[-1] == (29,)
    assert len(rows) <= 10
    counted = connection.execute(
        "SELECT b.kept_bytes, (SELECT sum(length(q.raw)) FROM telemetry.quarantine AS q)"
        " FROM telemetry.quarantine_bounds AS b"
    ).fetchone()
    assert counted is not None
    assert counted[0] == counted[1]


def test_past_its_time_it_is_removed_by_the_next_that_comes(connection: Connection) -> None:
    keep(connection, *[(n, "malformed", "d", "text/plain", b"old") for n in range(250)])
    connection.execute("UPDATE telemetry.quarantine SET received_at = now() - interval '31 days'")
    keep(connection, (0, "malformed", "d", "text/plain", b"new"))
    assert [row[1] for row in seen(connection)] == ["new"]


@pytest.mark.parametrize("role", ["wattledger_bi", "wattledger_service"])
def test_only_dbas_see_and_replay_the_quarantine(connection: Connection, role: str) -> None:
    connection.execute("SET ROLE wattledger_dba")
    assert seen(connection) == []
    assert replay(connection) == []
    connection.execute(f"SET ROLE {role}")
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        seen(connection)
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        replay(connection)
