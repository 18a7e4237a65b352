"""What the Community edition alone has: policies, the columnstore, and a way to get there."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest

from service.migrate import differences, edition, history, migrate
from service.migrate.errors import MigrationError
from tests.editions.test_efficiency import fill
from tests.editions.test_ops import fill_days, run_refresh_jobs
from tests.service.test_writer import batch_of, write_all
from tests.support import community, rollups
from tests.support.community import Engine, EngineMissing, engine_with
from tests.support.http import meter
from tests.support.readings import (
    NOW,
    Connection,
    MeterReading,
    VehicleReading,
    ingest_meters,
    ingest_vehicles,
    link,
)
from tests.support.schema import described, kept

DAY = timedelta(days=1)


@pytest.fixture
def db(community_url: str) -> Iterator[Connection]:
    with psycopg.connect(community_url, autocommit=True) as opened:
        yield opened


def jobs(db: Connection) -> dict[tuple[str, str], dict[str, Any]]:
    """TimescaleDB's jobs by what they do and for what: how often, and as whom."""
    rows = db.execute(
        "SELECT p.work, p.dataset, jsonb_build_object('every', j.schedule_interval,"
        " 'owner', j.owner) FROM telemetry.present_policy AS p"
        " JOIN timescaledb_information.jobs AS j USING (job_id)"
    ).fetchall()
    return {(work, dataset): job for work, dataset, job in rows}


def test_the_rollups_are_real_time_continuous_aggregates_days_upon_hours(db: Connection) -> None:
    rows = db.execute(
        "SELECT view_name, hypertable_name, materialized_only"
        " FROM timescaledb_information.continuous_aggregates WHERE view_schema = 'bi' ORDER BY 1"
    ).fetchall()
    assert [(name, only) for name, _, only in rows] == [
        ("meter_energy_daily", False),
        ("meter_energy_hourly", False),
        ("vehicle_energy_daily", False),
        ("vehicle_energy_hourly", False),
    ]
    sources = {name: source for name, source, _ in rows}
    assert sources["meter_energy_hourly"] == "meter_reading"
    assert sources["meter_energy_daily"].startswith("_materialized_hypertable_")


def test_each_dataset_has_its_jobs_which_run_as_the_owner(db: Connection) -> None:
    found = jobs(db)
    assert {job["owner"] for job in found.values()} == {"wattledger_owner"}
    for side in ("meter", "vehicle"):
        works = {work for work, dataset in found if dataset == f"{side}_reading"}
        assert works == {"compress", "retain", "settle"}
        assert found["refresh", f"{side}_energy_hourly"]["every"] == "00:15:00"
        assert found["refresh", f"{side}_energy_daily"]["every"] == "01:00:00"


def test_policies_follow_what_ops_sets(db: Connection) -> None:
    db.execute("SELECT * FROM ops.set_retention('meter_energy_daily', '9 years', confirm => true)")
    db.execute("SELECT ops.set_refresh('meter_energy_hourly', '5 minutes', '2 hours')")
    db.execute("SELECT ops.set_compression('vehicle_reading', NULL)")
    found = jobs(db)
    assert ("retain", "meter_energy_daily") in found
    assert ("retain", "vehicle_energy_daily") not in found
    assert found["refresh", "meter_energy_hourly"]["every"] == "00:05:00"
    assert ("compress", "meter_reading") in found
    assert ("compress", "vehicle_reading") not in found


def test_policies_of_timescaledb_on_our_datasets_are_removed(db: Connection) -> None:
    db.execute("SET ROLE wattledger_owner")
    db.execute("SELECT public.add_retention_policy('telemetry.meter_reading', INTERVAL '9 days')")
    db.execute(
        "SELECT public.add_continuous_aggregate_policy('bi.meter_energy_hourly',"
        " INTERVAL '99 days', INTERVAL '1 hour', INTERVAL '1 hour')"
    )
    db.execute("SELECT telemetry.apply_policies()")
    left = db.execute(
        "SELECT proc_name FROM timescaledb_information.jobs WHERE job_id >= 1000 AND"
        " proc_name <> 'run_policy'"
    ).fetchall()
    assert left == []


