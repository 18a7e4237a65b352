"""A file is whole under its name, or not there, whatever happens meanwhile."""

from __future__ import annotations

import csv
import gzip
import os
import resource
import signal
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest
from backports import zstd

from service.exports.place import destination
from tests.exports.running import exported, fill, run
from tests.support.http import wait_for
from tests.support.process import COMMAND, end
from tests.support.readings import Connection
from tests.support.server import Server

# of which a pipe that nobody reads holds a part
MANY = """
    INSERT INTO telemetry.meter_reading (meter_id, ts, energy_mwh)
    SELECT 'M-' || n % 10, date_trunc('day', now(), 'UTC') - INTERVAL '30 hours'
        + n * INTERVAL '1 second', n
    FROM generate_series(1, 60000) AS s (n)
"""


def fill_many(db: Connection) -> None:
    db.execute(MANY)


@pytest.fixture
def many(database_server: Server) -> Iterator[str]:
    """A database with more than a pipe or a buffer holds."""
    with database_server.clone_filled(fill_many) as url:
        yield url


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Where to export to: what was there before is still whole."""
    path = tmp_path / "readings.csv"
    path.write_text("before")
    return path


@contextmanager
def started(url: str, *arguments: str, **options: object) -> Iterator[subprocess.Popen[bytes]]:
    """An export as a process of its own."""
    process = subprocess.Popen(
        [COMMAND, "export", "readings", "--meters", *arguments],
        env={**os.environ, "DATABASE_URL": url},
        stderr=subprocess.PIPE,
        **options,  # pyright: ignore
    )
    # which closes its pipes
    with process:
        try:
            yield process
        finally:
            end(process)


def holding(db: Connection) -> None:
    """Let nobody read the last day's readings until the transaction ends."""
    (chunk,) = db.execute(
        "SELECT c.chunk_schema || '.' || c.chunk_name FROM timescaledb_information.chunks AS c"
        " WHERE c.hypertable_name = 'meter_reading' ORDER BY c.range_start DESC LIMIT 1"
    ).fetchone() or (None,)
    db.execute(f"LOCK TABLE {chunk} IN ACCESS EXCLUSIVE MODE")


def files(file: Path) -> set[str]:
    return {path.name for path in file.parent.iterdir()}


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_one_that_is_asked_to_end_leaves_what_was_there(
    many: str, file: Path, number: signal.Signals
) -> None:
    with psycopg.connect(many) as db:
        holding(db)
        with started(many, "--output", str(file)) as process:
            wait_for(lambda: (file.parent / "readings.csv.part").exists())
            process.send_signal(number)
            assert process.wait(20) == 1
    assert files(file) == {"readings.csv"}
    assert file.read_text() == "before"


def test_one_that_is_killed_is_followed_by_a_whole_one(many: str, file: Path) -> None:
    part = file.parent / "readings.csv.part"
    with psycopg.connect(many) as db:
        holding(db)
        with started(many, "--output", str(file)) as process:
            wait_for(part.exists)
            process.kill()
            process.wait()
    assert file.read_text() == "before"
    assert run(many, "readings", "--meters", "--output", str(file)).exit_code == 0
    assert files(file) == {"readings.csv"}
    assert file.read_text() == exported(many, "readings", "--meters")


def test_two_do_not_write_to_one_file(many: str, file: Path) -> None:
    with psycopg.connect(many) as db:
        holding(db)
        with started(many, "--output", str(file)) as process:
            wait_for(lambda: (file.parent / "readings.csv.part").exists())
            second = run(many, "readings", "--meters", "--output", str(file))
            assert second.exit_code == 1
            assert "another export writes to readings.csv.part" in second.stderr
            db.rollback()
            assert process.wait(60) == 0
    assert file.read_text() == exported(many, "readings", "--meters")


def test_a_lost_connection_leaves_what_was_there(many: str, file: Path) -> None:
    with psycopg.connect(many) as db:
        holding(db)
        with started(many, "--output", str(file)) as process:
            wait_for(lambda: (file.parent / "readings.csv.part").exists())
            db.execute(
                "SELECT pg_terminate_backend(a.pid) FROM pg_stat_activity AS a"
                " WHERE a.datname = current_database() AND a.pid <> pg_backend_pid()"
            )
            assert process.wait(20) == 1
            assert process.stderr is not None
            assert process.stderr.read().startswith(b"Error: terminating connection")
    assert files(file) == {"readings.csv"}
    assert file.read_text() == "before"


def test_a_full_disk_leaves_what_was_there(many: str, file: Path) -> None:
    def bound() -> None:
        # the file may not grow further, as on a disk that is full
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (500_000, 500_000))

    with started(many, "--output", str(file), preexec_fn=bound) as process:
        assert process.wait(60) == 1
        assert process.stderr is not None
        assert b"nothing was exported: [Errno 27] File too large" in process.stderr.read()
    assert files(file) == {"readings.csv"}
    assert file.read_text() == "before"


def test_a_directory_that_is_not_there_is_told(many: str, tmp_path: Path) -> None:
    result = run(many, "readings", "--meters", "--output", str(tmp_path / "none" / "a.csv"))
    assert result.exit_code == 1
    assert "No such file or directory" in result.stderr


def test_whoever_reads_a_pipe_may_have_enough(many: str) -> None:
    with started(many, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline().startswith(b"meterId,")
        process.stdout.close()
        assert process.wait(20) == 1
        assert process.stderr is not None
        assert b"Traceback" not in process.stderr.read()


def test_a_named_pipe_is_written_to_as_it_is(many: str, tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    read: list[str] = []
    reader = threading.Thread(target=lambda: read.append(pipe.read_text()))
    reader.start()
    assert run(many, "readings", "--meters", "--output", str(pipe)).exit_code == 0
    reader.join(20)
    assert read == [exported(many, "readings", "--meters")]


def test_a_link_stays_and_so_does_the_mode_of_what_it_points_to(
    database_url: str, tmp_path: Path
) -> None:
    there, link = tmp_path / "there.csv", tmp_path / "link.csv"
    there.write_text("before")
    there.chmod(0o600)
    link.symlink_to(there)
    assert run(database_url, "sessions", "--output", str(link)).exit_code == 0
    assert link.is_symlink()
    assert there.read_text().startswith("meter_id,")
    assert there.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize(
    ("name", "options", "unpacked"),
    [
        ("a.csv.gz", (), gzip.decompress),
        ("a.csv.zst", (), zstd.decompress),
        ("a.csv", ("--compress", "gzip"), gzip.decompress),
        ("A.CSV.GZ", (), gzip.decompress),
        ("a", ("--compress", "zstd"), zstd.decompress),
    ],
)
def test_a_name_or_an_option_has_it_compressed(
    database_url: str,
    tmp_path: Path,
    name: str,
    options: tuple[str, ...],
    unpacked: Callable[[bytes], bytes],
) -> None:
    with psycopg.connect(database_url, autocommit=True) as db:
        fill(db)
    path = tmp_path / name
    asked = ("hours", "--meters")
    assert run(database_url, *asked, "--output", str(path), *options).exit_code == 0
    text = unpacked(path.read_bytes()).decode()
    assert text == exported(database_url, *asked)
    assert len(list(csv.reader(text.split("\n")))) > 30


def test_what_fails_while_it_is_written_removes_the_part(tmp_path: Path) -> None:
    def fail() -> None:
        with destination(tmp_path / "a.csv", "gzip") as file:
            file.write(b"1")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert list(tmp_path.iterdir()) == []
