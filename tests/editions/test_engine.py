"""The Community engine of tests goes back to its snapshot wholly."""

from __future__ import annotations

import psycopg

from tests.support.community import Engine
from tests.support.readings import Connection, MeterReading, ingest_meters, link

STORED = """
SELECT
    (SELECT count(*) FROM telemetry.meter_reading),
    (SELECT count(*) FROM telemetry.meter_state),
    (SELECT count(*) FROM telemetry.charging_link)
"""


def test_what_was_written_before_a_reset_never_comes_back(engine: Engine) -> None:
    for _ in range(2):
        engine.reset()
        with psycopg.connect(engine.url, autocommit=True) as db:
            db.execute("SET enable_indexscan = off; SET enable_bitmapscan = off")
            # transactions of before would count as committed once their numbers are used again
            for _ in range(200):
                db.execute("SELECT pg_current_xact_id()")
            assert db.execute(STORED).fetchone() == (0, 0, 0)
            link(db)
            ingest_meters(db, [MeterReading()])
            # into the files, some of which were empty
            db.execute("CHECKPOINT")
            assert db.execute(STORED).fetchone() == (1, 1, 1)


def one_reading(db: Connection) -> None:
    link(db)
    ingest_meters(db, [MeterReading()])


def two_readings(db: Connection) -> None:
    one_reading(db)
    ingest_meters(db, [MeterReading("M-2")])


def test_what_was_filled_is_there_for_each_who_asks_for_it_and_for_no_other(
    engine: Engine,
) -> None:
    def stored() -> tuple[int, ...] | None:
        with psycopg.connect(engine.url, autocommit=True) as db:
            found = db.execute(STORED).fetchone()
            ingest_meters(db, [MeterReading("M-3"), MeterReading("M-4")])
        return found

    for fill, expected in (one_reading, 1), (one_reading, 1), (two_readings, 2), (one_reading, 1):
        engine.reset_filled(fill)
        assert stored() == (expected, expected, 1)
        engine.reset()
        assert stored() == (0, 0, 0)