def test_migrating_again_leaves_the_jobs_and_what_a_dba_chose_for_them(
    db: Connection, community_url: str
) -> None:
    rows = "SELECT job_id, schedule_interval, config::text FROM timescaledb_information.jobs"
    db.execute("SET ROLE wattledger_owner")
    db.execute(
        "SELECT public.alter_job(job_id, schedule_interval => '2 days')"
        " FROM telemetry.present_policy WHERE work = 'retain'"
    )
    db.execute("RESET ROLE")
    before = db.execute(rows + " ORDER BY 1").fetchall()
    db.close()
    migrate(community_url, lambda _: None)
    with psycopg.connect(community_url, autocommit=True) as again:
        assert again.execute(rows + " ORDER BY 1").fetchall() == before


@pytest.mark.slow
def test_what_timescaledb_does_by_itself_leaves_nothing_to_migrate_but_a_missing_policy_does(
    db: Connection, community_url: str
) -> None:
    fill_days(db)
    run_refresh_jobs(db)
    for (job,) in db.execute(
        "SELECT job_id FROM telemetry.present_policy WHERE work = 'compress'"
    ).fetchall():
        db.execute(f"CALL public.run_job({job})")
    policies = "SELECT dataset, work FROM telemetry.present_policy ORDER BY 1, 2"
    before = db.execute(policies).fetchall()
    db.execute("SET ROLE wattledger_owner")
    db.execute(
        "SELECT public.delete_job(job_id) FROM telemetry.present_policy"
        " WHERE dataset = 'meter_reading' AND work = 'retain'"
    )
    db.close()
    assert differences(community_url) == []
    reported: list[str] = []
    migrate(community_url, reported.append)
    assert reported == ["the database is current, nothing is to be done"]
    with psycopg.connect(community_url, autocommit=True) as again:
        assert again.execute(policies).fetchall() == before


@pytest.mark.parametrize(
    ("call", "code"),
    [
        ("ops.set_refresh('meter_energy_hourly', '13 hours')", "WL020"),
        ("ops.set_refresh('meter_energy_hourly', '10 minutes', '10 minutes')", "WL020"),
        ("ops.set_refresh('meter_energy_daily', '10 minutes', '2 hours')", "WL020"),
        ("ops.set_refresh('meter_reading', '10 minutes')", "WL021"),
        ("ops.set_compression('meter_reading', '90 days')", "WL020"),
        ("ops.set_compression('meter_reading', '2 hours')", "WL020"),
        ("ops.set_compression('meter_energy_hourly', '92 days')", "WL020"),
        ("ops.set_compression('meter_energy_hourly', '5 years')", "WL020"),
        ("ops.set_compression('meter_energy_weekly', '100 days')", "WL021"),
        ("ops.set_retention('meter_reading', '7 days')", "WL020"),
    ],
)
def test_a_setting_that_would_lose_data_or_make_no_sense_is_refused(
    db: Connection, call: str, code: str
) -> None:
    with pytest.raises(psycopg.Error) as raised:
        db.execute(f"SELECT {call}")
    assert raised.value.sqlstate == code
    assert raised.value.diag.message_hint


def test_raw_readings_that_no_rollup_has_yet_are_counted_before_they_are_dropped(
    db: Connection,
) -> None:
    fill_days(db)
    db.execute("SELECT * FROM ops.set_retention('meter_reading', '30 days', confirm => true)")
    db.execute("CALL ops.maintain()")
    assert db.execute("SELECT count(*) FROM telemetry.meter_reading").fetchone() == (32,)
    assert db.execute("SELECT sum(samples) FROM bi.meter_energy_hourly").fetchone() == (41,)


def test_freshness_shows_late_readings_until_the_next_refresh(db: Connection) -> None:
    fill_days(db, 20)
    run_refresh_jobs(db)
    late = NOW - 10 * DAY + timedelta(minutes=5)
    ingest_meters(db, [MeterReading(ts=late)])
    query = (
        "SELECT late_changes > 0, late_since FROM ops.freshness"
        " WHERE dataset = 'meter_energy_hourly'"
    )
    assert db.execute(query).fetchone() == (True, late)
    run_refresh_jobs(db)
    assert db.execute(query).fetchone() == (False, None)


