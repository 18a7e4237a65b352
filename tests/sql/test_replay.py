"""Refused readings sent again: beside others who work, in pieces, and each one once."""

from __future__ import annotations

import threading
import time
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
    replay,
    replay_due,
)
from tests.support.readings import NOW, Connection, MeterReading, ingest_meters, meter_history

AHEAD = datetime.now(UTC) + timedelta(hours=1)
POISON = """
CREATE FUNCTION telemetry.refuse_poison() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF new.energy_mwh = 13000000 THEN
        RAISE EXCEPTION 'poison' USING ERRCODE = 'check_violation';
    END IF;
    RETURN new;
END $$;
CREATE TRIGGER refuse_poison BEFORE INSERT ON telemetry.meter_reading
FOR EACH ROW EXECUTE FUNCTION telemetry.refuse_poison();
"""


@pytest.fixture
def chunks(connection: Connection) -> None:
    """Chunks for all readings of a test: whoever makes one holds up all others."""
    allow_ahead(connection, "2 hours")
    ingest_meters(connection, [MeterReading("seed", NOW), MeterReading("seed", AHEAD)])
    allow_ahead(connection, "5 minutes")


def stored(connection: Connection) -> list[str]:
    """The devices of all stored readings but those that made the chunks."""
    return [row[0] for row in meter_history(connection) if row[0] != "seed"]


def replayed(connection: Connection) -> list[str]:
    """The devices whose readings were stored after all, in order of arrival."""
    rows = connection.execute(
        "SELECT device_id FROM telemetry.quarantine WHERE replayed_at IS NOT NULL"
        " ORDER BY quarantine_id"
    )
    return [row[0] for row in rows]


def ahead(number: int = 0, energy_kwh: float = 0.42) -> Refused:
    """A reading whose time comes in an hour, and a second more for each number."""
    return Refused(
        number,
        "future",
        "ahead",
        device_id=f"M-{number}",
        read_at=AHEAD + timedelta(seconds=number),
        energy_kwh=energy_kwh,
    )


@pytest.mark.usefixtures("chunks")
class TestBesideOthers:
    """What others may do while a replay is held open in another session."""

    @pytest.fixture
    def other(self, database_url: str) -> psycopg.Connection[tuple[object, ...]]:
        """A session that waits for no lock."""
        opened = psycopg.connect(database_url, autocommit=True)
        opened.execute("SET lock_timeout = '3s'")
        return opened

    def test_a_refused_reading_is_kept_at_once(
        self, connection: Connection, other: Connection
    ) -> None:
        bound(connection, max_bytes_per_key=1_000, max_bytes=1_500)
        keep(connection, *[Refused(n, device_id=f"M-{n}", raw=b"x" * 100) for n in range(10)])
        with other, connection.transaction():
            assert replay(connection, most=5) == ["accepted"] * 5
            # also where that removes the oldest: what the replay holds is passed over
            keep(other, malformed(b"x" * 100, 10), malformed(b"x" * 300, 11))
            assert kept(other) == {None: [0, 1, 2, 3, 4, 9, 10, 11]}
            assert replayed(other) == []
        assert replayed(connection) == [f"M-{n}" for n in range(5)]
        keep(connection, malformed(b"x" * 500, 12))
        assert kept(connection) == {None: [9, 10, 11, 12]}
        assert_counted(connection)

    def test_two_replays_send_each_reading_once(
        self, connection: Connection, other: Connection
    ) -> None:
        keep(connection, *[Refused(n, device_id=f"M-{n}") for n in range(5)])
        with other:
            with connection.transaction():
                assert len(replay(connection, most=2)) == 2
                assert len(replay(other)) == 3
                assert replay(other) == []
            assert replay(other) == []
        assert len(stored(connection)) == len(replayed(connection)) == 5

    def test_of_several_services_one_stores_what_is_due(
        self, connection: Connection, other: Connection
    ) -> None:
        keep(connection, *[ahead(n) for n in range(5)])
        allow_ahead(connection, "2 hours")
        with other:
            with connection.transaction():
                assert replay_due(connection, 2) == (2, 0, 0)
                assert replay_due(other) == (0, 0, 0)
            assert replay_due(other) == (3, 0, 0)
        assert len(stored(connection)) == 5

    def test_what_is_due_is_left_to_the_replay_that_holds_it(
        self, connection: Connection, other: Connection
    ) -> None:
        keep(connection, *[ahead(n) for n in range(5)])
        allow_ahead(connection, "2 hours")
        with other:
            with connection.transaction():
                assert replay(connection, most=2) == ["accepted"] * 2
                assert replay_due(other) == (3, 0, 0)
            assert replay_due(other) == (0, 0, 0)
        assert len(stored(connection)) == 5


