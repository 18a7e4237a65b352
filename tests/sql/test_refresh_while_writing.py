"""Rollups that are computed anew, or dropped in part, while devices go on writing."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from itertools import count, takewhile

import psycopg

from tests.editions.test_ops import run_refresh_jobs
from tests.support import rollups
from tests.support.readings import (
    NOW,
    Connection,
    MeterReading,
    VehicleReading,
    ingest_meters,
    ingest_vehicles,
)

ROUNDS = 4
WRITERS = 3


def write_until(stop: threading.Event, url: str, writer: int) -> int:
    """Readings of the last two days, of devices that all writers share; return how many."""
    written = 0
    with psycopg.connect(url, autocommit=True) as connection:
        for turn in takewhile(lambda _: not stop.is_set(), count()):
            # no two writers have a time in common, and each has them in another order
            times = [
                NOW - timedelta(minutes=minute * (-1) ** writer % 2880, seconds=writer + turn % 50)
                for minute in range(turn, turn + 40, 8)
            ]
            ids = ["A", "B", "C", "D"][:: 1 if writer % 2 else -1]
            meters = [MeterReading(one, ts, 0.1) for ts in times for one in ids]
            vehicles = [VehicleReading(one, ts, 0.1) for ts in times for one in ids]
            for sent, answers in (
                (meters, ingest_meters(connection, meters)),
                (vehicles, ingest_vehicles(connection, vehicles)),
            ):
                assert {answer.outcome for answer in answers} <= {"duplicate"}
                written += len(sent) - len(answers)
                # as fast as they can they would fill days faster than charging of a day is kept
                stop.wait(0.02)
    return written


def test_refreshing_and_dropping_while_devices_write_loses_no_increment(
    connection: Connection, database_url: str
) -> None:
    old = NOW - timedelta(days=40)
    ingest_meters(connection, [MeterReading("old", old)])
    stop = threading.Event()
    with ThreadPoolExecutor(WRITERS) as pool:
        writers = [pool.submit(write_until, stop, database_url, n) for n in range(WRITERS)]
        try:
            for _ in range(ROUNDS):
                connection.execute("CALL ops.refresh(now() - interval '3 days', now())")
                connection.execute("CALL ops.maintain()")
            connection.execute(
                "SELECT * FROM ops.set_retention('meter_reading', '30 days', confirm => true)"
            )
            connection.execute("CALL ops.maintain()")
        finally:
            stop.set()
        # a deadlock would be raised here
        written = sum(writer.result(60) for writer in writers)
    assert written > 0
    # what came late since the last refresh is in the hours at the next one, where there are jobs
    run_refresh_jobs(connection)
    totals = connection.execute(
        "SELECT (SELECT sum(samples) FROM bi.meter_energy_hourly WHERE meter_id <> 'old')"
        " + (SELECT sum(samples) FROM bi.vehicle_energy_daily)"
    ).fetchone()
    assert totals == (written,)
    # what was dropped still counts, and is all that the raw readings do not tell
    differences = rollups.differences(connection)
    assert differences
    assert [found for found in differences if "old" not in found[1]] == []
