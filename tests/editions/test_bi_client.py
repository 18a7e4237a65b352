"""What a BI tool meets: a login that reads bi and nothing else, typed columns, comments."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import psycopg
import pytest

from tests.editions.test_efficiency import DAY, MINUTE, fill
from tests.support.charging import keep_charging
from tests.support.ledger import settle
from tests.support.readings import (
    Connection,
    MeterReading,
    VehicleReading,
    ingest_meters,
    ingest_vehicles,
    link,
)
from tests.support.server import Server, as_role

# each takes half a second to import: only where it is used, not in every worker
if TYPE_CHECKING:
    import sqlalchemy as sa

RELATIONS = [
    "alert",
    "alert_change",
    "alert_session",
    "charging_efficiency_daily",
    "charging_efficiency_hourly",
    "charging_efficiency_monthly",
    "charging_link",
    "charging_session",
    "fleet_efficiency_daily",
    "ledger_entry",
    "ledger_record",
    "meter",
    "meter_efficiency_daily",
    "meter_energy_daily",
    "meter_energy_hourly",
    "meter_energy_monthly",
    "meter_register_daily",
    "quarantine_daily",
    "register_event",
    "rule",
    "tariff",
    "unlinked_energy_daily",
    "vehicle",
    "vehicle_energy_daily",
    "vehicle_energy_hourly",
    "vehicle_energy_monthly",
    "vehicle_register_daily",
    "webhook_dead_letter",
    "webhook_delivery",
]
FUNCTIONS = [
    "charging_efficiency_local_daily",
    "meter_energy_local_daily",
    "vehicle_energy_local_daily",
]


# those that hold no energy
TEXTS = {
    "alert_change",
    "charging_link",
    "quarantine_daily",
    "webhook_dead_letter",
    "webhook_delivery",
}
OTHERS = {"rule", "tariff", *TEXTS}


def two_hours(db: Connection) -> None:
    # every column has a value somewhere: tools tell types by values
    link(db, since=DAY, until=DAY + timedelta(hours=47))
    link(db, "V-3", "M-3", DAY, DAY + timedelta(days=400))
    fill(db, DAY, 120)
    # a frozen one, and one that no vehicle is linked to
    fill(db, DAY, 120, meter="M-3", vehicle="V-3", dc_kwh=0)
    fill(db, DAY, 120, meter="M-4", dc_kwh=None)
    fill(db, DAY, 120, meter="M-6", dc_kwh=None)
    fill(db, DAY + timedelta(hours=3), 5, meter="M-4", ac_kwh=0.0001, dc_kwh=None)
    # and registers since the day before, one of which fell
    levels = list(enumerate([100.0, 100.5, 40.0, 41.5], -1))
    kind = "lifetime_register"
    ingest_meters(db, [MeterReading("M-2", DAY + i * MINUTE, n, kind=kind) for i, n in levels])
    ingest_vehicles(db, [VehicleReading("V-2", DAY + i * MINUTE, 9, kind=kind) for i, _ in levels])
    # a charge with registers that the devices named, and that others came before
    link(db, "V-5", "M-5", DAY)
    steps = [(DAY + i * MINUTE, i / 10, "lifetime_register", None, "T-1") for i in range(120)]
    ingest_meters(db, [MeterReading("M-5", ts, kwh, 230, *named) for ts, kwh, *named in steps])
    ingest_vehicles(
        db, [VehicleReading("V-5", ts, kwh, 80, 30, *named) for ts, kwh, *named in steps]
    )
    # of some meters it is told what a kWh costs, with an end
    for meter in ("M-1", "M-2", "M-4", "M-5"):
        db.execute(
            "SELECT ops.set_tariff('EUR', 'UTC', '2000-01-01', '0.3', 'a test', '2099-01-01', %s)",
            [meter],
        )
    ingest_vehicles(db, [VehicleReading("V-7", DAY + i * MINUTE, n, kind=kind) for i, n in levels])
    settle(db)
    records(db)
    settle(db)
    keep_charging(db)
    db.execute("UPDATE telemetry.charging_session SET usual_efficiency = 0.9")
    db.execute(
        "INSERT INTO telemetry.quarantine"
        " (received_at, reason, detail, content_type, raw, dataset, device_id)"
        " VALUES (%s, 'too_old', '?', 'text/plain', '', 'meter_reading', 'M-1')",
        [DAY],
    )
    db.execute(
        "INSERT INTO telemetry.charging_progress (dataset, device_id, seen_at, kept_at)"
        " VALUES ('meter_reading', 'M-1', now(), now()), ('vehicle_reading', 'V-1', now(), now())"
        " ON CONFLICT DO NOTHING"
    )
    alerts(db)
    for device in ("meter:M-1", "vehicle:V-1", "meter:M-2", "vehicle:V-2", "meter:M-4"):
        db.execute(
            "SELECT ops.set_device(%s, 'Box', 'Depot', '{all}', 'B-WL 1', 'Way 1', 'new', now())",
            [device],
        )


def records(db: Connection) -> None:
    """What people said of a vehicle, in all the ways there are."""
    db.execute(
        "SELECT ops.resolve_register_event('vehicle:V-7', %(day)s + INTERVAL '1 minute', 'book',"
        " 'a test', 2), ops.correct_reading('vehicle:V-7', %(day)s, 100.4, 'a test'),"
        " ops.exchange_meter('vehicle:V-7', %(day)s + INTERVAL '1 hour', 42, 0, 'a test'),"
        " ops.cancel_record("
        " ops.book_energy('vehicle:V-7', tstzrange(%(day)s, %(day)s, '[]'), 1, 'a test'),"
        " 'none')",
        {"day": DAY},
    )


def alerts(db: Connection) -> None:
    """Alerts of both sides and each state, and what two webhooks were told of them."""
    db.execute("UPDATE telemetry.rules SET alert_after = 1")
    for name in ("pager", "gone"):
        db.execute("SELECT ops.set_webhook(%s, 'https://example.org/')", [name])
    db.execute("SELECT telemetry.settle_alerts(1000)")
    db.execute(
        "SELECT telemetry.end_alert(a.alert_id, 'settled', now()),"
        " api.acknowledge_alert(a.alert_id)"
        " FROM telemetry.alert AS a WHERE a.kind = 'register'"
    )
    db.execute(
        "SELECT api.note_webhook_delivery(c.webhook_id, c.change_id, c.attempt,"
        " CASE c.webhook_id WHEN 'gone' THEN 410 ELSE 500 END, 'it is away')"
        " FROM api.claim_webhook_deliveries() AS c"
    )


def two_refreshed_hours(db: Connection) -> None:
    two_hours(db)
    db.execute("CALL ops.refresh(%s, now())", [DAY])


@pytest.fixture
def filled(url_filled_by: Callable[..., str]) -> Iterator[Connection]:
    with psycopg.connect(url_filled_by(two_refreshed_hours), autocommit=True) as opened:
        opened.execute("SET timezone = 'UTC'")
        yield opened


@pytest.fixture
def analyst(filled: Connection) -> Connection:
    """The database as the role for BI tools."""
    filled.execute("SET SESSION AUTHORIZATION wattledger_bi")
    return filled


@pytest.fixture
def database_url(database_server: Server) -> Iterator[str]:
    """A database on the native engine, with some data."""
    with database_server.clone_filled(two_hours) as url:
        yield url


@pytest.fixture
def login_url(database_url: str) -> str:
    """The URL of a login to it as that role."""
    return as_role(database_url, "wattledger_bi")


@pytest.fixture(scope="module")
def alchemy(database_server: Server) -> Iterator[sa.Engine]:
    """SQLAlchemy on such a database, as that role, which can write to nothing."""
    import sqlalchemy as sa

    with database_server.clone_filled(two_hours) as url:
        login = as_role(url, "wattledger_bi")
        made = sa.create_engine(
            "postgresql+psycopg://", creator=lambda: psycopg.connect(login), poolclass=sa.NullPool
        )
        yield made
        made.dispose()


def test_bi_holds_these_relations_and_functions_and_no_others(db: Connection) -> None:
    relations = db.execute(
        "SELECT relname FROM pg_class WHERE relnamespace = 'bi'::regnamespace"
        " AND relkind IN ('r', 'v', 'm', 'p') ORDER BY 1"
    ).fetchall()
    functions = db.execute(
        "SELECT proname FROM pg_proc WHERE pronamespace = 'bi'::regnamespace ORDER BY 1"
    ).fetchall()
    assert [name for (name,) in relations] == RELATIONS
    assert [name for (name,) in functions] == FUNCTIONS


# what a tool makes of a column it learns from its type: bare numeric has no digits
NUMBERS = {
    "kwh": "numeric(20,6)",
    "percent": "numeric(10,3)",
    "voltage": "numeric(10,3)",
    "temp": "numeric(10,3)",
    "efficiency": "numeric(26,6)",
    "coverage": "numeric(5,4)",
    "uncertainty": "numeric(5,4)",
    "hours": "numeric(12,6)",
    "kw": "numeric(26,3)",
    "w": "numeric(26,3)",
    "value": "numeric(20,6)",
    "price": "numeric(20,6)",
    "cost": "numeric(38,12)",
}
# rounded to the minor unit of its currency
ROUNDED = dict.fromkeys(("alert", "alert_session", "charging_session"), "numeric(26,4)")


def test_every_number_says_how_many_digits_it_has(db: Connection) -> None:
    columns = db.execute(
        "SELECT c.relname, a.attname, format_type(a.atttypid, a.atttypmod) FROM pg_attribute AS a"
        " JOIN pg_class AS c ON c.oid = a.attrelid WHERE c.relnamespace = 'bi'::regnamespace"
        " AND c.relkind IN ('r', 'v', 'm', 'p') AND a.attnum > 0"
        " AND a.atttypid = 'numeric'::regtype"
    ).fetchall()
    assert {relation for relation, _, _ in columns} == set(RELATIONS) - TEXTS
    for relation, name, kind in columns:
        expected = {NUMBERS[word] for word in name.split("_") if word in NUMBERS}
        if name.endswith("cost") and relation in ROUNDED:
            expected = {ROUNDED[relation]}
        assert expected == {kind}, (relation, name)


def test_a_driver_is_told_precision_and_scale(analyst: Connection) -> None:
    for relation in RELATIONS:
        cursor = analyst.execute(f"SELECT * FROM bi.{relation}")
        kwh = [c for c in cursor.description or () if c.name.endswith("_kwh")]
        assert bool(kwh) == (relation not in OTHERS)
        assert {(c.precision, c.scale) for c in kwh} <= {(20, 6)}
    # of what a function returns PostgreSQL tells no digits: the guide says to cast it
    cursor = analyst.execute(
        "SELECT d.energy_kwh, d.energy_kwh::numeric(20, 6)"
        " FROM bi.meter_energy_local_daily('UTC', '2026-01-01', '2026-01-01') AS d"
    )
    assert [(c.precision, c.scale) for c in cursor.description or ()] == [(None, None), (20, 6)]


# what is kept of charging: times that each row needs, and what is summed
CHARGED: dict[str, dict[str, Any]] = {
    "charging_part": {"hour": DAY, "since": DAY, "until": DAY + timedelta(hours=1)},
    "charging_day": {"day": DAY.date()},
    "charging_session": {"started_at": DAY, "ended_at": DAY + timedelta(hours=1)},
}
SUMMED = [
    *(f"{side}{part}_mwh" for side in ("ac", "dc") for part in ("", "_matched", "_standing")),
    *(f"{side}_resolution_mwh" for side in ("ac", "dc")),
    *("standby_mwh", "edge_mwh", "peak_w", "meter_samples", "vehicle_samples"),
]


@pytest.mark.slow_on_webassembly
def test_the_largest_sums_fit_into_their_digits(db: Connection) -> None:
    """An overflow would fail every query that meets it, not only the row that has it."""
    db.execute("UPDATE telemetry.dataset SET keep = NULL")
    ts = DAY - timedelta(days=1)
    for kind, (energy, value) in {"meter": (1, "voltage"), "vehicle": (9 * 10**18, "soc")}.items():
        db.execute(
            f"INSERT INTO telemetry.{kind}_reading ({kind}_id, ts, energy_mwh,"
            f" {value}_m{'v' if kind == 'meter' else 'pct'}) VALUES (%s, %s, %s, 2147483647)",
            [f"{kind[0].upper()}-1", ts, energy],
        )
    link(db)
    db.execute("SELECT ops.set_tariff('EUR', 'UTC', '2000-01-01', '1000000', 'a test')")
    most = 9 * 10**18
    db.execute(
        "INSERT INTO telemetry.register_event VALUES"
        " ('meter_reading', 'M-1', %s, 'jump', %s, %s, %s, %s, %s, true)",
        [ts, ts.date(), most, most, most, most],
    )
    db.execute(
        "INSERT INTO telemetry.settled_day (dataset, device_id, day, kind, level_mwh, placed_since,"
        " is_final) VALUES ('meter_reading', 'M-1', %(day)s, 'lifetime_register', %(most)s, now(),"
        " true), ('vehicle_reading', 'V-1', %(day)s, 'lifetime_register', %(most)s, now(), true)",
        {"day": DAY.date(), "most": most},
    )
    for kept, times in CHARGED.items():
        columns = ", ".join(["meter_id", "vehicle_id", *times, *SUMMED])
        for vehicle in ("V-1", ""):
            db.execute(
                f"INSERT INTO telemetry.{kept} ({columns}) VALUES (%s, %s,"
                f" {', '.join(['%s'] * len(times))}, {', '.join([str(most)] * len(SUMMED))})",
                [f"M-{vehicle}", vehicle, *times.values()],
            )
    for relation in RELATIONS:
        db.execute(f"SELECT * FROM bi.{relation}").fetchall()
    # and the least that can be told apart of one side, beside the most of the other
    for kept in CHARGED:
        db.execute(f"UPDATE telemetry.{kept} SET ac_matched_mwh = 1, active_us = 1, matched_us = 1")
    for relation in RELATIONS:
        db.execute(f"SELECT * FROM bi.{relation}").fetchall()
    db.execute("CALL ops.refresh(%s, now())", [ts])
    for relation in RELATIONS:
        found = db.execute(f"SELECT * FROM bi.{relation}").fetchall()
        # of which there are none yet
        assert found or relation.startswith(("alert", "ledger_record", "quarantine", "webhook"))


def test_every_span_is_a_number_of_hours_too(analyst: Connection) -> None:
    for relation in RELATIONS:
        cursor = analyst.execute(f"SELECT * FROM bi.{relation}")
        names = [c.name for c in cursor.description or ()]
        spans = [c.name for c in cursor.description or () if c.type_display == "interval"]
        for name in spans:
            assert f"{name}_hours" in names
            wrong = analyst.execute(
                f"SELECT * FROM bi.{relation}"
                f" WHERE {name}_hours IS DISTINCT FROM round(extract(EPOCH FROM {name}) / 3600, 6)"
            ).fetchall()
            assert wrong == []


@pytest.mark.parametrize("zone", ["UTC", "America/New_York"])
def test_dates_are_those_of_utc_whatever_zone_a_tool_shows_buckets_in(
    analyst: Connection, zone: str
) -> None:
    analyst.execute("SELECT set_config('timezone', %s, false)", [zone])
    for relation in RELATIONS:
        unit = {"daily": "day", "monthly": "month"}.get(relation.rpartition("_")[2])
        if unit is None:
            continue
        shown = DAY.date() if unit == "day" else DAY.date().replace(day=1)
        rows = analyst.execute(
            f"SELECT r.{unit}, r.bucket FROM bi.{relation} AS r WHERE r.{unit} = %s", [shown]
        ).fetchall()
        assert rows
        for found, bucket in rows:
            assert found == bucket.astimezone(UTC).date() == shown


def test_small_tables_are_known_to_the_planner(db: Connection) -> None:
    """Autovacuum never looks at a few rows, and without statistics PostgreSQL assumes hundreds."""
    tables = [
        name
        for (name,) in db.execute(
            "SELECT c.oid::regclass::text FROM pg_class AS c"
            " WHERE c.relnamespace = 'telemetry'::regnamespace AND c.relkind = 'r'"
        )
    ]
    counts = {table: db.execute(f"SELECT count(*) FROM {table}").fetchone() for table in tables}
    filled = {table: count[0] for table, count in counts.items() if count and count[0]}
    # the keys of the tests, which nobody has where nothing was done yet
    filled.pop("telemetry.api_key", None)
    assert {"telemetry.rules", "telemetry.dataset", "telemetry.limits"} <= set(filled)
    for table, count in filled.items():
        (plan,) = db.execute(f"EXPLAIN (FORMAT JSON) SELECT * FROM {table}").fetchone() or (None,)
        assert plan is not None
        assert plan[0]["Plan"]["Plan Rows"] == count, table


@pytest.mark.parametrize("relation", RELATIONS)
def test_an_analyst_reads_every_relation(analyst: Connection, relation: str) -> None:
    row = analyst.execute(f"SELECT count(*) FROM bi.{relation}").fetchone()
    assert row is not None
    assert row[0] > 0


@pytest.mark.parametrize("function", FUNCTIONS)
def test_an_analyst_calls_every_function(analyst: Connection, function: str) -> None:
    rows = analyst.execute(
        f"SELECT * FROM bi.{function}('Europe/Berlin', %s, %s)",
        [DAY.date(), DAY.date() + timedelta(days=1)],
    ).fetchall()
    assert rows


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT * FROM telemetry.meter_reading",
        "SELECT * FROM telemetry.rules",
        "SELECT * FROM telemetry.charging_part",
        "SELECT * FROM telemetry.judged_session",
        "SELECT * FROM api.performance('V-1')",
        "SELECT * FROM ops.policies",
        "CALL ops.maintain()",
        "SELECT * FROM migration.content",
        "CREATE TABLE bi.mine (x int)",
        "CREATE TABLE public.mine (x int)",
        "SET ROLE wattledger_owner",
    ],
)
def test_an_analyst_can_do_nothing_else(analyst: Connection, statement: str) -> None:
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        analyst.execute(statement)


@pytest.mark.parametrize("relation", RELATIONS)
def test_no_relation_can_be_written_by_an_analyst(analyst: Connection, relation: str) -> None:
    # some are views that nobody at all can write
    refused = (
        psycopg.errors.InsufficientPrivilege,
        psycopg.errors.ObjectNotInPrerequisiteState,
        psycopg.errors.FeatureNotSupported,
    )
    with pytest.raises(refused):
        analyst.execute(f"DELETE FROM bi.{relation}")
    with pytest.raises(refused):
        analyst.execute(f"INSERT INTO bi.{relation} DEFAULT VALUES")


def test_an_analyst_reads_no_other_relation_by_any_name(analyst: Connection) -> None:
    readable = analyst.execute(
        "SELECT c.oid::regclass::text FROM pg_class AS c"
        " WHERE c.relnamespace::regnamespace::text IN ('telemetry', 'api', 'ops', 'migration')"
        " AND c.relkind IN ('r', 'v', 'm', 'p')"
        " AND has_table_privilege(c.oid, 'SELECT, INSERT, UPDATE, DELETE')"
    ).fetchall()
    assert readable == []


def test_an_analysts_session_is_read_only_and_ends_long_queries(login_url: str) -> None:
    with psycopg.connect(login_url, autocommit=True) as analyst:
        rows = analyst.execute(
            "SELECT current_setting('default_transaction_read_only'),"
            " current_setting('statement_timeout'), current_setting('timezone')"
        ).fetchone()
        assert rows == ("on", "1min", "UTC")
        with pytest.raises(psycopg.errors.ReadOnlySqlTransaction):
            analyst.execute("CREATE TEMP TABLE mine (x int)")
        analyst.execute("SET statement_timeout = '50ms'")
        with pytest.raises(psycopg.errors.QueryCanceled):
            analyst.execute("SELECT pg_sleep(5)")


@pytest.mark.parametrize("relation", RELATIONS)
def test_reflection_gives_types_and_comments(alchemy: sa.Engine, relation: str) -> None:
    import sqlalchemy as sa

    inspector = sa.inspect(alchemy)
    assert sorted(inspector.get_view_names("bi")) == RELATIONS
    assert inspector.get_table_comment(relation, schema="bi")["text"]
    for column in inspector.get_columns(relation, schema="bi"):
        assert column["comment"], f"{column['name']} has no comment"
        assert not isinstance(column["type"], sa.types.NullType)


EXPECTED: dict[str, Any] = {
    "bucket": "datetime64[us, UTC]",
    "samples": "int64",
    "energy_kwh": "float64",
    "energy_mwh": "int64",
    "efficiency": "float64",
    "linked": "timedelta64[us]",
}


@pytest.mark.parametrize("relation", RELATIONS)
def test_pandas_reads_typed_columns(alchemy: sa.Engine, relation: str) -> None:
    import pandas as pd

    with alchemy.connect() as connection:
        frame = pd.read_sql_table(relation, connection, schema="bi")
    assert len(frame) > 0
    for name, dtype in EXPECTED.items():
        if name in frame:
            assert str(frame[name].dtype) == dtype, name
    objects = {name for name in frame if frame[name].dtype == object}
    # documents and arrays are, in any case
    assert objects <= {"detail", "groups"}


def test_a_reading_is_there_for_whoever_asks_next(login_url: str, connection: Connection) -> None:
    connection.execute(
        "SELECT * FROM api.ingest_meter_readings("
        "'{M-now}', %s::timestamptz[], NULL, '{1}', NULL, NULL, '{230}')",
        [[datetime.now(UTC)]],
    )
    with psycopg.connect(login_url) as analyst:
        for grain in ("hourly", "daily", "monthly"):
            row = analyst.execute(
                f"SELECT energy_mwh FROM bi.meter_energy_{grain} WHERE meter_id = 'M-now'"
            ).fetchone()
            assert row == (1000000,)