class TestInPieces:
    """A replay that commits as it goes."""

    def test_all_are_sent_and_each_piece_is_told(self, connection: Connection) -> None:
        keep(
            connection,
            *[
                Refused(n, device_id=f"M-{n}", energy_kwh=5000.0 if n % 3 == 0 else 1.0)
                for n in range(7)
            ],
        )
        told: list[str] = []
        connection.add_notice_handler(lambda notice: told.append(notice.message_primary or ""))
        connection.execute("CALL ops.replay_quarantine_in_pieces(piece => 3)")
        assert [text.partition(": ")[2] for text in told] == [
            "2 accepted, 0 duplicates, 1 refused again",
            "2 accepted, 0 duplicates, 1 refused again",
            "0 accepted, 0 duplicates, 1 refused again",
        ]
        assert len(meter_history(connection)) == 4
        connection.execute("CALL ops.replay_quarantine_in_pieces(reason => 'conflict')")
        assert len(told) == 3

    @pytest.mark.usefixtures("chunks")
    def test_a_replay_that_is_killed_loses_nothing_and_goes_on_where_it_was(
        self, connection: Connection, database_url: str
    ) -> None:
        keep(connection, *[Refused(n, device_id=f"M-{n}") for n in range(4)])
        killed: list[str | None] = []

        def replay_until_killed(session: Connection) -> None:
            try:
                session.execute("CALL ops.replay_quarantine_in_pieces(piece => 1)")
            except psycopg.OperationalError as error:
                killed.append(error.sqlstate)

        with psycopg.connect(database_url) as blocker, psycopg.connect(database_url) as session:
            session.autocommit = True
            # the third piece waits for this reading
            ingest_meters(blocker, [MeterReading("M-2", NOW, 0.42, 230.0)])
            thread = threading.Thread(target=replay_until_killed, args=[session])
            thread.start()
            deadline = time.monotonic() + 20
            while connection.execute(
                "SELECT cardinality(pg_blocking_pids(%s)) > 0", [session.info.backend_pid]
            ).fetchone() != (True,):
                assert time.monotonic() < deadline
                time.sleep(0.02)
            connection.execute("SELECT pg_terminate_backend(%s, 10000)", [session.info.backend_pid])
            thread.join()
            blocker.rollback()
        assert killed == ["57P01"]
        assert replayed(connection) == stored(connection) == ["M-0", "M-1"]
        connection.execute("CALL ops.replay_quarantine_in_pieces()")
        assert replayed(connection) == stored(connection) == ["M-0", "M-1", "M-2", "M-3"]

    def test_a_call_sends_so_many_and_warns_where_there_is_more(
        self, connection: Connection
    ) -> None:
        keep(connection, *[Refused(n, device_id=f"M-{n}", energy_kwh=5000.0) for n in range(5)])
        told: list[str] = []
        connection.add_notice_handler(lambda notice: told.append(notice.message_hint or ""))
        assert replay(connection, most=3) == ["out_of_range"] * 3
        [hint] = told
        after = int(hint.split("after => ")[1].split(",")[0])
        assert replay(connection, most=3, after=after) == ["out_of_range"] * 2
        assert len(told) == 1

    def test_a_reading_that_the_database_cannot_store_stops_no_other(
        self, connection: Connection
    ) -> None:
        connection.execute(POISON)
        keep(
            connection,
            *[Refused(n, device_id=f"M-{n}", energy_kwh=13.0 if n == 2 else 1.0) for n in range(7)],
        )
        connection.execute("CALL ops.replay_quarantine_in_pieces()")
        assert replayed(connection) == [f"M-{n}" for n in range(7) if n != 2]