def test_compression_keeps_every_answer_and_late_readings_still_go_in(db: Connection) -> None:
    link(db)
    for day in range(9, 12):
        fill(db, NOW - day * DAY, 200)
    (job,) = db.execute(
        "SELECT compression_job FROM ops.policies WHERE dataset = 'meter_reading'"
    ).fetchall()
    before = db.execute("SELECT * FROM api.performance('V-1', %s, %s)", [NOW - 12 * DAY, NOW])
    answer = before.fetchone()
    db.execute(f"CALL public.run_job({job[0]})")
    storage = db.execute(
        "SELECT compressed_chunks, bytes_after_compression FROM ops.storage"
        " WHERE dataset = 'meter_reading'"
    ).fetchone()
    assert storage is not None
    assert storage[0] >= 3
    assert storage[1] > 0
    after = db.execute("SELECT * FROM api.performance('V-1', %s, %s)", [NOW - 12 * DAY, NOW])
    assert after.fetchone() == answer
    sent = [
        MeterReading(ts=NOW - 10 * DAY, energy_kwh=0.1),
        MeterReading(ts=NOW - 10 * DAY, energy_kwh=0.2),
        MeterReading(ts=NOW - 10 * DAY - timedelta(minutes=5), energy_kwh=0.2),
    ]
    assert [row.outcome for row in ingest_meters(db, sent)] == ["duplicate", "conflict"]
    assert rollups.differences(db) == []
    with pytest.raises(psycopg.Error) as raised:
        db.execute("UPDATE telemetry.meter_reading SET energy_mwh = 1")
    assert raised.value.sqlstate in {"WL010", "42501"}


def test_late_readings_beyond_the_decompression_limit_of_a_group_are_stored_in_smaller_ones(
    db: Connection, community_url: str
) -> None:
    day, minute = NOW - 10 * DAY, timedelta(minutes=1)
    meters = [f"L-{number}" for number in range(8)]
    stored = [MeterReading(name, day + n * minute) for name in meters for n in range(50)]
    assert ingest_meters(db, stored) == []
    db.execute(
        "SELECT public.compress_chunk(c) FROM public.show_chunks('telemetry.meter_reading') AS c"
    )
    # each meter's fifty are decompressed together
    name = "timescaledb.max_tuples_decompressed_per_dml_transaction"
    db.execute(f"ALTER ROLE wattledger_service SET {name} = 120")
    db.close()
    sent = [
        *(meter(one, day + timedelta(seconds=90)) for one in meters),
        meter("L-0", day, kwhConsumedAc=0.7),
    ]
    requests = [batch_of(*sent[:4]), batch_of(*sent[4:])]
    first, second = write_all(community_url, requests)
    assert first.refused == []
    assert [(refused.index, refused.reason) for refused in second.refused] == [(4, "conflict")]
    with psycopg.connect(community_url) as again:
        row = again.execute("SELECT count(*) FROM telemetry.meter_reading").fetchone()
    assert row == (len(stored) + len(meters),)


@pytest.fixture(scope="module")
def apache_engine(shared_path: Path) -> Iterator[Engine]:
    """An engine with a database that was made before the licence became what it is now."""

    def begin(url: str) -> None:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(edition, "licensed", lambda _: "apache")
            migrate(url, lambda _: None)

    started = engine_with(shared_path / "apache.tar", begin)
    yield started
    started.stop()


@pytest.fixture
def began_on_apache(apache_engine: Engine) -> Engine:
    """That database, as it was before the tests before."""
    apache_engine.reset()
    return apache_engine


QUERIES = [
    *(f"SELECT * FROM bi.meter_energy_{grain}" for grain in ("hourly", "daily", "monthly")),
    *(f"SELECT * FROM bi.vehicle_energy_{grain}" for grain in ("hourly", "daily", "monthly")),
    "SELECT bucket, vehicle_id, ac_kwh, dc_kwh, efficiency FROM bi.charging_efficiency_hourly",
    "SELECT bucket, vehicle_id, ac_kwh, dc_kwh, efficiency FROM bi.charging_efficiency_daily",
]


def answers(db: Connection) -> list[list[Any]]:
    return [db.execute(f"{query} ORDER BY 1, 2, 3").fetchall() for query in QUERIES]


