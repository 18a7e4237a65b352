"""What analysts filter charging by reaches an index, however much of it is kept."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import psycopg
import pytest

from tests.support.readings import Connection
from tests.support.server import Server

VEHICLE = "vehicle_id = 'V-1'"
METER = "meter_id = 'M-1'"
DAY_START = "((day)::timestamp without time zone AT TIME ZONE 'UTC'::text)"
SINCE = "'2026-01-01 00:00:00+00'::timestamp with time zone"
UNTIL = "'2026-02-01 00:00:00+00'::timestamp with time zone"


def fill(connection: Connection) -> None:
    """Twenty vehicles that move between as many meters each day of four months."""
    connection.execute(
        "INSERT INTO telemetry.charging_part (meter_id, hour, since, until, vehicle_id, ac_mwh,"
        " ac_matched_mwh, dc_mwh, dc_matched_mwh, active_us, matched_us)"
        " SELECT 'M-' || m, h, h, h + INTERVAL '1 hour',"
        " CASE WHEN extract(HOUR FROM h AT TIME ZONE 'UTC') < 12"
        " THEN 'V-' || (m + extract(DAY FROM h AT TIME ZONE 'UTC')::integer) % 20 ELSE '' END,"
        " 7000000, 7000000, 6300000, 6300000, 3600000000, 3600000000"
        " FROM generate_series(0, 19) AS m, generate_series('2026-01-01 00:00+00'::timestamptz,"
        " '2026-04-30 23:00+00', '1 hour') AS h"
    )
    connection.execute(
        "SELECT telemetry.keep_charging_days('M-' || m, '2026-01-01', '2026-04-30')"
        " FROM generate_series(0, 19) AS m"
    )
    connection.execute("ANALYZE telemetry.charging_part, telemetry.charging_day")


@pytest.fixture(scope="module")
def filled_url(database_server: Server) -> Iterator[str]:
    with database_server.clone_filled(fill) as url:
        yield url


@pytest.fixture
def months(filled_url: str) -> Iterator[Connection]:
    with psycopg.connect(filled_url, autocommit=True) as connection:
        connection.execute("SET timezone = 'UTC'; SET max_parallel_workers_per_gather = 0")
        yield connection


@pytest.fixture
def planned(months: Connection) -> Connection:
    """The same, planned as if its tables were too large to be read as a whole."""
    months.execute("SET enable_seqscan = off")
    return months


def conditions(connection: Connection, query: str) -> str:
    """All conditions that indexes are searched by."""
    (plan,) = connection.execute(f"EXPLAIN (FORMAT JSON) {query}").fetchone() or (None,)
    assert plan is not None

    def walk(node: dict[str, Any]) -> Iterator[str]:
        yield node.get("Index Cond", "")
        for inner in node.get("Plans", []):
            yield from walk(inner)

    return " ".join(walk(plan[0]["Plan"]))


def between(column: str, moment: str) -> tuple[str, str]:
    """A filter on a column, and what an index is searched by for it."""
    return (
        f"{column} >= {SINCE} AND {column} < {UNTIL}",
        f"(({moment} >= {SINCE}) AND ({moment} < {UNTIL}))",
    )


@pytest.mark.parametrize(
    ("relation", "asked", "expected"),
    [
        ("charging_efficiency_hourly", VEHICLE, "vehicle_id = 'V-1'::text"),
        ("charging_efficiency_hourly", *between("bucket", "hour")),
        ("charging_efficiency_daily", VEHICLE, "vehicle_id = 'V-1'::text"),
        ("charging_efficiency_daily", *between("bucket", DAY_START)),
        ("charging_efficiency_monthly", VEHICLE, "vehicle_id = 'V-1'::text"),
        ("fleet_efficiency_daily", *between("bucket", DAY_START)),
        ("meter_efficiency_daily", METER, "meter_id = 'M-1'::text"),
        ("meter_efficiency_daily", *between("bucket", DAY_START)),
        ("unlinked_energy_daily", METER, "meter_id = 'M-1'::text"),
        ("unlinked_energy_daily", *between("bucket", DAY_START)),
        ("charging_session", METER, "meter_id = 'M-1'::text"),
        ("charging_session", *between("started_at", "started_at")),
        ("vehicle", VEHICLE, "vehicle_id = 'V-1'::text"),
        ("meter", METER, "meter_id = 'M-1'::text"),
        ("charging_link", VEHICLE, "vehicle_id = 'V-1'::text"),
    ],
)
def test_a_filter_reaches_an_index(
    planned: Connection, relation: str, asked: str, expected: str
) -> None:
    assert expected in conditions(planned, f"SELECT * FROM bi.{relation} WHERE {asked}")


def test_all_hours_of_a_vehicle_in_a_month_are_one_range_of_an_index(planned: Connection) -> None:
    asked, hours = between("bucket", "hour")
    found = conditions(
        planned, f"SELECT * FROM bi.charging_efficiency_hourly WHERE {VEHICLE} AND {asked}"
    )
    assert f"(vehicle_id = 'V-1'::text) AND {hours[1:-1]})" in found


def read(connection: Connection, query: str) -> int:
    """How many rows of tables a query looks at."""
    (plan,) = connection.execute(f"EXPLAIN (ANALYZE, FORMAT JSON) {query}").fetchone() or (None,)
    assert plan is not None

    def walk(node: dict[str, Any]) -> Iterator[int]:
        if "Relation Name" in node:
            rows = node["Actual Rows"] + node.get("Rows Removed by Filter", 0)
            yield int(rows * node["Actual Loops"])
        for inner in node.get("Plans", []):
            yield from walk(inner)

    return sum(walk(plan[0]["Plan"]))


def test_a_first_look_and_a_vehicles_month_read_little(months: Connection) -> None:
    hours = "SELECT * FROM bi.charging_efficiency_hourly"
    assert read(months, f"{hours} LIMIT 100") < 500
    month = f"bucket >= {SINCE} AND bucket < {UNTIL}"
    # twelve hours of each of 31 days, and the rules
    assert read(months, f"{hours} WHERE {VEHICLE} AND {month}") == 31 * 12 + 1
    days = "SELECT * FROM bi.charging_efficiency_daily"
    assert read(months, f"{days} WHERE {VEHICLE} AND {month}") < 31 * 12
