"""A question about one device reads its rows alone; efficiency is what plain Python makes of it."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import LiteralString

import pytest

from tests.support.charging import Link, Sums, by_bucket, keep_charging, linked_hours
from tests.support.fold import Reading
from tests.support.kept_charging import keep
from tests.support.ledger import copy_in, hours, new_device, settle
from tests.support.readings import NOW, Connection, link

HOUR = timedelta(hours=1)
DEVICES = 60
BEGIN = NOW.replace(hour=0, minute=0) - timedelta(days=2)
_READ = """
SELECT coalesce(sum(s.seq_tup_read + s.idx_tup_fetch), 0)::integer
FROM pg_stat_xact_all_tables AS s
INNER JOIN pg_class AS c ON c.oid = s.relid
-- a small one is rightly read as a whole: days, and what a day has that has just begun
WHERE (s.relname LIKE '%hyper%' OR s.relname LIKE 'charging%') AND c.reltuples > 1000
"""


def fill(
    db: Connection, begin: datetime, devices: int, minutes: int = 10, until: datetime = NOW
) -> None:
    """A reading of each meter and vehicle so often, no two of the same energy."""
    for kind in ("meter", "vehicle"):
        db.execute(
            f"INSERT INTO telemetry.{kind}_reading ({kind}_id, ts, energy_mwh)"
            " SELECT %s || '-' || d, t, extract(EPOCH FROM t)::bigint / 60 %% 7919 * 100 + d"
            " FROM generate_series(1, %s) AS d,"
            " generate_series(%s::timestamptz, %s, %s * INTERVAL '1 minute') AS t",
            [kind[0].upper(), devices, begin, until, minutes],
        )


def refresh(db: Connection) -> None:
    """As far as the policies go: hours up to an hour ago, days up to yesterday."""
    # energy counts where it was read: nothing waits to be settled
    db.execute("DELETE FROM telemetry.settle_queue")
    db.execute("CALL ops.refresh(%s, now())", [NOW - timedelta(days=10)])
    db.execute("ANALYZE")


QUESTIONS: dict[str, LiteralString] = {
    "performance": "SELECT * FROM api.performance('V-1', %(since)s, %(until)s)",
    "hourly performance": "SELECT * FROM api.performance_hourly('V-1', %(since)s, %(until)s)",
    **{
        f"{relation}{since}": f"SELECT * FROM bi.{relation} AS r WHERE r.{device}{since}"
        for relation, device in (
            ("meter_energy_hourly", "meter_id = 'M-1'"),
            ("meter_energy_daily", "meter_id = 'M-1'"),
            ("vehicle_energy_hourly", "vehicle_id = 'V-1'"),
            ("vehicle_energy_daily", "vehicle_id = 'V-1'"),
            ("charging_efficiency_hourly", "vehicle_id = 'V-1'"),
            ("charging_efficiency_daily", "vehicle_id = 'V-1'"),
        )
        for since in ("", " AND r.bucket >= %(midnight)s")
    },
    "meter_energy_monthly": "SELECT * FROM bi.meter_energy_monthly AS r WHERE r.meter_id = 'M-1'",
    "vehicle_energy_monthly": (
        "SELECT * FROM bi.vehicle_energy_monthly AS r WHERE r.vehicle_id = 'V-1'"
    ),
}


@pytest.mark.slow_on_webassembly
def test_what_is_asked_of_one_device_reads_no_more_rows_than_it_has_readings(
    db: Connection,
) -> None:
    # the same at any time of day: next to midnight, days on both sides of it are looked at
    until = NOW.replace(hour=20, minute=20) - timedelta(days=1)
    begin = until.replace(hour=0, minute=0) - timedelta(days=2)
    window = {"since": until - 24 * HOUR, "until": until, "midnight": begin + 24 * HOUR}
    fill(db, begin, DEVICES, until=until)
    for number in range(3, DEVICES + 1):
        link(db, f"V-{number}", f"M-{number}")
    # it has two meters in turns, and changes them within hours
    link(db, "V-1", "M-1", None, begin + timedelta(hours=30, minutes=20))
    link(db, "V-1", "M-2", begin + timedelta(hours=30, minutes=20), until - timedelta(minutes=90))
    link(db, "V-1", "M-1", until - timedelta(minutes=90))
    refresh(db)
    keep(db)
    db.execute("ANALYZE")
    readings = db.execute(
        "SELECT count(*) FROM telemetry.meter_reading AS m WHERE m.meter_id = 'M-1'"
    ).fetchone()
    assert readings is not None
    db.execute("SET max_parallel_workers_per_gather = 0")  # whose reads would not be counted here
    read: dict[str, int] = {}
    for name, question in QUESTIONS.items():
        # more often than PostgreSQL plans with the values at hand
        for _ in range(7):
            with db.transaction():
                before = db.execute(_READ).fetchone()
                assert db.execute(question, window).fetchall()
                after = db.execute(_READ).fetchone()
            assert before is not None
            assert after is not None
            read[name] = max(read.get(name, 0), after[0] - before[0])
    # of the vehicle, and of as many meters as it has had
    assert {name: rows for name, rows in read.items() if rows > 3 * readings[0]} == {}
    assert all(rows for name, rows in read.items() if "performance" in name or "hourly" in name)


@pytest.mark.slow_on_webassembly
def test_what_is_asked_of_a_device_that_was_never_settled_reads_no_older_history(
    db: Connection,
) -> None:
    device = new_device()
    # a minute after midnight, and each minute since: 60 kWh per hour, and 4 hours without readings
    midnight = NOW.replace(hour=0, minute=0, second=0, microsecond=0) - timedelta(days=1)
    begin = midnight - timedelta(days=5) + timedelta(minutes=1)
    times = [begin + timedelta(minutes=n) for n in range(6 * 24 * 60)]
    gap = (midnight - 2 * HOUR, midnight + 2 * HOUR)
    readings = [Reading(ts, n * 10**6) for n, ts in enumerate(times, 1) if not gap[0] < ts < gap[1]]
    copy_in(db, device, readings)
    db.execute("UPDATE telemetry.settle_queue SET due_at = now()")
    db.execute("ANALYZE")
    question = "SELECT telemetry.provisional_mwh('meter_reading', %s, %s, %s)"
    window = [device.device_id, midnight, midnight + 12 * HOUR]
    with db.transaction():
        before = db.execute(_READ).fetchone()
        found = db.execute(question, window).fetchone()
        after = db.execute(_READ).fetchone()
    assert before is not None
    assert after is not None
    # by the index two days of six, each looked at once
    assert 0 < after[0] - before[0] < 3.5 * 24 * 60
    settle(db)
    assert db.execute(question, window).fetchone() == (0,)
    placed = hours(db, device)
    assert placed[midnight] == 60 * 10**6
    # no energy was taken for a register when it was copied in
    assert found == (sum(placed[midnight + n * HOUR] for n in range(12)),)


@pytest.mark.slow_on_webassembly
def test_efficiency_is_what_plain_python_makes_of_readings_and_links(db: Connection) -> None:
    fill(db, BEGIN, 4, minutes=7)
    changes = [
        BEGIN + timedelta(minutes=minutes)
        for minutes in (
            *(10, 25, 40, 60),  # within an hour, and on the hour
            *(9 * 60 + 5, 13 * 60 + 59, 21 * 60),  # several on one day
            24 * 60,  # at midnight
            2 * 24 * 60 - 1,  # just before another
            2 * 24 * 60 + 3,  # on the day that is not over
        )
    ]
    stretches = list(zip([None, *changes], [*changes, None], strict=True))
    for number, (since, until) in enumerate(stretches):
        link(db, "V-1", f"M-{number % 3 + 1}", since, until)
        # one is not linked all the time
        if number % 2:
            link(db, "V-2", f"M-{(number + 1) % 3 + 1}", since, until)
    link(db, "V-4", "M-4")
    assert_plain(db)
    # what comes late, and a link that was forgotten
    link(db, "V-3", "M-2", BEGIN - 30 * HOUR, BEGIN - 26 * HOUR - timedelta(minutes=10))
    db.execute(
        "INSERT INTO telemetry.meter_reading (meter_id, ts, energy_mwh)"
        " SELECT 'M-' || d, %s::timestamptz + n * INTERVAL '11 minutes', 1000 + n"
        " FROM generate_series(1, 4) AS d, generate_series(0, 400) AS n",
        [BEGIN - 31 * HOUR + timedelta(seconds=1)],
    )
    refresh(db)
    assert_plain(db)


def assert_plain(db: Connection) -> None:
    keep_charging(db)
    devices: list[dict[str, dict[datetime, int]]] = []
    for side in ("meter", "vehicle"):
        told: dict[str, dict[datetime, int]] = {}
        for device, ts, mwh in db.execute(
            f"SELECT r.{side}_id, r.ts, r.energy_mwh FROM telemetry.{side}_reading AS r"
            " WHERE r.entry = 0"
        ).fetchall():
            told.setdefault(device, {})[ts] = mwh
        devices.append(told)
    always = (BEGIN - timedelta(days=9), NOW + timedelta(days=1))
    links = [
        Link(vehicle, meter, since or always[0], until or always[1])
        for vehicle, meter, since, until in db.execute(
            "SELECT l.vehicle_id, l.meter_id, l.linked_since, l.linked_until"
            " FROM bi.charging_link AS l"
        ).fetchall()
    ]
    expected = linked_hours(links, *devices)
    for grain in ("hourly", "daily", "monthly"):
        shown = db.execute(
            "SELECT e.vehicle_id, e.meter_id, e.bucket, (e.ac_kwh * 1000000)::bigint,"
            " (e.dc_kwh * 1000000)::bigint, e.meter_samples, e.vehicle_samples"
            f" FROM bi.charging_efficiency_{grain} AS e"
        ).fetchall()
        found = {(vehicle, meter, at): Sums(*sums) for vehicle, meter, at, *sums in shown}
        assert found
        assert found == by_bucket(expected, grain)
