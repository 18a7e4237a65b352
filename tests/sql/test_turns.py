"""One session at a time keeps history in shape; one that failed, or is gone, is in nobody's way."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import psycopg
import pytest

from tests.support.readings import Connection


@pytest.fixture
def other(database_url: str) -> Iterator[Connection]:
    with psycopg.connect(database_url, autocommit=True) as opened:
        yield opened


def try_turn(db: Connection) -> bool:
    row = db.execute("SELECT telemetry.try_turn('a test')").fetchone()
    assert row is not None
    return row[0]


def gets_turn(db: Connection) -> bool:
    """Whether a session gets its turn, asked again: an idle one may be seen for a moment as it
    takes in what changed in the server's catalogs, which is a transaction too."""
    return any(try_turn(db) for _ in range(10))


def test_a_session_at_work_keeps_its_turn_and_an_idle_one_does_not(
    connection: Connection, other: Connection
) -> None:
    with connection.transaction():
        assert try_turn(connection)
        # not committed yet: others cannot know, and do not wait
        assert not try_turn(other)
    # idle, as after an error
    assert gets_turn(other)
    assert gets_turn(connection)
    with connection.transaction():
        connection.execute("SELECT 1")
        assert not try_turn(other)
        assert try_turn(connection)
    connection.execute("SELECT telemetry.end_turn()")
    assert gets_turn(other)


def test_the_turn_of_a_session_that_is_gone_is_free(
    database_url: str, connection: Connection
) -> None:
    with psycopg.connect(database_url, autocommit=True) as gone:
        assert try_turn(gone)
    assert gets_turn(connection)


def test_a_turn_from_before_the_server_started_is_free(
    connection: Connection, other: Connection
) -> None:
    with other.transaction():
        other.execute("SELECT 1")
        # another session has the number of one that is gone
        connection.execute(
            "UPDATE telemetry.turn SET pid = %s,"
            " server_started_at = pg_postmaster_start_time() - INTERVAL '1 second'",
            other.execute("SELECT pg_backend_pid()").fetchone(),
        )
        assert try_turn(connection)


def test_whoever_waits_too_long_is_told_for_whom(connection: Connection, other: Connection) -> None:
    assert gets_turn(other)
    with other.transaction():
        other.execute("SELECT 1")
        with pytest.raises(psycopg.Error, match="is still at it: a test") as raised:
            connection.execute("CALL telemetry.take_turn('another', INTERVAL '0')")
        assert raised.value.sqlstate == "WL024"
    # an idle one may be seen for a moment: see gets_turn
    connection.execute("CALL telemetry.take_turn('another', INTERVAL '10 seconds')")


def test_ending_a_turn_leaves_that_of_another(connection: Connection, other: Connection) -> None:
    assert gets_turn(other)
    with other.transaction():
        other.execute("SELECT 1")
        connection.execute("SELECT telemetry.end_turn()")
        assert not try_turn(connection)


def test_long_work_lets_others_have_their_turn(
    connection: Connection, other: Connection, database_url: str
) -> None:
    assert gets_turn(connection)
    kept = "SELECT pid FROM telemetry.turn"
    before = connection.execute(kept).fetchone()
    # a moment is no long time
    connection.execute("CALL telemetry.yield_turn()")
    assert connection.execute(kept).fetchone() == before
    connection.execute("UPDATE telemetry.turn SET taken_at = taken_at - INTERVAL '61 seconds'")

    def wait_for_it() -> None:
        with psycopg.connect(database_url, autocommit=True) as opened:
            opened.execute("CALL telemetry.take_turn('waiting', INTERVAL '50 seconds')")
            opened.execute("SELECT telemetry.end_turn()")

    waiting = threading.Thread(target=wait_for_it)
    waiting.start()
    connection.execute("CALL telemetry.yield_turn()")
    waiting.join(60)
    assert not waiting.is_alive()
    # whoever came first, both had it
    assert gets_turn(connection)
    assert gets_turn(other)
