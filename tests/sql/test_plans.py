"""Queries touch what they need: states by key, readings by index in the window's chunks alone."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, timedelta
from typing import Any

import psycopg
import pytest

from tests.support.readings import NOW, Connection, link
from tests.support.server import Server

DAYS = 40
DEVICES = 40


def fill(connection: Connection) -> None:
    """Some hundred thousand readings of forty days, a chunk a day, with statistics."""
    for table, column, prefix in (
        ("meter_reading", "meter_id", "M"),
        ("vehicle_reading", "vehicle_id", "V"),
    ):
        connection.execute(
            f"INSERT INTO telemetry.{table} ({column}, ts, energy_mwh)"
            " SELECT %s || '-' || d, t, 1000"
            " FROM generate_series(1, %s) AS d,"
            " generate_series(%s::timestamptz, %s, '20 minutes') AS t",
            [prefix, DEVICES, NOW - timedelta(days=DAYS), NOW],
        )
        # many more devices, of which only the state matters here, and that a day which has just
        # begun has enough readings to be looked up by an index
        for first, last, at in (
            (DEVICES + 1, 4000, NOW),
            (4001, 20000, NOW - timedelta(days=DAYS + 20)),
        ):
            connection.execute(
                f"INSERT INTO telemetry.{table} ({column}, ts, energy_mwh)"
                " SELECT %s || '-' || d, %s, 1000 FROM generate_series(%s::integer, %s) AS d",
                [prefix, at, first, last],
            )
        connection.execute(
            "INSERT INTO telemetry.register_event (dataset, device_id, happened_at, event,"
            " source_day, booked_mwh, explained_mwh, is_final)"
            " SELECT %s, %s || '-' || d, %s, 'reset', %s, 0, 0, true"
            " FROM generate_series(1, 20000) AS d",
            [table, prefix, NOW, NOW.date()],
        )
    link(connection, "V-1", "M-1", NOW - timedelta(days=30), NOW - timedelta(hours=5))
    link(connection, "V-1", "M-2", NOW - timedelta(hours=5))
    # energy counts where it was read: nothing waits to be settled
    connection.execute("DELETE FROM telemetry.settle_queue")
    # what the scheduler of the Community edition has done by then
    connection.execute("CALL ops.refresh(%s, now())", [NOW - timedelta(days=DAYS + 20)])
    # nothing waits to be settled
    connection.execute("DELETE FROM telemetry.settle_queue")
    connection.execute("ANALYZE")


def fill_sessions(connection: Connection) -> None:
    """Tens of thousands of sessions, at meters that two vehicles share in turn."""
    connection.execute(
        "INSERT INTO telemetry.charging_session (meter_id, started_at, vehicle_id, ended_at,"
        " ac_mwh, ac_matched_mwh, dc_mwh, dc_matched_mwh, matched_us, active_us)"
        " SELECT 'S-' || v / 2, t, 'L-' || v, t + INTERVAL '40 minutes',"
        " 7000000, 7000000, 6300000, 6300000, 2400000000, 2400000000"
        " FROM generate_series(0, 399) AS v, generate_series(0, 99) AS n,"
        " LATERAL (SELECT %s::timestamptz - (n * 20 + v %% 20) * INTERVAL '1 hour') AS a (t)",
        [NOW],
    )
    connection.execute("ANALYZE")


def fill_links(connection: Connection) -> None:
    """Thousands of links, with statistics."""
    # chargers that twenty vehicles share in turn
    connection.execute(
        "INSERT INTO telemetry.charging_link (vehicle_id, meter_id, during)"
        " SELECT 'L-' || v, 'S-' || v / 20, tstzrange(t, t + INTERVAL '1 hour')"
        " FROM generate_series(0, 399) AS v, generate_series(0, 19) AS n,"
        " LATERAL (SELECT %s::timestamptz - (n * 20 + v %% 20) * INTERVAL '1 hour')"
        " AS a (t)",
        [NOW],
    )
    connection.execute("ANALYZE")


@pytest.fixture(scope="module")
def filled_url(database_server: Server) -> Iterator[str]:
    with database_server.clone_filled(fill) as url:
        yield url


@pytest.fixture(scope="module")
def charged_url(database_server: Server) -> Iterator[str]:
    with database_server.clone_filled(fill_sessions) as url:
        yield url


@pytest.fixture(scope="module")
def linked_url(database_server: Server) -> Iterator[str]:
    with database_server.clone_filled(fill_links) as url:
        yield url


@contextmanager
def explaining(url: str) -> Iterator[Connection]:
    """Connect, and be told the plan of each statement, inside functions too."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("LOAD 'auto_explain'")
        for setting, value in (
            ("auto_explain.log_min_duration", "0"),
            ("auto_explain.log_analyze", "on"),
            ("auto_explain.log_nested_statements", "on"),
            ("auto_explain.log_format", "json"),
            ("auto_explain.log_level", "notice"),
        ):
            connection.execute("SELECT set_config(%s, %s, false)", [setting, value])
        yield connection