def test_a_database_that_began_on_apache_moves_without_losing_older_rollups(
    began_on_apache: Engine,
) -> None:
    url = began_on_apache.url
    with psycopg.connect(url, autocommit=True) as db:
        link(db, since=NOW - 70 * DAY - timedelta(minutes=20))
        fill_days(db)
        ingest_meters(db, [MeterReading(ts=NOW - i * timedelta(minutes=7)) for i in range(1, 400)])
        for dataset in ("meter_reading", "vehicle_reading"):
            assert db.execute(
                "SELECT * FROM ops.set_retention(%s, '30 days', confirm => true)", [dataset]
            ).fetchall()
            db.execute("SELECT * FROM ops.set_retention(%s, '60 days', confirm => true)", [dataset])
        before = answers(db)
    reported: list[str] = []
    migrate(url, reported.append)
    assert any("--to-community" in line for line in reported)
    migrate(url, reported.append, to_community=True)
    assert differences(url) == []
    with psycopg.connect(url, autocommit=True) as db:
        assert answers(db) == before
        # the policies' own refreshes leave alone what raw readings no longer tell
        run_refresh_jobs(db)
        assert answers(db) == before
        assert ingest_vehicles(db, [VehicleReading(ts=NOW - 5 * DAY + timedelta(minutes=1))]) == []
        run_refresh_jobs(db)
        samples = db.execute("SELECT sum(samples) FROM bi.vehicle_energy_monthly").fetchone()
        assert samples == (42,)
    migrate(url, reported.append, to_community=True)
    assert reported[-1] == "the rollups are continuous aggregates already"


def test_a_moved_database_has_the_schema_of_a_new_one(began_on_apache: Engine) -> None:
    migrate(began_on_apache.url, lambda _: None, to_community=True)
    with psycopg.connect(began_on_apache.url, autocommit=True) as db:
        assert described(db) == kept("community").read_text(encoding="utf-8")


def test_an_interrupted_move_leaves_all_as_it_was_and_can_be_repeated(
    began_on_apache: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = began_on_apache.url
    with psycopg.connect(url, autocommit=True) as db:
        fill_days(db, 10)
        before = answers(db)
    with monkeypatch.context() as patch:
        patch.setattr("service.migrate.history.record_community", lambda _: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            migrate(url, lambda _: None, to_community=True)
    with psycopg.connect(url, autocommit=True) as db:
        assert answers(db) == before
        ingest_meters(db, [MeterReading("M-2", NOW)])
        assert rollups.differences(db) == []
        before = answers(db)
    migrate(url, lambda _: None, to_community=True)
    with psycopg.connect(url, autocommit=True) as db:
        assert answers(db) == before


def test_a_switch_that_does_not_get_a_lock_in_time_is_tried_again_as_a_whole(
    began_on_apache: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The engine has one session, so that the server is asked to say that a lock is taken."""
    # which needs a second session
    monkeypatch.setattr("service.migrate.watch.Watch.look", lambda _: None)
    url = began_on_apache.url
    with psycopg.connect(url, autocommit=True) as db:
        fill_days(db, 10)
        before = answers(db)
    timeouts: list[str] = []
    record = history.record_community

    def record_at_the_third_attempt(connection: Connection) -> None:
        (timeout,) = connection.execute("SHOW lock_timeout").fetchone() or ("none",)
        timeouts.append(timeout)
        if len(timeouts) < 3:
            connection.execute("DO $$ BEGIN RAISE lock_not_available; END $$")
        record(connection)

    monkeypatch.setattr(history, "record_community", record_at_the_third_attempt)
    reported: list[str] = []
    migrate(url, reported.append, to_community=True)
    assert len(timeouts) == 3
    assert "0" not in timeouts
    assert any("the switch to continuous aggregates waits for a lock" in line for line in reported)
    assert differences(url) == []
    with psycopg.connect(url, autocommit=True) as db:
        assert answers(db) == before


def test_moving_is_refused_while_it_would_drop_views_of_others(began_on_apache: Engine) -> None:
    url = began_on_apache.url
    with psycopg.connect(url, autocommit=True) as db:
        db.execute("CREATE VIEW public.mine AS SELECT bucket FROM bi.charging_efficiency_daily")
    with pytest.raises(MigrationError, match="mine"):
        migrate(url, lambda _: None, to_community=True)
    with psycopg.connect(url, autocommit=True) as db:
        db.execute("DROP VIEW public.mine")
    migrate(url, lambda _: None, to_community=True)
    assert differences(url) == []


def test_moving_is_refused_while_the_licence_does_not_allow_it(
    began_on_apache: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(edition, "licensed", lambda _: "apache")
    with pytest.raises(MigrationError, match=r"set timescaledb\.license to 'timescale'"):
        migrate(began_on_apache.url, lambda _: None, to_community=True)


def test_continuous_aggregates_without_their_licence_are_an_error_that_says_so(
    community_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(edition, "licensed", lambda _: "apache")
    with pytest.raises(MigrationError, match="licence does not allow"):
        migrate(community_url, lambda _: None)


def test_without_node_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(EngineMissing, match=r"Install Node\.js"):
        community.Engine()
