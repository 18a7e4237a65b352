"""Readings that come again while chunks are dropped: neither waits for the other in a circle."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import datetime, timedelta
from itertools import count, takewhile
from random import Random
from typing import Any

import psycopg
import pytest

from tests.support.readings import (
    NOW,
    Connection,
    MeterReading,
    VehicleReading,
    ingest_meters,
    ingest_vehicles,
)

DAY = timedelta(days=1)
NOON = NOW.replace(hour=12, minute=0)
DAYS = 24
# the chunks that are dropped and made again
OLD = 6
ROUNDS = 6
WRITERS = 3
SIDES: dict[str, tuple[Callable[..., Any], Any]] = {
    "meter": (ingest_meters, MeterReading),
    "vehicle": (ingest_vehicles, VehicleReading),
}


def times(first: int = 1, last: int = DAYS) -> list[datetime]:
    return [NOON - day * DAY for day in range(first, last + 1)]


def compress(connection: Connection, side: str) -> None:
    """Move the chunks of a week ago to the columnstore, where there is one."""
    if connection.execute("SELECT telemetry.has_policies()").fetchone() == (True,):
        connection.execute(
            "SELECT public.compress_chunk(c, if_not_compressed => true) FROM public.show_chunks("
            f"'telemetry.{side}_reading', older_than => now() - INTERVAL '7 days') AS c"
        )


def fill(connection: Connection, side: str) -> None:
    ingest, kind = SIDES[side]
    assert ingest(connection, [kind("here", ts) for ts in times()]) == []
    compress(connection, side)


def waits(connection: Connection, pid: int) -> bool:
    row = connection.execute(
        "SELECT count(*) FROM pg_locks WHERE pid = %s AND NOT granted", [pid]
    ).fetchone()
    return row is not None and row[0] > 0


def drop_oldest(connection: Connection, side: str) -> None:
    connection.execute(
        f"SELECT public.drop_chunks('telemetry.{side}_reading', older_than => %s::timestamptz)",
        [NOON.replace(hour=0) - (DAYS - OLD) * DAY],
    )


@pytest.mark.parametrize("side", list(SIDES))
def test_readings_that_come_again_wait_for_no_drop_of_other_days(
    connection: Connection, database_url: str, side: str
) -> None:
    ingest, kind = SIDES[side]
    fill(connection, side)
    with psycopg.connect(database_url) as dropper:
        drop_oldest(dropper, side)
        connection.execute("SET lock_timeout = '5s'")
        answers = ingest(connection, [kind("here", ts, 0.7) for ts in times(1, 10)])
    assert [answer.outcome for answer in answers] == ["conflict"] * 10


@pytest.mark.parametrize("side", list(SIDES))
def test_what_is_accepted_is_read_once_the_writers_lock_is_held(
    connection: Connection, database_url: str, side: str
) -> None:
    ingest, kind = SIDES[side]
    fill(connection, side)
    with (
        psycopg.connect(database_url, autocommit=True) as writer,
        ThreadPoolExecutor(1) as pool,
    ):
        with connection.transaction():
            connection.execute(f"LOCK TABLE ONLY telemetry.{side}_reading IN SHARE MODE")
            answer = pool.submit(ingest, writer, [kind("late", NOON - 20 * DAY)])
            deadline = time.monotonic() + 60
            while not waits(connection, writer.info.backend_pid):
                assert time.monotonic() < deadline, "it did not come so far"
                time.sleep(0.01)
            connection.execute(
                "UPDATE telemetry.dataset SET accepted_since = %s WHERE dataset = %s",
                [NOON - 10 * DAY, f"{side}_reading"],
            )
        assert [one.outcome for one in answer.result(60)] == ["too_old"]


def send_again(stop: threading.Event, url: str, side: str, writer: int) -> Counter[str]:
    """Conflicting readings of many days at once, with a new one among them."""
    ingest, kind = SIDES[side]
    chance = Random(writer)
    found: Counter[str] = Counter()
    with psycopg.connect(url, autocommit=True) as connection:
        for turn in takewhile(lambda _: not stop.is_set(), count()):
            sent = [kind("here", ts, 0.7) for ts in chance.sample(times(), 8)]
            sent.insert(4, kind(f"new-{writer}", NOON - DAY + timedelta(seconds=turn)))
            answers = ingest(connection, sent)
            assert 4 not in [answer.index for answer in answers]
            found.update(answer.outcome for answer in answers)
    return found


@contextmanager
def closed(connection: Connection, side: str) -> Iterator[None]:
    """What is to be dropped is accepted no more, and nobody is left who thinks otherwise."""
    update = "UPDATE telemetry.dataset SET accepted_since = %s WHERE dataset = %s"
    connection.execute(update, [NOON - (DAYS - OLD) * DAY, f"{side}_reading"])
    with connection.transaction():
        connection.execute(f"LOCK TABLE ONLY telemetry.{side}_reading IN SHARE MODE")
    yield
    connection.execute(update, ["-infinity", f"{side}_reading"])


@pytest.mark.parametrize("side", list(SIDES))
def test_no_group_is_given_up_while_chunks_are_dropped_and_made(
    connection: Connection, database_url: str, side: str
) -> None:
    fill(connection, side)
    # whoever is in a circle with the drop would be the one to be given up
    connection.execute("SET deadlock_timeout = '30s'")
    stop = threading.Event()
    with ThreadPoolExecutor(WRITERS) as pool:
        writers = [
            pool.submit(send_again, stop, database_url, side, n) for n in range(1, WRITERS + 1)
        ]
        try:
            for _ in range(ROUNDS):
                with closed(connection, side):
                    assert not any(writer.done() for writer in writers)
                    drop_oldest(connection, side)
                    # not by the way of devices, to which these days are closed
                    connection.execute(
                        f"INSERT INTO telemetry.{side}_reading ({side}_id, ts, energy_mwh)"
                        " SELECT 'here', ts, 420000 FROM unnest(%s::timestamptz[]) AS t (ts)",
                        [times(DAYS - OLD + 1)],
                    )
                    compress(connection, side)
        finally:
            stop.set()
        found = sum((writer.result(60) for writer in writers), Counter[str]())
    assert set(found) == {"conflict", "too_old"}
