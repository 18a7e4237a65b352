"""Writers of one device take turns by its state, and lock states in one order."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import psycopg
import pytest

from tests.sql.test_chunk_locks import wait_until, waits
from tests.support.readings import (
    NOW,
    Connection,
    MeterReading,
    VehicleReading,
    ingest_meters,
    ingest_vehicles,
)

MINUTE = timedelta(minutes=1)
# of one hour, so that groups in order are of the usual kind
SINCE = NOW.replace(minute=0) - timedelta(hours=3)
SIDES: dict[str, tuple[Callable[..., list[Any]], Callable[..., Any]]] = {
    "meter": (ingest_meters, MeterReading),
    "vehicle": (ingest_vehicles, VehicleReading),
}


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(3) as opened:
        yield opened


@pytest.fixture
def others(database_url: str) -> Iterator[list[Connection]]:
    with (
        psycopg.connect(database_url, autocommit=True) as one,
        psycopg.connect(database_url, autocommit=True) as another,
        psycopg.connect(database_url, autocommit=True) as third,
    ):
        yield [one, another, third]


def minutes(*numbers: int) -> list[timedelta]:
    return [n * MINUTE for n in numbers]


# minutes of the readings of B and then of A, whose state somebody else has; those of before are 5
GROUPS = {
    "in order": minutes(6, 6),
    "late": minutes(1, 1),
    "late beside in order": minutes(1, 6),
    "in order beside late": minutes(6, 1),
}


@pytest.mark.parametrize("group", GROUPS)
@pytest.mark.parametrize("side", SIDES)
def test_a_group_that_waits_for_a_state_holds_none_that_comes_after_it(
    connection: Connection,
    others: list[Connection],
    pool: ThreadPoolExecutor,
    side: str,
    group: str,
) -> None:
    ingest, kind = SIDES[side]
    # more of them than fit on a page, B being stored first
    ids = ["B", *(f"X-{n}" for n in range(200)), "A"]
    assert ingest(connection, [kind(device, SINCE + 5 * MINUTE) for device in ids]) == []
    state = f"SELECT FROM telemetry.{side}_state WHERE {side}_id = %s FOR UPDATE NOWAIT"
    holder, *writers = others
    sent = [
        [kind(d, SINCE + after) for d, after in zip(("B", "A"), GROUPS[group], strict=True)],
        [kind("A", SINCE + 7 * MINUTE), kind("B", SINCE + 7 * MINUTE)],
    ]
    with holder.transaction():
        holder.execute(state, ["A"])
        written = [pool.submit(ingest, *pair) for pair in zip(writers, sent, strict=True)]
        for writer in writers:
            wait_until(lambda pid=writer.info.backend_pid: waits(connection, pid))
        connection.execute(state, ["B"])
        rows = connection.execute(f"SELECT count(*) FROM telemetry.{side}_reading").fetchone()
        assert rows == (len(ids),)
    assert [future.result(60) for future in written] == [[], []]


@pytest.mark.parametrize(
    ("mine", "kwh", "energy"),
    [
        (2, 12.0, 1.0),  # in order, after what the other one has stored meanwhile
        (1, 10.5, 0.0),  # late by then
    ],
)
@pytest.mark.parametrize("is_known", [True, False])
def test_a_register_is_judged_by_what_was_stored_while_it_waited(
    connection: Connection,
    others: list[Connection],
    pool: ThreadPoolExecutor,
    is_known: bool,
    mine: int,
    kwh: float,
    energy: float,
) -> None:
    def reading(at: float, level: float) -> MeterReading:
        return MeterReading("M-1", SINCE + at * MINUTE, level, kind="lifetime_register")

    if is_known:
        assert ingest_meters(connection, [reading(0, 10)]) == []
    holder, writer, _ = others
    with holder.transaction():
        # a minute and a half, so that the later one is newer than this and the earlier one is not
        assert ingest_meters(holder, [reading(1.5, 11)]) == []
        stored = pool.submit(ingest_meters, writer, [reading(mine, kwh)])
        wait_until(lambda: waits(connection, writer.info.backend_pid))
    assert stored.result(60) == []
    assert connection.execute(
        "SELECT energy_mwh / 1e6 FROM telemetry.meter_reading WHERE ts = %s",
        [SINCE + mine * MINUTE],
    ).fetchone() == (energy,)
    assert connection.execute("SELECT level_mwh / 1e6 FROM telemetry.meter_state").fetchone() == (
        max(kwh, 11),
    )


def test_settling_that_holds_a_state_is_waited_for_and_its_level_counts(
    connection: Connection, others: list[Connection], pool: ThreadPoolExecutor
) -> None:
    for n, kwh in enumerate((10, 9, 9.1)):
        reading = MeterReading("M-1", SINCE + n * MINUTE, kwh, kind="lifetime_register")
        assert ingest_meters(connection, [reading]) == []
    settler, writer, _ = others
    with settler.transaction():
        settler.execute("SELECT FROM telemetry.meter_state FOR UPDATE")
        later = MeterReading("M-1", SINCE + 3 * MINUTE, 9.4, kind="lifetime_register")
        stored = pool.submit(ingest_meters, writer, [later])
        wait_until(lambda: waits(connection, writer.info.backend_pid))
        settler.execute("DELETE FROM telemetry.settle_queue")
        settler.execute("UPDATE telemetry.meter_state SET level_mwh = 9100000")
    assert stored.result(60) == []
    assert connection.execute(
        "SELECT energy_mwh FROM telemetry.meter_reading ORDER BY ts DESC LIMIT 1"
    ).fetchone() == (300_000,)
    assert connection.execute("SELECT FROM telemetry.settle_queue").fetchall() == []


def test_what_is_late_is_queued_again_where_it_was_settled_while_it_waited(
    connection: Connection, others: list[Connection], pool: ThreadPoolExecutor
) -> None:
    for n in (5, 1):
        assert ingest_meters(connection, [MeterReading("M-1", SINCE + n * MINUTE)]) == []
    settler, writer, _ = others
    with settler.transaction():
        settler.execute("SELECT FROM telemetry.meter_state FOR UPDATE")
        stored = pool.submit(ingest_meters, writer, [MeterReading("M-1", SINCE + 2 * MINUTE)])
        wait_until(lambda: waits(connection, writer.info.backend_pid))
        settler.execute("DELETE FROM telemetry.settle_queue")
    assert stored.result(60) == []
    assert connection.execute(
        "SELECT device_id FROM telemetry.settle_queue WHERE due_at <= now()"
    ).fetchall() == [("M-1",)]