@pytest.fixture
def filled(filled_url: str) -> Iterator[Connection]:
    with explaining(filled_url) as connection:
        yield connection


@pytest.fixture
def charged(charged_url: str) -> Iterator[Connection]:
    with explaining(charged_url) as connection:
        yield connection


@pytest.fixture
def linked(linked_url: str) -> Iterator[Connection]:
    with explaining(linked_url) as connection:
        yield connection


def executed_nodes(connection: Connection, query: str, parameters: list) -> list[dict[str, Any]]:
    """Every plan node that ran while the query did, inside functions too."""
    return [node for node in planned_nodes(connection, query, parameters) if node["Actual Loops"]]


def planned_nodes(connection: Connection, query: str, parameters: list) -> list[dict[str, Any]]:
    """Every node of the plans that the query made, inside functions too."""
    plans: list[dict[str, Any]] = []

    def collect(notice: psycopg.errors.Diagnostic) -> None:
        text = notice.message_primary or ""
        if "plan:" in text:
            plans.append(json.loads(text.partition("plan:")[2])["Plan"])

    connection.add_notice_handler(collect)
    connection.execute(query, parameters).fetchall()
    connection.remove_notice_handler(collect)
    nodes: list[dict[str, Any]] = []

    def walk(node: dict[str, Any]) -> None:
        nodes.append(node)
        for child in node.get("Plans", []):
            walk(child)

    for plan in plans:
        walk(plan)
    assert nodes, "auto_explain reported no plan"
    return nodes


