"""Whatever the order, the batches, the repetition and the concurrency: one history."""

from __future__ import annotations

import threading
from datetime import timedelta
from random import Random

import psycopg
from hypothesis import HealthCheck, Phase, given
from hypothesis import strategies as st

from tests.support import rollups
from tests.support.examples import examples
from tests.support.readings import (
    NOW,
    Connection,
    MeterReading,
    VehicleReading,
    count_where_read,
    ingest_meters,
    ingest_vehicles,
    link,
    meter_history,
    meter_states,
    performance,
    vehicle_history,
    vehicle_states,
)
from tests.support.server import Server

IDS = st.sampled_from(["1", "2", "ä", "x'); --"])
# several days, so that batches make chunks and race for them
TIMES = st.integers(0, 60 * 24 * 5).map(lambda minutes: NOW - timedelta(minutes=minutes))
KEYS = st.tuples(IDS, TIMES)
# what can flow in a minute, the least that two may be apart
ENERGIES_KWH = st.integers(0, 9 * 10**6).map(lambda mwh: mwh / 10**6)
VOLTAGES_V = st.none() | st.integers(0, 10**6).map(lambda mv: mv / 10**3)
SOCS_PERCENT = st.none() | st.integers(0, 10**5).map(lambda mpct: mpct / 10**3)
TEMPS_C = st.none() | st.integers(-60_000, 150_000).map(lambda mc: mc / 10**3)

# a key holds one value, so that the order of arrival cannot decide which one stands
METERS = st.dictionaries(KEYS, st.tuples(ENERGIES_KWH, VOLTAGES_V), max_size=40)
VEHICLES = st.dictionaries(KEYS, st.tuples(ENERGIES_KWH, SOCS_PERCENT, TEMPS_C), max_size=40)


def milli(value: float | None) -> int | None:
    return None if value is None else round(value * 1000)


class Reference:
    """What must be stored, computed without a database."""

    def __init__(self, meters: list[MeterReading], vehicles: list[VehicleReading]) -> None:
        self.meter_history = sorted(
            (m.meter_id, m.ts, 0, round(m.energy_kwh * 10**6), milli(m.voltage_v)) for m in meters
        )
        self.vehicle_history = sorted(
            (
                v.vehicle_id,
                v.ts,
                0,
                round(v.energy_kwh * 10**6),
                milli(v.soc_percent),
                milli(v.battery_temp_c),
            )
            for v in vehicles
        )
        # sorted by id and time, so that the last one of an id is its newest
        self.meter_states = sorted(
            {row[0]: row[:2] + row[3:] for row in self.meter_history}.values()
        )
        self.vehicle_states = sorted(
            {row[0]: row[:2] + row[3:] for row in self.vehicle_history}.values()
        )

    def totals(self, device_id: str) -> tuple[int, int, int, int]:
        """AC and DC in mWh and the samples of either side, in the 24 hours before NOW."""
        ac = [r[3] for r in self.meter_history if r[0] == device_id and _in_window(r[1])]
        dc = [r[3] for r in self.vehicle_history if r[0] == device_id and _in_window(r[1])]
        return sum(ac), sum(dc), len(ac), len(dc)


def _in_window(ts: object) -> bool:
    return NOW - timedelta(hours=24) <= ts < NOW  # type: ignore[operator]


def batches(random: Random, readings: list) -> list[list]:
    """The readings, each once or more often, in any order, cut into batches."""
    sent = readings + random.choices(readings, k=len(readings)) if readings else []
    random.shuffle(sent)
    cut: list[list] = []
    while sent:
        size = random.randint(1, len(sent))
        cut.append(sent[:size])
        sent = sent[size:]
    return cut


def check(connection: Connection, expected: Reference) -> None:
    assert meter_history(connection) == expected.meter_history
    assert vehicle_history(connection) == expected.vehicle_history
    assert meter_states(connection) == expected.meter_states
    assert vehicle_states(connection) == expected.vehicle_states
    assert rollups.differences(connection) == []
    for device_id in ("1", "2", "ä", "x'); --"):
        link(connection, device_id, device_id)
        found = performance(connection, device_id, until=NOW)
        assert (
            found["ac_kwh"] * 10**6,
            found["dc_kwh"] * 10**6,
            found["meter_samples"],
            found["vehicle_samples"],
        ) == expected.totals(device_id)


@examples(60)
@given(meters=METERS, vehicles=VEHICLES, random=st.randoms(use_true_random=False))
def test_readings_in_any_order_batches_and_repetition_give_one_history(
    shared_connection: Connection, meters: dict, vehicles: dict, random: Random
) -> None:
    meter_readings = [MeterReading(*key, *value) for key, value in meters.items()]
    vehicle_readings = [VehicleReading(*key, *value) for key, value in vehicles.items()]
    connection = shared_connection
    with connection.transaction(force_rollback=True):
        count_where_read(connection)
        stored = 0
        for batch in batches(random, meter_readings):
            answers = ingest_meters(connection, batch)
            assert {answer.outcome for answer in answers} <= {"duplicate"}
            stored += len(batch) - len(answers)
        for batch in batches(random, vehicle_readings):
            answers = ingest_vehicles(connection, batch)
            assert {answer.outcome for answer in answers} <= {"duplicate"}
            stored += len(batch) - len(answers)
        assert stored == len(meters) + len(vehicles)
        check(connection, Reference(meter_readings, vehicle_readings))


@examples(
    15,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
    # a race need not be lost again: a search for a smaller case takes minutes and tells nothing
    phases=[Phase.explicit, Phase.reuse, Phase.generate],
)
@given(meters=METERS, vehicles=VEHICLES, random=st.randoms(use_true_random=False))
def test_readings_from_four_connections_at_once_give_one_history_without_deadlock(
    database_server: Server, meters: dict, vehicles: dict, random: Random
) -> None:
    meter_readings = [MeterReading(*key, *value) for key, value in meters.items()]
    vehicle_readings = [VehicleReading(*key, *value) for key, value in vehicles.items()]
    # every connection sends all readings, cut and ordered in its own way
    plans = [(batches(random, meter_readings), batches(random, vehicle_readings)) for _ in range(4)]
    failures: list[BaseException] = []
    stored: list[int] = []
    with database_server.clone() as url:
        with psycopg.connect(url, autocommit=True) as connection:
            count_where_read(connection)

        def send(plan: tuple[list[list], list[list]]) -> None:
            try:
                with psycopg.connect(url, autocommit=True) as connection:
                    for batch in plan[0]:
                        stored.append(len(batch) - len(ingest_meters(connection, batch)))
                    for batch in plan[1]:
                        stored.append(len(batch) - len(ingest_vehicles(connection, batch)))
            except BaseException as error:
                failures.append(error)

        threads = [threading.Thread(target=send, args=(plan,)) for plan in plans]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert failures == []
        assert sum(stored) == len(meters) + len(vehicles)
        with psycopg.connect(url, autocommit=True) as connection:
            check(connection, Reference(meter_readings, vehicle_readings))
