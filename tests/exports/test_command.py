"""`wattledger export` as a user meets it: what it refuses, what it says, and whose it is."""

from __future__ import annotations

import sys
from datetime import timedelta
from pathlib import Path

import psycopg
import pytest

from service.exports.history import History
from service.exports.subjects import Devices, subject
from tests.exports.running import fill, run
from tests.support.readings import NOW, Connection, MeterReading, ingest_meters
from tests.support.server import PASSWORDS, Server, as_service


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("readings",), "give --meter ID or --meters, or --vehicle ID or --vehicles"),
        (("hours", "--meters", "--vehicle", "V-1"), "hours are of one side"),
        (("readings", "--meters", "--meter", "M-1"), "not both"),
        (("sessions", "--output", "a.parquet", "--compress", "gzip"), "compressed inside"),
        (("sessions", "--output", "a.parquet.gz"), "compressed inside"),
        (("days",), "'days' is not one of"),
    ],
)
def test_what_does_not_go_together_is_refused(arguments: tuple[str, ...], told: str) -> None:
    result = run("postgresql://nobody@127.0.0.1:1/none", *arguments)
    assert (result.exit_code, result.stdout) == (2, "")
    assert told in result.stderr


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (("--from", "tomorrowish"), '"tomorrowish" is not a time. Give a day, such as'),
        (("--from", "2026-02-30"), '"2026-02-30" is not a time'),
        (("--to", "2026-02-01", "--zone", "CET"), '"CET" is an abbreviation'),
        (("--from", "2026-02-01", "--zone", "Mars/Base"), 'there is no time zone "Mars/Base"'),
        (("--from", "2026-02-02", "--to", "2026-02-02"), "the window must begin before it ends"),
    ],
)
def test_a_time_that_cannot_be_read_is_told_and_no_file_is_made(
    shared_database_url: str, tmp_path: Path, options: tuple[str, ...], told: str
) -> None:
    file = tmp_path / "a.csv"
    result = run(shared_database_url, "sessions", *options, "--output", str(file))
    assert result.exit_code == 1
    assert result.stderr.startswith(f"Error: {told}")
    assert not file.exists()


def test_parquet_without_its_package_names_the_extra(
    shared_database_url: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    result = run(shared_database_url, "sessions", "--output", str(tmp_path / "a.parquet"))
    assert result.exit_code == 1
    assert result.stderr == (
        "Error: Parquet needs the extra parquet: pip install 'wattledger[parquet]'.\n"
    )


def test_a_dba_exports_and_the_services_login_does_not(database_url: str) -> None:
    with psycopg.connect(database_url, autocommit=True) as db:
        fill(db)
    parts = psycopg.conninfo.conninfo_to_dict(database_url)
    login = {"user": "wattledger_dba", "password": PASSWORDS["wattledger_dba"]}
    dba = psycopg.conninfo.make_conninfo("", **{**parts, **login})
    for arguments in (("readings", "--meters"), ("hours", "--vehicles"), ("sessions",)):
        by_dba = run(dba, *arguments)
        assert by_dba.exit_code == 0, by_dba.stderr
        assert by_dba.stdout == run(database_url, *arguments).stdout
        refused = run(as_service(database_url), *arguments)
        assert refused.exit_code == 1
        assert "history is exported by a superuser or wattledger_dba" in refused.stderr


def test_at_the_end_it_says_how_much_and_where(database_url: str, tmp_path: Path) -> None:
    file = tmp_path / "a.csv"
    result = run(database_url, "sessions", "--output", str(file))
    assert result.stderr.startswith(
        f"0 rows as of one moment went to {file}, {file.stat().st_size:,} bytes, in "
    )


def test_a_log_gets_a_line_now_and_then(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with psycopg.connect(database_url, autocommit=True) as db:
        fill(db)
    monkeypatch.setattr("service.cli.export_progress._EVERY_SECONDS", 0)
    lines = run(database_url, "readings", "--vehicles").stderr.splitlines()
    assert lines[-2].endswith("180 rows, 100%")
    assert all(line.startswith("exporting: ") for line in lines[:-1])


def test_a_terminal_gets_a_bar(database_url: str) -> None:
    with psycopg.connect(database_url, autocommit=True) as db:
        fill(db)
    result = run(database_url, "readings", "--vehicles", FORCE_COLOR="1")
    assert "exporting: 180 rows" in result.stderr
    assert "100%" in result.stderr
    assert "exporting" not in result.stdout


class _Fleet:
    """Two days of a meter, of which the second gets another reading while the first is read."""

    def __init__(self, db: Connection) -> None:
        self.db = db
        self.yesterday = NOW - timedelta(days=3)
        ingest_meters(db, [MeterReading("M-1", self.yesterday)])
        ingest_meters(db, [MeterReading("M-1", self.yesterday + timedelta(days=1))])

    def rows(self, url: str, seconds: float) -> tuple[int, int]:
        """How many rows are read, and of how many moments."""
        with psycopg.connect(url, autocommit=True) as connection:
            of = subject("readings", "meter")
            history = History(connection, of, Devices(), seconds=seconds)
            history.look_up(None, None, "UTC")
            batches = history.batches()
            next(batches)
            ingest_meters(self.db, [MeterReading("M-2", self.yesterday + timedelta(days=1))])
            assert 0 < history.share < 1
            assert [len(batch) for batch in batches]
            assert history.share == 1
            return history.rows, history.snapshots


def test_all_of_it_is_of_one_moment(database_url: str, connection: Connection) -> None:
    assert _Fleet(connection).rows(database_url, 600) == (2, 1)


def test_a_snapshot_that_is_old_is_renewed_at_the_next_day(
    database_url: str, connection: Connection
) -> None:
    assert _Fleet(connection).rows(database_url, 0) == (3, 3)


def test_reading_waits_for_no_other_day(
    database_server: Server, database_url: str, connection: Connection
) -> None:
    """Who drops or compresses a day holds up nobody who reads another one."""
    fleet = _Fleet(connection)
    (chunk,) = connection.execute(
        "SELECT c.chunk_schema || '.' || c.chunk_name FROM timescaledb_information.chunks AS c"
        " WHERE c.hypertable_name = 'meter_reading' ORDER BY c.range_start LIMIT 1"
    ).fetchone() or (None,)
    with psycopg.connect(database_url) as other:
        other.execute(f"LOCK TABLE {chunk} IN ACCESS EXCLUSIVE MODE")
        day = f"{fleet.yesterday + timedelta(days=1):%Y-%m-%d}"
        result = run(database_url, "readings", "--meters", "--from", day)
    assert result.exit_code == 0
    assert result.stdout.count("\n") == 2
