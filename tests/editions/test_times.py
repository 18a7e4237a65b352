"""Times that no client could show stand in no table, whoever writes them."""

from __future__ import annotations

import psycopg
import pytest

from tests.support.readings import Connection

# beyond what PostgreSQL counts, what TimescaleDB can give a chunk, or the years 1 to 9999
UNREADABLE = ["infinity", "-infinity", "0044-03-15 BC", "9999-12-31 00:00+00", "20000-01-01"]


@pytest.mark.parametrize("kind", ["meter", "vehicle"])
@pytest.mark.parametrize("column", ["ts", "received_at"])
def test_a_reading_of_no_readable_time_is_refused_by_its_table(
    db: Connection, kind: str, column: str
) -> None:
    for unreadable in UNREADABLE:
        times = {"ts": "2026-01-01", "received_at": "2026-01-01", column: unreadable}
        with pytest.raises((psycopg.errors.CheckViolation, psycopg.errors.DataError)):
            db.execute(
                f"INSERT INTO telemetry.{kind}_reading ({kind}_id, energy_mwh, ts, received_at)"
                " VALUES ('X', 1, %s, %s)",
                [times["ts"], times["received_at"]],
            )
    rows = db.execute(f"SELECT * FROM api.{kind}_states(NULL, 10)").fetchall()
    assert rows == []


@pytest.mark.parametrize("column", ["created_at", "expires_at", "revoked_at", "last_used_at"])
def test_a_key_has_no_time_that_cannot_be_shown(db: Connection, column: str) -> None:
    db.execute("SELECT ops.create_key(ARRAY['read'])")
    for unreadable in UNREADABLE:
        with pytest.raises(psycopg.errors.CheckViolation):
            db.execute(f"UPDATE telemetry.api_key SET {column} = %s", [unreadable])
    assert db.execute("SELECT * FROM ops.keys").fetchall()


def test_a_key_that_never_expires_has_no_such_time(db: Connection) -> None:
    for never in ("infinity", "9999-12-31 00:00+00"):
        with pytest.raises(psycopg.Error, match="never does") as raised:
            db.execute("SELECT ops.create_key(ARRAY['read'], expires_at => %s)", [never])
        assert raised.value.sqlstate == "WL030"
    row = db.execute("SELECT c.key_id FROM ops.create_key(ARRAY['read']) AS c").fetchone()
    assert row is not None
    with pytest.raises(psycopg.Error) as raised:
        db.execute("SELECT ops.rotate_key(%s, '20000 years')", row)
    assert raised.value.sqlstate == "WL031"


def test_a_quarantined_reading_of_a_year_that_nobody_counts_can_be_looked_at(
    db: Connection,
) -> None:
    for unreadable in (*UNREADABLE, "0001-01-01 00:00+12"):
        db.execute(
            "SELECT api.quarantine_readings(ARRAY[0], ARRAY['too_old'], ARRAY['?'],"
            " ARRAY['application/json'], ARRAY['\\x00'::bytea], ARRAY['meter_reading'],"
            " ARRAY['M-1'], ARRAY[%s::timestamptz], ARRAY[1.0::float8], ARRAY[NULL::float8],"
            " ARRAY[NULL::float8], ARRAY[NULL::float8])",
            [unreadable],
        )
    rows = db.execute("SELECT q.read_at FROM ops.quarantine AS q").fetchall()
    assert rows == [(None,)] * 6
