"""Whatever time zone a session has, bi, api and ops show the same."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import product
from typing import Any

import pytest

from tests.editions.test_bi_client import RELATIONS
from tests.support.charging import keep_charging
from tests.support.readings import Connection, link

ZONES = ["Europe/Berlin", "Asia/Kathmandu", "America/Los_Angeles"]
# around the changes of clocks in Berlin and in Los Angeles, to and from daylight saving time
DAYS = [datetime(*day, tzinfo=UTC) for day in ((2025, 10, 25), (2025, 11, 1), (2026, 3, 7))]
DAYS.append(datetime(2026, 3, 28, tzinfo=UTC))
LINKED = timedelta(hours=36)
QUERIES = [
    *(f"SELECT * FROM bi.{relation} ORDER BY 1, 2, 3" for relation in RELATIONS),
    *(
        f"SELECT * FROM bi.{name}_local_daily('Europe/Berlin', '2025-10-01', '2026-04-01')"
        " ORDER BY 1, 2"
        for name in ("meter_energy", "vehicle_energy", "charging_efficiency")
    ),
    "SELECT * FROM telemetry.link_span ORDER BY 1, 3",
    "SELECT * FROM api.performance('V-1', '2025-10-25 00:00+00', '2025-10-27 00:00+00')",
    "SELECT * FROM api.performance('V-1', NULL, '2026-03-29 12:00+00')",
    "SELECT * FROM api.performance_hourly('V-1', '2025-10-25 00:00+00', '2026-04-01 00:00+00')",
    "SELECT * FROM ops.verify('-infinity')",
    "SELECT * FROM ops.verify()",
    "SELECT * FROM ops.jobs ORDER BY 2, 3",
    "SELECT * FROM ops.policies ORDER BY 1",
]


@pytest.fixture
def filled(db: Connection) -> Iterator[Connection]:
    """Energy every hour for days on which clocks change, links for 36 hours of each. One
    transaction, so that it is the same moment for all that is asked."""
    with db.transaction(force_rollback=True):
        db.execute("UPDATE telemetry.dataset SET keep = NULL, complete_since = '-infinity'")
        for day in DAYS:
            for kind, energy in (("meter", 10_000_000), ("vehicle", 9_000_000)):
                db.execute(
                    f"INSERT INTO telemetry.{kind}_reading ({kind}_id, ts, energy_mwh)"
                    " SELECT %s, t, %s FROM generate_series("
                    "%s::timestamptz, %s::timestamptz, '1 hour') AS t",
                    [f"{kind[0].upper()}-1", energy, day, day + timedelta(hours=71)],
                )
            link(db, "V-1", "M-1", day, day + LINKED)
            keep_charging(db, day - timedelta(days=1), day + timedelta(days=4))
        # so that there is something to say of it, with its time
        db.execute("UPDATE telemetry.meter_state SET energy_mwh = 1")
        db.execute(
            "UPDATE telemetry.vehicle_state SET energy_mwh = 1,"
            " ts = (SELECT min(ts) FROM telemetry.vehicle_reading)"
        )
        yield db


def answers(db: Connection, zone: str) -> dict[str, list[Any]]:
    db.execute("SELECT set_config('timezone', %s, true)", [zone])
    return {
        query: [tuple(map(in_utc, row)) for row in db.execute(query).fetchall()]
        for query in QUERIES
    }


def in_utc(value: Any) -> Any:
    """Moments in one zone: Python compares those of two zones by other rules."""
    return value.astimezone(UTC) if isinstance(value, datetime) else value


@pytest.mark.slow_on_webassembly
def test_every_answer_is_the_same_in_every_time_zone_of_a_session(filled: Connection) -> None:
    expected = answers(filled, "UTC")
    assert len(expected["SELECT * FROM ops.verify('-infinity')"]) == 2
    for zone in ZONES:
        for query, found in answers(filled, zone).items():
            assert found == expected[query], (zone, query)


def test_a_link_over_a_change_of_clocks_has_the_energy_of_its_hours(filled: Connection) -> None:
    for zone, day in product(ZONES, DAYS):
        filled.execute("SELECT set_config('timezone', %s, true)", [zone])
        rows = filled.execute(
            "SELECT e.day, e.ac_kwh, e.dc_kwh, e.charging_hours"
            " FROM bi.charging_efficiency_daily AS e WHERE e.bucket BETWEEN %s AND %s"
            " ORDER BY e.day",
            [day, day + LINKED],
        ).fetchall()
        assert (zone, rows) == (
            zone,
            [
                (day.date(), 240, 216, 24),
                (day.date() + timedelta(days=1), 120, 108, 12),
            ],
        )


@pytest.mark.parametrize("zone", ["UTC", *ZONES])
def test_days_of_24_hours_are_told_from_days_of_the_session(db: Connection, zone: str) -> None:
    """Each day of a year, so that every change of clocks is among them."""
    db.execute("SELECT set_config('timezone', %s, false)", [zone])
    rows = db.execute(
        "SELECT m, telemetry.floor_day(m + INTERVAL '1 second'), telemetry.ceiling_day(m),"
        " telemetry.ceiling_day(m - INTERVAL '1 second'),"
        " m - telemetry.utc_minus(m, INTERVAL '1 day')"
        " FROM (SELECT (d AT TIME ZONE 'UTC') FROM generate_series("
        "'2026-01-01'::timestamp, '2026-12-31', '1 day') AS d) AS x (m)"
    ).fetchall()
    assert len(rows) == 365
    for moment, floor, ceiling, next_midnight, day in rows:
        assert floor == ceiling == next_midnight == moment
        assert day == timedelta(hours=24)


@pytest.mark.parametrize("days", [60, 120, 180, 240])
def test_a_key_that_was_rotated_works_as_long_in_every_zone(db: Connection, days: int) -> None:
    """By days of 24 hours, whether clocks change until then or not."""
    found = set()
    for zone in ("UTC", *ZONES):
        with db.transaction(force_rollback=True):
            db.execute("SELECT set_config('timezone', %s, true)", [zone])
            row = db.execute("SELECT key_id FROM ops.create_key(scopes => '{read}')").fetchone()
            assert row is not None
            left = db.execute(
                "SELECT r.old_expires_at - now() FROM ops.rotate_key(%s, %s) AS r",
                [row[0], timedelta(days=days)],
            ).fetchone()
            assert left is not None
            found.add(left[0])
    assert found == {timedelta(days=days)}
