"""The bounds of the quarantine: of each key and in all, and what goes first."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import psycopg
import pytest

from tests.support.quarantine import (
    Refused,
    allow_ahead,
    assert_counted,
    bound,
    keep,
    kept,
    malformed,
    remove_settings,
    replay_due,
)
from tests.support.readings import Connection, meter_history

KILO = b"x" * 1000
AHEAD = datetime.now(UTC) + timedelta(days=1)


def ahead(number: int) -> Refused:
    """A reading whose time comes in a day, of 1,000 bytes."""
    return Refused(number, "future", "ahead", raw=KILO, read_at=AHEAD + timedelta(minutes=number))


@pytest.mark.parametrize("flooding", ["aaaaaaaaaaaa", None])
def test_a_flood_removes_its_own_oldest_and_nobody_elses(
    connection: Connection, flooding: str | None
) -> None:
    bound(connection, max_bytes_per_key=10_000)
    others = [f"{n:012x}" for n in range(5)]
    for other in others:
        keep(connection, malformed(KILO, 0), key_id=other)
    for number in range(30):
        keep(connection, malformed(KILO, number), key_id=flooding)
    assert kept(connection) == {
        **{other: [0] for other in others},
        flooding: list(range(20, 30)),
    }
    assert_counted(connection)


def test_past_the_bound_of_all_whoever_holds_most_loses_its_oldest(connection: Connection) -> None:
    bound(connection, max_bytes=20_000)
    keep(connection, malformed(KILO, 0), key_id="few")
    for key_id in ("most", "more"):
        keep(connection, *[malformed(KILO, n) for n in range(10)], key_id=key_id)
    found = kept(connection)
    assert found["few"] == [0]
    assert sorted((len(found["most"]), len(found["more"]))) == [9, 10]
    for number in range(1, 4):
        keep(connection, malformed(KILO, number), key_id="few")
    found = kept(connection)
    assert found["few"] == [0, 1, 2, 3]
    assert sorted((len(found["most"]), len(found["more"]))) == [8, 8]
    assert found["most"][-1] == found["more"][-1] == 9
    assert_counted(connection)


def test_of_many_small_ones_only_as_many_go_as_have_to(connection: Connection) -> None:
    bound(connection, max_bytes_per_key=5_000)
    keep(connection, *[malformed(b"x", n) for n in range(3_000)])
    keep(connection, malformed(b"x" * 4_500, 3_000))
    assert kept(connection) == {None: list(range(2_500, 3_001))}
    assert_counted(connection)


@pytest.mark.parametrize("bounds", [{"max_bytes_per_key": 999}, {"max_bytes": 999}])
def test_what_is_larger_than_the_bound_by_itself_is_not_kept_and_pushes_nothing_out(
    connection: Connection, bounds: dict[str, int]
) -> None:
    keep(connection, malformed(b"small", 0))
    bound(connection, **bounds)
    keep(connection, malformed(KILO, 1), malformed(b"small", 2))
    assert kept(connection) == {None: [0, 2]}
    assert_counted(connection)


def test_a_bound_that_was_lowered_by_much_is_reached_in_steps(connection: Connection) -> None:
    keep(connection, *[malformed(b"x", n) for n in range(12_000)])
    bound(connection, max_bytes_per_key=100)
    steps = 0
    while len(kept(connection)[None]) > 100:
        keep(connection, malformed(b"x"))
        steps += 1
    assert 1 < steps < 5
    assert_counted(connection)


@pytest.mark.parametrize(
    "change",
    [
        "DELETE FROM telemetry.quarantine WHERE reading_index IN (0, 2)",
        "UPDATE telemetry.quarantine SET raw = 'black' WHERE reading_index = 1",
        "UPDATE telemetry.quarantine SET key_id = 'b' WHERE reading_index = 1",
        "TRUNCATE telemetry.quarantine",
    ],
)
def test_the_counters_are_right_whoever_changes_the_quarantine(
    connection: Connection, change: str
) -> None:
    for key_id in ("a", None):
        keep(connection, *[malformed(KILO, n) for n in range(3)], key_id=key_id)
    connection.execute(change)
    assert_counted(connection)
    keep(connection, malformed(KILO, 3), key_id="a")
    assert_counted(connection)


def test_the_bounds_cannot_be_removed(connection: Connection) -> None:
    for statement in ("DELETE FROM", "TRUNCATE"):
        with pytest.raises(psycopg.Error, match="is refused"):
            connection.execute(f"{statement} telemetry.quarantine_bounds")


def test_without_bounds_nothing_is_kept_and_the_caller_is_told(connection: Connection) -> None:
    keep(connection, malformed(KILO, 0))
    remove_settings(connection, "quarantine_bounds")
    with pytest.raises(psycopg.Error) as error:
        keep(connection, malformed(KILO, 1))
    assert error.value.sqlstate == "WL050"
    assert kept(connection) == {None: [0]}
    # the cure that it names
    connection.execute((error.value.diag.message_hint or "").encode())
    keep(connection, malformed(KILO, 2))
    assert_counted(connection)


def test_what_awaits_its_time_is_removed_neither_for_size_nor_for_age(
    connection: Connection,
) -> None:
    bound(connection, max_bytes_per_key=5_000, max_bytes=12_000)
    keep(connection, malformed(KILO, 9), ahead(0), ahead(1), malformed(KILO, 8), key_id="a")
    connection.execute("UPDATE telemetry.quarantine SET received_at = now() - interval '31 days'")
    for number in range(10, 20):
        keep(connection, malformed(KILO, number), key_id="a")
        keep(connection, *[malformed(KILO, number)] * 2, key_id=f"other-{number}")
    assert kept(connection)["a"][:2] == [0, 1]
    assert_counted(connection)
    allow_ahead(connection, "3 days")
    assert replay_due(connection) == (2, 0, 0)
    assert len(meter_history(connection)) == 2
    # from then on they are as all others
    keep(connection, malformed(KILO, 20), key_id="a")
    assert not {0, 1} & set(kept(connection)["a"])


@pytest.mark.parametrize("bounds", [{"max_bytes_per_key": 3_000}, {"max_bytes": 3_000}])
def test_more_that_awaits_its_time_than_the_bound_is_refused_not_lost(
    connection: Connection, bounds: dict[str, int]
) -> None:
    bound(connection, **bounds)
    keep(connection, malformed(KILO, 9), ahead(0), ahead(1), key_id="a")
    # evidence goes first
    keep(connection, ahead(2), key_id="a")
    assert kept(connection) == {"a": [0, 1, 2]}
    with pytest.raises(psycopg.Error) as error:
        keep(connection, ahead(3), malformed(b"x", 4), key_id="a")
    assert error.value.sqlstate == "WL040"
    # evidence is still taken, and goes at once
    keep(connection, malformed(KILO, 5), key_id="a")
    assert kept(connection) == {"a": [0, 1, 2]}
    assert_counted(connection)
    allow_ahead(connection, "3 days")
    assert replay_due(connection) == (3, 0, 0)
    keep(connection, ahead(3), key_id="a")
    assert_counted(connection)


def in_threads(works: list[Callable[[], None]]) -> None:
    """Run all at the same time; raise what any raises."""
    errors: list[BaseException] = []

    def caught(work: Callable[[], None]) -> None:
        try:
            work()
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=caught, args=[work]) for work in works]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if errors:
        raise errors[0]


def test_all_who_keep_remove_and_replay_at_once_get_on_without_a_deadlock(
    connection: Connection, database_url: str
) -> None:
    # whoever comes removes something of somebody else's
    bound(connection, max_bytes_per_key=8_000, max_bytes=15_000)

    def sessions(statement: Callable[[Connection, int], object]) -> Callable[[], None]:
        def work() -> None:
            with psycopg.connect(database_url, autocommit=True) as session:
                for number in range(40):
                    statement(session, number)

        return work

    def keeper(key_id: str) -> Callable[[], None]:
        return sessions(
            lambda session, n: keep(
                session,
                malformed(KILO, n),
                Refused(n, device_id=f"{key_id}-{n}", raw=KILO),
                key_id=key_id,
            )
        )

    def replays(session: Connection, _: int) -> None:
        session.execute("SELECT * FROM ops.replay_quarantine()").fetchall()

    def by_hand(session: Connection, number: int) -> None:
        third = number % 3
        session.execute(f"DELETE FROM telemetry.quarantine WHERE reading_index % 3 = {third}")

    in_threads(
        [
            *[keeper(key_id) for key_id in ("a", "b", "c")],
            sessions(replays),
            sessions(replays),
            sessions(by_hand),
        ]
    )
    assert_counted(connection)
    sizes = connection.execute("SELECT kept_bytes FROM telemetry.quarantine_share").fetchall()
    assert all(size <= 8_000 for (size,) in sizes)


def test_who_removes_rows_by_hand_waits_for_the_counters_before_any_row(
    connection: Connection, database_url: str
) -> None:
    keep(connection, malformed(KILO, 0))
    with psycopg.connect(database_url) as other:
        other.execute("SELECT FROM telemetry.quarantine_bounds FOR UPDATE")
        connection.execute("SET lock_timeout = '50ms'")
        with pytest.raises(psycopg.errors.LockNotAvailable) as error:
            connection.execute("DELETE FROM telemetry.quarantine")
    assert "lock_quarantine_bounds" in (error.value.diag.context or "")
