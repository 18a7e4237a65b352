"""Moving from the Apache edition's rollups to continuous aggregates, beside everybody's work."""

from __future__ import annotations

import itertools
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from typing import Any

import psycopg
import pytest

from service.migrate import definitions, differences, edition, migrate
from tests.editions.test_ops import run_refresh_jobs, set_retention
from tests.support import rollups
from tests.support.migrating import quietly, wait_for_a_waiting_lock
from tests.support.readings import (
    NOW,
    Connection,
    MeterReading,
    VehicleReading,
    ingest_meters,
    ingest_vehicles,
)
from tests.support.server import PASSWORDS, Server, as_role, as_service, stop_jobs

DAY = timedelta(days=1)
SIDES = ("meter", "vehicle")
# the time between a reading's late arrival and the last one, so that each is another
STEP = timedelta(milliseconds=1)


@pytest.fixture
def url(native_community: Server, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A database that was made before its server's licence became what it is now."""
    with native_community.empty() as made:
        with psycopg.connect(made, autocommit=True) as opened:
            opened.execute("CREATE EXTENSION IF NOT EXISTS timescaledb WITH SCHEMA public")
            stop_jobs(opened)
        with monkeypatch.context() as patch:
            patch.setattr(edition, "licensed", lambda _: "apache")
            migrate(made, quietly, PASSWORDS)
        yield made


@pytest.fixture
def db(url: str) -> Iterator[Connection]:
    with psycopg.connect(url, autocommit=True) as opened:
        opened.execute("SET timezone = 'UTC'")
        yield opened


def fill(db: Connection, days: int) -> None:
    """Some readings a day of two devices a side, of which the oldest are in the rollups alone."""
    times = [NOW - day * DAY - hour * timedelta(hours=5) for day in range(days) for hour in (0, 1)]
    for number in (1, 2):
        ingest_meters(db, [MeterReading(f"M-{number}", ts) for ts in times])
        ingest_vehicles(db, [VehicleReading(f"V-{number}", ts) for ts in times])
    # one that fell silent: its hour is still open
    ingest_meters(db, [MeterReading("M-silent", NOW - (days - 1) * DAY)])
    for side in SIDES:
        set_retention(db, f"{side}_reading", "20 days", confirm=True)
        db.execute("CALL ops.maintain()")
        set_retention(db, f"{side}_reading", "40 days", confirm=True)


def answers(db: Connection) -> list[list[Any]]:
    return [
        db.execute(f"SELECT * FROM bi.{side}_energy_{grain} ORDER BY 1, 2, 3").fetchall()
        for side in SIDES
        for grain in ("hourly", "daily", "monthly")
    ]


def energies(db: Connection, side: str, grain: str) -> Counter[str]:
    """The milliwatt-hours of each device in a rollup, or in the raw readings."""
    relation = f"telemetry.{side}_reading" if grain == "raw" else f"bi.{side}_energy_{grain}"
    rows = db.execute(f"SELECT {side}_id, sum(energy_mwh)::bigint FROM {relation} GROUP BY 1")
    return Counter(dict(rows.fetchall()))


def deadlocks(db: Connection) -> int:
    db.execute("SELECT pg_stat_force_next_flush()")
    row = db.execute(
        "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()"
    ).fetchone()
    assert row is not None
    return row[0]


class Writers:
    """Threads that store one reading after the other, live or late, and add up what they stored."""

    def __init__(self, url: str) -> None:
        self.stored: Counter[str] = Counter()
        self.errors: list[BaseException] = []
        self._url = as_service(url)
        self._counts: Counter[str] = Counter()
        self._stopping = threading.Event()
        self._lock = threading.Lock()
        self._threads = [
            threading.Thread(target=self._run, args=arguments)
            for arguments in [
                (f"{side}-{kind}-{number}", side, kind)
                for side in SIDES
                for kind in ("live", "late")
                for number in (1, 2)
            ]
        ] + [threading.Thread(target=self._read, args=(as_role(url, "wattledger_bi"),))]

    def __enter__(self) -> Writers:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopping.set()
        for thread in self._threads:
            thread.join()

    def go_on(self, each: int) -> None:
        """Come back when every device has stored so many readings more."""
        before = Counter(self._counts)
        deadline = time.monotonic() + 120
        while len(self._counts) < 8 or any(
            self._counts[device] < before[device] + each for device in self._counts
        ):
            assert not self.errors
            assert time.monotonic() < deadline, f"too few were stored: {self._counts}"
            time.sleep(0.02)

    def _run(self, device: str, side: str, kind: str) -> None:
        try:
            with psycopg.connect(self._url, autocommit=True) as connection:
                for number in itertools.count(1):
                    if self._stopping.is_set():
                        return
                    mwh = number * 1000
                    # from an hour ago to two weeks ago, another day each time
                    behind = (number % 14) * DAY + timedelta(hours=1) if kind == "late" else -STEP
                    ts = NOW - behind + number * STEP
                    refused = (
                        ingest_meters(connection, [MeterReading(device, ts, mwh / 1e6)])
                        if side == "meter"
                        else ingest_vehicles(connection, [VehicleReading(device, ts, mwh / 1e6)])
                    )
                    assert refused == []
                    with self._lock:
                        self.stored[device] += mwh
                        self._counts[device] += 1
        except BaseException as error:
            self.errors.append(error)

    def _read(self, url: str) -> None:
        """A BI tool that reads one relation after the other in a transaction."""
        try:
            with psycopg.connect(url) as connection:
                while not self._stopping.is_set():
                    for relation in (
                        "vehicle_energy_daily",
                        "meter_energy_hourly",
                        "charging_efficiency_daily",
                    ):
                        connection.execute(f"SELECT FROM bi.{relation} LIMIT 10")
                    connection.rollback()
        except BaseException as error:
            self.errors.append(error)


def test_a_move_beside_writers_and_readers_loses_nothing_and_counts_nothing_twice(
    url: str, db: Connection
) -> None:
    fill(db, 35)
    before = {side: energies(db, side, "hourly") for side in SIDES}
    with Writers(url) as writers:
        writers.go_on(20)
        migrate(url, quietly, to_community=True)
        writers.go_on(20)
    assert writers.errors == []
    assert deadlocks(db) == 0
    assert differences(url) == []
    run_refresh_jobs(db)
    assert db.execute("SELECT * FROM ops.verify('-infinity')").fetchall() == []
    for side in SIDES:
        stored = Counter({key: mwh for key, mwh in writers.stored.items() if key.startswith(side)})
        assert energies(db, side, "raw") & stored == stored
        assert energies(db, side, "hourly") == before[side] + stored
        assert energies(db, side, "daily") == before[side] + stored


def test_a_session_that_wants_what_the_switch_has_is_let_through_and_neither_is_in_a_deadlock(
    url: str, db: Connection
) -> None:
    fill(db, 35)
    with ThreadPoolExecutor(1) as pool, psycopg.connect(url) as other:
        # it has read hours and days, and their views, before the switch comes; then it writes
        for side in SIDES:
            for grain in ("hourly", "daily"):
                other.execute(f"SELECT FROM bi.{side}_energy_{grain} LIMIT 1")
        moving = pool.submit(migrate, url, quietly, to_community=True)
        wait_for_a_waiting_lock(url)
        assert ingest_meters(other, [MeterReading("M-1", NOW + STEP)]) == []
        assert ingest_vehicles(other, [VehicleReading("V-1", NOW + STEP)]) == []
        other.commit()
        moving.result(120)
    assert deadlocks(db) == 0
    assert differences(url) == []
    assert energies(db, "meter", "hourly") == energies(db, "meter", "daily")


# which a reader or writer may have to wait for
LOCKS = """
SELECT l.relation, l.mode FROM pg_locks AS l JOIN pg_class AS c ON c.oid = l.relation
WHERE l.pid = pg_backend_pid() AND l.database <> 0 AND l.mode NOT IN
    ('AccessShareLock', 'RowShareLock', 'RowExclusiveLock', 'ShareUpdateExclusiveLock')
"""
# and chunks of ours
OURS = """
SELECT c.oid FROM pg_class AS c
WHERE c.relnamespace::regnamespace::text IN ('telemetry', 'api', 'bi', 'ops')
    OR starts_with(c.relname, '_hyper_')
"""
# by this session into chunks, as far as it has not told the others
INSERTED = """
SELECT coalesce(sum(s.n_tup_ins), 0)::integer FROM pg_stat_xact_all_tables AS s
WHERE starts_with(s.relname, '_hyper_')
"""


def test_the_switch_takes_all_locks_at_first_and_copies_nothing(
    url: str, db: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(db, 35)
    present = {oid for (oid,) in db.execute(OURS)}
    at_first: set[tuple[int, str]] = set()
    later: set[tuple[int, str]] = set()
    inserted: list[tuple[int]] = []
    execute, apply = psycopg.Connection.execute, definitions.apply

    def locks_of(connection: Connection) -> set[tuple[int, str]]:
        return {lock for lock in execute(connection, LOCKS) if lock[0] in present}

    def executed(connection: Connection, query: Any, *args: Any, **kwargs: Any) -> Any:
        if inserted or not (isinstance(query, bytes) and b"LOCK TABLE" in query):
            return execute(connection, query, *args, **kwargs)
        inserted.extend(execute(connection, INSERTED).fetchall())
        cursor = execute(connection, query, *args, **kwargs)
        at_first.update(locks_of(connection))
        return cursor

    def applied(connection: Connection, *args: Any) -> int:
        number = apply(connection, *args)
        if at_first:
            later.update(locks_of(connection))
            inserted.extend(execute(connection, INSERTED).fetchall())
        return number

    with monkeypatch.context() as patch:
        patch.setattr(psycopg.Connection, "execute", executed)
        patch.setattr(definitions, "apply", applied)
        migrate(url, quietly, to_community=True)
    assert at_first
    # whoever has this one has all of them
    held = {relation for relation, mode in at_first if mode == "AccessExclusiveLock"}
    named = db.execute(
        "SELECT c.oid::regclass::text FROM pg_class AS c WHERE c.oid = ANY (%s)",
        [[relation for relation, _ in later - at_first if relation not in held]],
    )
    assert named.fetchall() == []
    before, after = inserted
    assert before == after


def during_the_move(url: str, when: str, act: Callable[[], object]) -> None:
    """Move, and do something once when that is reported."""
    done: list[object] = []

    def report(line: str) -> None:
        if not done and line.startswith(when):
            done.append(act())

    migrate(url, report, to_community=True)
    assert done


def test_late_readings_that_come_while_aggregates_are_filled_are_in_hours_and_days_at_the_end(
    url: str, db: Connection
) -> None:
    fill(db, 35)
    late = [NOW - days * DAY + STEP for days in (1, 2, 5, 19)]

    def post() -> None:
        assert ingest_meters(db, [MeterReading(ts=ts) for ts in late]) == []
        assert ingest_vehicles(db, [VehicleReading(ts=ts) for ts in late]) == []

    before = {side: energies(db, side, "daily") for side in SIDES}
    during_the_move(url, "filling the continuous aggregate vehicle_energy_daily", post)
    for side, device, mwh in (("meter", "M-1", 420_000), ("vehicle", "V-1", 370_000)):
        expected = before[side] + Counter({device: len(late) * mwh})
        assert energies(db, side, "hourly") == energies(db, side, "daily") == expected
    assert db.execute("SELECT * FROM ops.verify('-infinity')").fetchall() == []


def test_a_day_of_which_some_raw_readings_are_gone_is_copied_with_what_comes_meanwhile(
    url: str, db: Connection
) -> None:
    begin = NOW.replace(hour=0, minute=0) - 10 * DAY
    times = [begin + timedelta(hours=hour) for hour in (1, 9, 20)]
    ingest_meters(db, [MeterReading(ts=ts) for ts in (times[0] - 3 * DAY, *times, NOW)])
    noon = begin + timedelta(hours=12)
    # as a chunk leaves it that ends at noon
    db.execute("SET session_replication_role = replica")
    db.execute("DELETE FROM telemetry.meter_reading WHERE ts < %s", [noon])
    db.execute("RESET session_replication_role")
    db.execute(
        "UPDATE telemetry.dataset SET complete_since = %s WHERE dataset = 'meter_reading'", [noon]
    )
    late = MeterReading(ts=noon + timedelta(hours=1))
    during_the_move(
        url, "filling the continuous aggregate vehicle", lambda: ingest_meters(db, [late])
    )
    assert (
        energies(db, "meter", "hourly")["M-1"] == energies(db, "meter", "daily")["M-1"] == 2520000
    )
    rows = db.execute(
        "SELECT bucket, samples FROM bi.meter_energy_daily ORDER BY 1 LIMIT 2"
    ).fetchall()
    assert rows == [(begin - 3 * DAY, 1), (begin, 4)]


def test_after_a_move_late_readings_of_yesterday_are_in_the_days_at_the_next_refresh(
    url: str, db: Connection
) -> None:
    fill(db, 35)
    migrate(url, quietly, to_community=True)
    today = NOW.replace(hour=0, minute=0)
    late = [today - timedelta(hours=hours) for hours in (1, 13, 23)]
    ingest_meters(db, [MeterReading("M-late", ts) for ts in late])
    run_refresh_jobs(db)
    rows = db.execute(
        "SELECT sum(samples) FROM bi.meter_energy_daily WHERE meter_id = 'M-late'"
    ).fetchall()
    assert rows == [(3,)]


def test_what_was_copied_stays_as_it_was_whatever_is_refreshed(url: str, db: Connection) -> None:
    fill(db, 35)
    before = answers(db)
    assert min(row[0] for row in before[0]) < datetime.now(tz=NOW.tzinfo) - 30 * DAY
    migrate(url, quietly, to_community=True)
    assert answers(db) == before
    run_refresh_jobs(db)
    assert answers(db) == before
    assert rollups.differences(db) != []
