"""A long queue of what is to be settled costs no more per device than a short one."""

from __future__ import annotations

import pytest

from tests.support.fold import Reading
from tests.support.ledger import new_device, send
from tests.support.readings import NOW, Connection

QUEUED = 5_000


def scans(connection: Connection) -> int:
    connection.execute("SELECT pg_stat_force_next_flush()")
    row = connection.execute(
        "SELECT sum(s.seq_scan) FROM pg_stat_user_tables AS s"
        " WHERE s.relid IN ('telemetry.settle_queue'::regclass, 'telemetry.settled_day'::regclass)"
    ).fetchone()
    assert row is not None
    return int(row[0])


@pytest.mark.parametrize("only", [None, "meter_reading"])
def test_what_is_due_and_a_devices_days_are_found_by_index(
    connection: Connection, only: str | None
) -> None:
    device = new_device("meter")
    assert send(connection, device, [Reading(NOW, 10**9)]) == []
    connection.execute(
        "INSERT INTO telemetry.settle_queue (dataset, device_id, day, due_at)"
        " SELECT 'meter_reading', 'Q-' || i, %(day)s, now() + make_interval(secs => i - %(half)s)"
        " FROM generate_series(1, %(count)s) AS i",
        {"day": NOW.date(), "half": QUEUED // 2, "count": QUEUED},
    )
    connection.execute(
        "INSERT INTO telemetry.settled_day (dataset, device_id, day, differences_mwh, carried_mwh,"
        " jitters, placed_since, is_final)"
        " SELECT 'meter_reading', 'D-' || i, %(day)s, 0, 0, 0, %(now)s, TRUE"
        " FROM generate_series(1, %(count)s) AS i",
        {"day": NOW.date(), "now": NOW, "count": QUEUED},
    )
    connection.execute(
        "UPDATE telemetry.settle_queue SET due_at = '-infinity' WHERE device_id = %s",
        [device.device_id],
    )
    connection.execute("VACUUM ANALYZE telemetry.settle_queue, telemetry.settled_day")
    before = scans(connection)
    for _ in range(4):
        connection.execute("SELECT * FROM telemetry.settle_due(%s, 5, now(), FALSE)", [only])
    assert scans(connection) == before
    left = "SELECT FROM telemetry.settle_queue AS q WHERE q.device_id = %s"
    assert connection.execute(left, [device.device_id]).fetchone() is None