class TestWhatIsDue:
    """Readings that were ahead of the clock."""

    def test_a_reading_is_stored_once_its_time_has_come(self, connection: Connection) -> None:
        [(place, detail)] = keep(connection, Refused(), ahead())
        assert place == 1
        assert detail.endswith("; this reading is kept, and stored when its time has come")
        assert replay_due(connection) == (0, 0, 0)
        assert meter_history(connection) == []
        allow_ahead(connection, "2 hours")
        assert replay_due(connection) == (1, 0, 0)
        assert replay_due(connection) == (0, 0, 0)
        assert meter_history(connection) == [("M-0", AHEAD, 0, 420_000, 230_000)]
        assert connection.execute(
            "SELECT reason, detail, awaits_time, replayed_at IS NOT NULL FROM ops.quarantine"
            " WHERE device_id = 'M-0'"
        ).fetchall() == [("future", detail, False, True)]

    def test_what_the_device_sent_again_meanwhile_is_a_duplicate(
        self, connection: Connection
    ) -> None:
        keep(connection, ahead(1), ahead(1), ahead(2))
        allow_ahead(connection, "2 hours")
        ingest_meters(connection, [MeterReading("M-1", AHEAD + timedelta(seconds=1))])
        assert replay_due(connection) == (1, 2, 0)
        assert replayed(connection) == ["M-1", "M-1", "M-2"]
        assert len(meter_history(connection)) == 2

    def test_what_is_refused_for_another_reason_has_that_reason_and_is_not_tried_again(
        self, connection: Connection
    ) -> None:
        keep(connection, ahead(1, energy_kwh=5000.0), ahead(2), ahead(2, energy_kwh=9.0))
        allow_ahead(connection, "2 hours")
        assert replay_due(connection) == (1, 0, 2)
        assert replay_due(connection) == (0, 0, 0)
        rows = connection.execute(
            "SELECT reason, detail FROM ops.quarantine WHERE replayed_at IS NULL"
            " ORDER BY quarantine_id"
        ).fetchall()
        assert [reason for reason, _ in rows] == ["out_of_range", "conflict"]
        assert "allowed is 0 to 1000" in rows[0][1]
        assert "the first reading stands" in rows[1][1]
        # a widened limit brings it in as any other
        connection.execute("UPDATE telemetry.limits SET maximum = 6000")
        assert replay(connection, reason="out_of_range") == ["accepted"]

    def test_the_earliest_come_first_in_pieces(self, connection: Connection) -> None:
        keep(connection, *[ahead(n) for n in (3, 1, 2, 0)])
        allow_ahead(connection, "2 hours")
        assert replay_due(connection, 2) == (2, 0, 0)
        assert [row[0] for row in meter_history(connection)] == ["M-0", "M-1"]
        assert replay_due(connection, 2) == (2, 0, 0)
        assert replay_due(connection, 2) == (0, 0, 0)

    def test_what_is_further_ahead_than_anything_is_kept_waits_for_nothing(
        self, connection: Connection
    ) -> None:
        far = ahead()._replace(read_at=datetime.now(UTC) + timedelta(days=40))
        [(_, detail)] = keep(connection, far)
        assert detail.endswith("; this reading is too far ahead to be stored later")
        allow_ahead(connection, "50 days")
        assert replay_due(connection) == (0, 0, 0)
        assert replay(connection, reason="future") == ["accepted"]

    def test_a_replay_before_its_time_leaves_it_as_it_is(self, connection: Connection) -> None:
        keep(connection, ahead())
        assert replay(connection) == ["future"]
        allow_ahead(connection, "2 hours")
        assert replay_due(connection) == (1, 0, 0)

    def test_a_reading_that_the_database_cannot_store_is_put_aside(
        self, connection: Connection
    ) -> None:
        connection.execute(POISON)
        keep(connection, *[ahead(n, energy_kwh=13.0 if n == 2 else 1.0) for n in range(7)])
        allow_ahead(connection, "2 hours")
        total = [0, 0, 0]
        while any(told := replay_due(connection)):
            total = [a + b for a, b in zip(total, told, strict=True)]
        assert total == [6, 0, 1]
        assert connection.execute(
            "SELECT device_id, detail FROM ops.quarantine WHERE reason = 'malformed'"
        ).fetchall() == [("M-2", "the database cannot store it: poison")]

    def test_what_passes_is_raised_and_the_reading_waits_on(
        self, connection: Connection, database_url: str
    ) -> None:
        keep(connection, ahead())
        allow_ahead(connection, "2 hours")
        with psycopg.connect(database_url) as blocker:
            blocker.execute("LOCK TABLE telemetry.meter_state IN ACCESS EXCLUSIVE MODE")
            connection.execute("SET lock_timeout = '50ms'")
            with pytest.raises(psycopg.errors.LockNotAvailable):
                replay_due(connection)
        assert replay_due(connection) == (1, 0, 0)

    def test_without_rules_of_time_nothing_is_taken_for_not_due(
        self, connection: Connection
    ) -> None:
        remove_settings(connection, "rules")
        with pytest.raises(psycopg.Error) as error:
            replay_due(connection)
        assert error.value.sqlstate == "WL050"
