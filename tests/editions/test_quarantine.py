"""The quarantine on both editions: bounded for each key, sent again, and stored when due."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from tests.support.quarantine import (
    Refused,
    allow_ahead,
    assert_counted,
    bound,
    keep,
    kept,
    malformed,
    replay,
    replay_due,
)
from tests.support.readings import Connection, meter_history, vehicle_history

AHEAD = datetime.now(UTC) + timedelta(hours=1)


def ahead(number: int) -> Refused:
    """A reading of a meter whose time comes in an hour."""
    return Refused(number, "future", device_id=f"M-{number}", read_at=AHEAD)


def test_a_flood_removes_its_own_oldest(db: Connection) -> None:
    bound(db, max_bytes_per_key=1_000)
    keep(db, malformed(b"x" * 100, 0), key_id="other")
    for number in range(20):
        keep(db, malformed(b"x" * 100, number), key_id="flood")
    assert kept(db) == {"other": [0], "flood": list(range(10, 20))}
    assert_counted(db)


def test_refused_readings_are_sent_again_in_pieces(db: Connection) -> None:
    keep(db, *[Refused(n, device_id=f"M-{n}", energy_kwh=1500.0) for n in range(5)])
    assert replay(db, most=2) == ["out_of_range"] * 2
    db.execute("UPDATE telemetry.limits SET maximum = 2000")
    db.execute("CALL ops.replay_quarantine_in_pieces(reason => 'out_of_range', piece => 2)")
    assert len(meter_history(db)) == 5
    assert replay(db) == []
    # whoever called it is who they were
    assert db.execute("SELECT current_user = session_user").fetchone() == (True,)


def test_what_is_due_is_stored(db: Connection) -> None:
    vehicle = ahead(3)._replace(
        dataset="vehicle_reading", device_id="V-1", voltage_v=None, soc_percent=80.0
    )
    keep(db, ahead(1), ahead(2), vehicle, ahead(1)._replace(energy_kwh=9.0))
    assert replay_due(db) == (0, 0, 0)
    allow_ahead(db, "2 hours")
    assert replay_due(db) == (3, 0, 1)
    assert replay_due(db) == (0, 0, 0)
    assert [row[0] for row in meter_history(db)] == ["M-1", "M-2"]
    assert [row[0] for row in vehicle_history(db)] == ["V-1"]


@pytest.mark.parametrize("role", ["wattledger_dba", None])
def test_maintenance_stores_what_is_due(db: Connection, role: str | None) -> None:
    keep(db, *[ahead(n) for n in range(3)])
    allow_ahead(db, "2 hours")
    told: list[str] = []
    db.add_notice_handler(lambda notice: told.append(notice.message_primary or ""))
    if role:
        db.execute(f"SET ROLE {role}")
    db.execute("CALL ops.maintain()")
    assert db.execute("SELECT current_user = coalesce(%s, session_user)", [role]).fetchone() == (
        True,
    )
    db.execute("RESET ROLE")
    assert "of readings whose time has come: 3 accepted, 0 duplicates, 0 refused" in told
    assert len(meter_history(db)) == 3