def chunk_scans(nodes: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [node for node in nodes if "_hyper_" in node.get("Relation Name", "")]


@pytest.mark.parametrize("kind", ["meter", "vehicle"])
def test_a_state_is_read_by_its_primary_key(filled: Connection, kind: str) -> None:
    device = f"{kind[0].upper()}-777"
    nodes = executed_nodes(filled, f"SELECT * FROM api.{kind}_state(%s)", [device])
    scans = [node for node in nodes if node.get("Relation Name") == f"{kind}_state"]
    assert [node["Index Name"] for node in scans] == [f"{kind}_state_pkey"]


@pytest.mark.parametrize("kind", ["meter", "vehicle"])
def test_a_page_of_states_reads_its_rows_alone_in_the_order_of_the_key(
    filled: Connection, kind: str
) -> None:
    nodes = executed_nodes(
        filled, f"SELECT * FROM api.{kind}_states(%s, 100)", [f"{kind[0].upper()}-5"]
    )
    (scan,) = [node for node in nodes if node.get("Relation Name") == f"{kind}_state"]
    assert scan["Index Name"] == f"{kind}_state_pkey"
    assert scan["Actual Rows"] == 100


@pytest.mark.parametrize("kind", ["meter", "vehicle"])
def test_events_of_a_page_of_states_are_found_by_index(filled: Connection, kind: str) -> None:
    query = f"SELECT * FROM api.{kind}_states(%s, 100)"
    nodes = executed_nodes(filled, query, [f"{kind[0].upper()}-5"])
    (scan,) = [node for node in nodes if node.get("Relation Name") == "register_event"]
    assert scan["Index Name"] == "register_event_pkey"
    assert all(f"{column} = " in scan["Index Cond"] for column in ("dataset", "device_id"))
    assert (scan["Actual Loops"], scan["Actual Rows"]) == (100, 1)


# more often than PostgreSQL plans with the values at hand, so that the generic plan is seen too
@pytest.mark.parametrize("repetitions", [1, 7])
# that of the day before too, where the reading is looked for since which the first one explains,
# and that of today, of which not all is kept yet
@pytest.mark.parametrize(("hours", "chunks"), [(24, 4), (72, 6), (1, 3)])
def test_performance_plans_and_scans_by_index_the_chunks_of_its_window_alone(
    filled: Connection, repetitions: int, hours: int, chunks: int
) -> None:
    # half past, so that an hour is divided and its readings are looked at; and of yesterday's
    # noon: next to midnight, days on both sides of it are looked at
    until = NOW.replace(hour=12, minute=30) - timedelta(days=1)
    arguments = ["V-1", until - timedelta(hours=hours), until]
    for _ in range(repetitions):
        # to plan for all chunks takes long, even where the scans are left out later
        nodes = planned_nodes(filled, "SELECT * FROM api.performance(%s, %s, %s)", arguments)
    scans = chunk_scans(nodes)
    assert scans
    assert {node["Node Type"] for node in scans} <= {
        "Index Scan",
        "Index Only Scan",
        "Bitmap Heap Scan",
    }
    for prefix in ("_hyper_1_", "_hyper_2_"):
        touched = {n["Relation Name"] for n in scans if n["Relation Name"].startswith(prefix)}
        assert 1 <= len(touched) <= chunks


@pytest.mark.parametrize("repetitions", [1, 7])
@pytest.mark.parametrize("hours", [24, 72])
def test_hours_of_performance_scan_by_index_what_is_of_their_window_alone(
    filled: Connection, repetitions: int, hours: int
) -> None:
    until = (NOW - timedelta(minutes=30)).replace(minute=30)
    arguments = ["V-1", until - timedelta(hours=hours), until]
    for _ in range(repetitions):
        nodes = executed_nodes(
            filled, "SELECT * FROM api.performance_hourly(%s, %s, %s)", arguments
        )
    scans = chunk_scans(nodes)
    assert scans
    # of one device, whatever the fleet is
    assert {node["Node Type"] for node in scans} <= {
        "Index Scan",
        "Index Only Scan",
        "Bitmap Heap Scan",
    }
    assert max(node["Actual Rows"] for node in scans) <= 145
    for prefix in ("_hyper_1_", "_hyper_2_"):
        touched = {n["Relation Name"] for n in scans if n["Relation Name"].startswith(prefix)}
        assert 1 <= len(touched) <= hours // 24 + 2


@pytest.mark.parametrize("repetitions", [1, 7])
def test_a_duplicate_is_compared_by_index_in_its_chunk_alone(
    filled: Connection, repetitions: int
) -> None:
    for _ in range(repetitions):
        nodes = executed_nodes(
            filled,
            "SELECT * FROM api.ingest_meter_readings("
            "%s, %s::timestamptz[], NULL, %s, NULL, NULL, %s::float8[])",
            # a day of which all readings are there, whatever the time is now
            [["M-1"], [NOW - timedelta(days=DAYS - 2)], [0.001], [None]],
        )
    scans = chunk_scans(nodes)
    assert {node["Node Type"] for node in scans} <= {"Index Scan", "Index Only Scan"}
    assert len({node["Relation Name"] for node in scans}) == 1


# a midnight in India divides an hour, which only raw readings can
@pytest.mark.parametrize("repetitions", [1, 7])
@pytest.mark.parametrize("function", ["meter_energy", "vehicle_energy", "charging_efficiency"])
@pytest.mark.parametrize(
    ("zone", "days"), [("Europe/Berlin", 1), ("Europe/Berlin", 7), ("Asia/Kolkata", 1)]
)
def test_local_days_plan_for_the_chunks_that_hold_them_alone(
    filled: Connection, function: str, zone: str, days: int, repetitions: int
) -> None:
    last = NOW.date() - timedelta(days=10)
    first = last - timedelta(days=days - 1)
    for _ in range(repetitions):
        nodes = planned_nodes(
            filled, f"SELECT * FROM bi.{function}_local_daily(%s, %s, %s)", [zone, first, last]
        )
    scans = chunk_scans(nodes)
    # what is kept of charging is not in chunks
    assert bool(scans) == (function != "charging_efficiency")
    for side in ("meter", "vehicle"):
        if function != f"{side}_energy":
            continue
        midnights = [first, last + timedelta(days=1)]
        divided = midnights if zone == "Asia/Kolkata" else []
        planned = {node["Relation Name"] for node in scans}
        assert planned & chunk_names(filled, f"{side}_energy_hourly") == holding_chunks(
            filled, f"{side}_energy_hourly", zone, *midnights
        )
        readings = chunk_names(filled, f"{side}_reading")
        assert planned & readings == {
            chunk
            for midnight in divided
            for chunk in holding_chunks(filled, f"{side}_reading", zone, midnight, midnight)
        }
        # by device, not all of a chunk
        assert {node["Node Type"] for node in scans if node["Relation Name"] in readings} <= {
            "Index Scan",
            "Index Only Scan",
            "Bitmap Heap Scan",
        }


def chunk_names(connection: Connection, hypertable: str) -> set[str]:
    return {
        name
        for (name,) in connection.execute(
            "SELECT c.chunk_name FROM timescaledb_information.chunks AS c"
            " WHERE c.hypertable_name = %s",
            [hypertable],
        )
    }


def holding_chunks(
    connection: Connection, hypertable: str, zone: str, first: date, end: date
) -> set[str]:
    """The chunks that the time from one local midnight to another is in, ends included."""
    return {
        name
        for (name,) in connection.execute(
            "SELECT c.chunk_name FROM timescaledb_information.chunks AS c"
            " WHERE c.hypertable_name = %(hypertable)s"
            " AND c.range_start <= %(end)s::timestamp AT TIME ZONE %(zone)s"
            " AND c.range_end > %(first)s::timestamp AT TIME ZONE %(zone)s",
            {"hypertable": hypertable, "zone": zone, "first": first, "end": end},
        )
    }


def link_scans(nodes: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [
        node
        for node in nodes
        if node.get("Relation Name") == "charging_link"
        or node.get("Index Name", "").startswith(("charging_link", "vehicle_on_", "meter_on_"))
    ]


# the vehicle, the meter, the vehicle that the page before ended with, and how many rows are read
@pytest.mark.parametrize(
    ("vehicle", "meter", "after", "rows"),
    [
        (None, None, None, 10),
        (None, None, "L-397", 10),
        ("L-7", None, None, 10),
        ("L-7", None, "L-7", 10),
        (None, "S-3", None, 10),
        (None, "S-3", "L-65", 10),
        ("L-7", "S-0", None, 10),
        ("L-7", "S-3", None, 20),  # none is, of either as many as there are
    ],
)
@pytest.mark.parametrize("repetitions", [1, 7])
def test_a_page_of_links_reads_its_rows_alone_in_the_order_of_an_index(
    linked: Connection,
    vehicle: str | None,
    meter: str | None,
    after: str | None,
    rows: int,
    repetitions: int,
) -> None:
    for _ in range(repetitions):
        nodes = executed_nodes(
            linked,
            "SELECT * FROM api.charging_links(%s, %s, %s, NULL, 10)",
            [vehicle, meter, after],
        )
    assert "Sort" not in {node["Node Type"] for node in nodes}
    (scan,) = link_scans(nodes)
    assert scan["Node Type"] == "Index Scan"
    assert scan["Actual Rows"] + scan.get("Rows Removed by Filter", 0) <= rows
    assert scan.get("Rows Removed by Index Recheck", 0) == 0


@pytest.mark.parametrize("repetitions", [1, 7])
@pytest.mark.parametrize(
    ("vehicle", "meter", "days"),
    [
        (None, None, None),
        (None, None, 40),
        ("L-7", None, None),
        ("L-7", None, 40),
        (None, "S-3", None),
        (None, "S-3", 40),
        ("L-7", "S-3", 40),
    ],
)
def test_a_page_of_sessions_reads_little_more_than_its_rows_by_an_index(
    charged: Connection, vehicle: str | None, meter: str | None, days: int | None, repetitions: int
) -> None:
    since = None if days is None else NOW - timedelta(days=days)
    for _ in range(repetitions):
        nodes = executed_nodes(
            charged,
            "SELECT * FROM api.charging_sessions(%s, %s, %s, page_size => 10)",
            [vehicle, meter, since],
        )
    (scan,) = [node for node in nodes if node.get("Relation Name") == "charging_session"]
    assert scan["Node Type"] in ("Index Scan", "Bitmap Heap Scan")
    # those that start at the same time are sorted by their meters
    assert scan["Actual Rows"] + scan.get("Rows Removed by Filter", 0) <= 60


@pytest.mark.parametrize("repetitions", [1, 7])
def test_changing_a_link_reads_those_of_its_vehicle_and_its_meter_alone(
    linked: Connection, repetitions: int
) -> None:
    linked.autocommit = False
    for statement, arguments in (
        (
            "SELECT api.put_charging_link(%s, %s, %s, %s)",
            ["L-7", "S-0", NOW + timedelta(hours=2), None],
        ),
        (
            "SELECT api.put_charging_link(%s, %s, %s, %s, replace => TRUE)",
            ["L-7", "S-3", NOW - timedelta(hours=9), NOW],
        ),
        ("SELECT * FROM api.end_charging_link(%s, %s)", ["L-9", NOW - timedelta(hours=9)]),
    ):
        for _ in range(repetitions):
            nodes = executed_nodes(linked, statement, arguments)
            linked.rollback()
            linked.execute("LOAD 'auto_explain'")
        scans = [node for node in link_scans(nodes) if "Scan" in node["Node Type"]]
        assert scans
        assert {node["Node Type"] for node in scans} <= {
            "Index Scan",
            "Index Only Scan",
            "Bitmap Heap Scan",
            "Bitmap Index Scan",
        }
        for scan in scans:
            assert scan["Actual Rows"] + scan.get("Rows Removed by Filter", 0) <= 40
