"""What a vehicle's charging lost, over the meters that it was linked to."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import psycopg
import pytest
from hypothesis import given
from hypothesis import strategies as st

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
    performance,
)

MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)


def fill(
    connection: Connection,
    ac_kwh: float = 0.1,
    dc_kwh: float = 0.09,
    *,
    meter: str = "M-1",
    vehicle: str = "V-1",
    begin: datetime = NOW - HOUR,
    minutes: int = 60,
    vehicle_minutes: int | None = None,
) -> None:
    """A reading a minute on both sides; the vehicle may fall silent before the meter does."""
    times = [begin + i * MINUTE for i in range(minutes)]
    ingest_meters(connection, [MeterReading(meter, ts, ac_kwh) for ts in times])
    times = times[:vehicle_minutes]
    ingest_vehicles(connection, [VehicleReading(vehicle, ts, dc_kwh) for ts in times])


def last_hour(connection: Connection, vehicle: str = "V-1") -> dict:
    return performance(connection, vehicle, NOW - HOUR, NOW)


def test_energy_efficiency_loss_and_coverage_of_a_full_hour(connection: Connection) -> None:
    link(connection)
    fill(connection)
    found = last_hour(connection)
    assert (found["ac_kwh"], found["dc_kwh"]) == (Decimal(6), Decimal("5.4"))
    # what the first reading explains is before the window, and nobody explains its last minute
    assert (found["ac_matched_kwh"], found["dc_matched_kwh"]) == (Decimal("5.9"), Decimal("5.31"))
    assert (found["ac_active_kwh"], found["standby_kwh"]) == (Decimal("5.9"), 0)
    assert found["loss_kwh"] == Decimal("0.59")
    assert (found["efficiency"], found["coverage"]) == (Decimal("0.9"), 1)
    # a tenth of a kWh AC, a hundredth DC, and half of the step with which it ends
    assert found["uncertainty"] == round(
        (Decimal("0.01") + Decimal("0.09") + Decimal("0.05")) / Decimal("5.9"), 4
    )
    assert (found["expected_efficiency"], found["frozen_side"]) == (Decimal("0.85"), None)
    assert found["avg_battery_temp_c"] == Decimal("31.2")
    assert (found["meter_samples"], found["vehicle_samples"]) == (60, 60)
    assert (found["meter_coverage"], found["vehicle_coverage"]) == (1, 1)
    assert found["status"] == "healthy"


def test_the_window_includes_its_begin_and_excludes_its_end(connection: Connection) -> None:
    link(connection)
    times = [
        NOW - HOUR,
        NOW - timedelta(milliseconds=1),
        NOW,
        NOW - HOUR - timedelta(milliseconds=1),
    ]
    ingest_meters(connection, [MeterReading(ts=ts, energy_kwh=1.0) for ts in times])
    assert last_hour(connection)["meter_samples"] == 2


def test_the_default_window_is_the_last_24_hours(connection: Connection) -> None:
    found = performance(connection)
    assert found["window_end"] - found["window_start"] == timedelta(hours=24)
    assert abs(found["window_end"] - datetime.now(UTC)) < MINUTE


@pytest.mark.parametrize(
    ("ac", "dc", "status"),
    [
        # exact to the milliwatt-hour, so that but for the last step all is certain
        (0.100001, 0.085001, "healthy"),
        (0.100001, 0.084199, "healthy"),  # perhaps
        (0.100001, 0.084101, "degraded"),
        (0.100001, 0.100001, "healthy"),
        (0.100001, 0.100799, "healthy"),  # perhaps
        (0.100001, 0.100899, "impossible"),
        # in tenths of a kWh a little less is not known to be less
        (0.1, 0.084101, "healthy"),
        (0.1, 0.08, "degraded"),
        (0.1, 0.11, "impossible"),
        # little energy, and less than a vehicle takes to charge
        (0.08, 0.06, "insufficient"),
        (0.001, 0.0009, "idle"),
        (0.001, 0.0, "idle"),
    ],
)
def test_status_follows_the_ratio_of_matched_energy_as_far_as_it_is_certain(
    connection: Connection, ac: float, dc: float, status: str
) -> None:
    link(connection)
    fill(connection, ac, dc)
    found = last_hour(connection)
    assert found["status"] == status
    if status in ("healthy", "degraded", "impossible"):
        efficiency, uncertainty = found["efficiency"], found["uncertainty"]
        assert (efficiency - uncertainty > 1) is (status == "impossible")
        assert (efficiency + uncertainty < found["expected_efficiency"]) is (status == "degraded")


@pytest.mark.parametrize(("side", "ac", "dc"), [("meter", 0.0, 0.1), ("vehicle", 0.1, 0.0)])
def test_a_side_that_stands_while_the_other_flows_is_frozen(
    connection: Connection, side: str, ac: float, dc: float
) -> None:
    link(connection)
    fill(connection, ac, dc, begin=NOW - 2 * HOUR, minutes=120)
    found = performance(connection, "V-1", NOW - 2 * HOUR, NOW)
    assert (found["status"], found["frozen_side"]) == ("frozen", side)


def test_efficiency_is_null_where_no_ac_was_drawn(connection: Connection) -> None:
    link(connection)
    fill(connection, ac_kwh=0.0)
    assert last_hour(connection)["efficiency"] is None


def test_a_side_that_was_silent_half_of_the_time_is_judged_by_the_other_half(
    connection: Connection,
) -> None:
    link(connection)
    fill(connection, begin=NOW - 2 * HOUR, minutes=120, vehicle_minutes=65)
    found = performance(connection, "V-1", NOW - 2 * HOUR, NOW)
    assert (found["ac_kwh"], found["dc_kwh"]) == (12, Decimal("5.85"))
    # what the meter drew while the vehicle was silent is nobody's loss
    assert (found["loss_kwh"], found["efficiency"]) == (Decimal("0.64"), Decimal("0.9"))
    assert found["coverage"] == round(Decimal("6.4") / Decimal("11.9"), 4)
    assert (found["status"], found["vehicle_coverage"]) == ("healthy", round(Decimal(65) / 120, 4))


def test_a_side_that_was_silent_most_of_the_time_is_insufficient(connection: Connection) -> None:
    link(connection)
    fill(connection, begin=NOW - 2 * HOUR, minutes=120, vehicle_minutes=58)
    found = performance(connection, "V-1", NOW - 2 * HOUR, NOW)
    assert found["coverage"] < Decimal("0.5")
    assert found["ac_matched_kwh"] > 5
    assert found["status"] == "insufficient"


def test_a_vehicle_without_a_link_is_unlinked_and_its_energy_is_shown_apart(
    connection: Connection,
) -> None:
    fill(connection)
    found = last_hour(connection)
    assert found["status"] == "unlinked"
    assert (found["ac_kwh"], found["dc_kwh"]) == (0, 0)
    assert found["dc_unlinked_kwh"] == Decimal("5.4")


def test_a_linked_vehicle_without_readings_has_no_data(connection: Connection) -> None:
    link(connection)
    assert last_hour(connection)["status"] == "no_data"


def test_a_link_that_ends_and_one_that_begins_inside_count_only_their_part(
    connection: Connection,
) -> None:
    half = NOW - HOUR / 2
    link(connection, "V-1", "M-1", None, half)
    link(connection, "V-1", "M-2", half + 10 * MINUTE)
    fill(connection, 0.1, 0.09)
    ingest_meters(
        connection,
        [MeterReading("M-2", NOW - HOUR + i * MINUTE, 0.2) for i in range(60)],
    )
    found = last_hour(connection)
    # 30 minutes on the first meter, 20 on the second, 10 charging elsewhere
    assert found["ac_kwh"] == Decimal(7)
    assert found["dc_kwh"] == Decimal("4.5")
    assert found["dc_unlinked_kwh"] == Decimal("0.9")
    assert (found["meter_samples"], found["meter_coverage"]) == (50, 1)


def test_a_correction_moves_energy_but_is_no_sample(connection: Connection) -> None:
    link(connection)
    fill(connection)
    connection.execute(
        "INSERT INTO telemetry.meter_reading (meter_id, ts, entry, energy_mwh)"
        " VALUES ('M-1', %s, 1, 500000)",
        [NOW - HOUR],
    )
    found = last_hour(connection)
    assert (found["ac_kwh"], found["meter_samples"]) == (Decimal("6.5"), 60)


def test_minutes_to_come_are_not_missing(connection: Connection) -> None:
    link(connection)
    begin = datetime.now(UTC) - 10 * MINUTE
    fill(connection, begin=begin, minutes=10)
    found = performance(connection, "V-1", begin, begin + 24 * HOUR)
    assert found["meter_coverage"] >= Decimal("0.9")


def test_a_window_that_ends_before_it_begins_raises_wl002(connection: Connection) -> None:
    with pytest.raises(psycopg.Error) as raised:
        performance(connection, "V-1", NOW, NOW)
    assert raised.value.sqlstate == "WL002"


MINUTES = st.integers(0, 200)
# as much as a minute may have, by the power that devices can have
ENERGY = st.integers(0, 9 * 10**6)


@examples(40)
@given(
    meters=st.dictionaries(st.tuples(st.sampled_from(["A", "B"]), MINUTES), ENERGY),
    vehicle=st.dictionaries(MINUTES, ENERGY),
    links=st.lists(st.tuples(st.sampled_from(["A", "B"]), st.tuples(MINUTES, MINUTES)), max_size=4),
    window=st.tuples(MINUTES, MINUTES).filter(lambda w: w[0] != w[1]),
)
def test_energy_of_any_readings_links_and_window_equals_a_plain_sum(
    shared_connection: Connection,
    meters: dict[tuple[str, int], int],
    vehicle: dict[int, int],
    links: list[tuple[str, tuple[int, int]]],
    window: tuple[int, int],
) -> None:
    begin = NOW - timedelta(minutes=300)
    since, until = sorted(window)
    connection = shared_connection
    with connection.transaction(force_rollback=True):
        count_where_read(connection)
        put: list[tuple[str, int, int]] = []
        for meter, ends in links:
            first, last = sorted(ends)
            if first < last and all(last <= f or u <= first for _, f, u in put):
                link(connection, "V", meter, begin + first * MINUTE, begin + last * MINUTE)
                put.append((meter, first, last))
        ingest_meters(
            connection,
            [MeterReading(m, begin + t * MINUTE, e / 10**6) for (m, t), e in meters.items()],
        )
        ingest_vehicles(
            connection,
            [VehicleReading("V", begin + t * MINUTE, e / 10**6) for t, e in vehicle.items()],
        )
        found = performance(connection, "V", begin + since * MINUTE, begin + until * MINUTE)
        inside = [(m, max(f, since), min(u, until)) for m, f, u in put]
        ac = [e for (m, t), e in meters.items() for i, f, u in inside if i == m and f <= t < u]
        dc = [e for t, e in vehicle.items() for _, f, u in inside if f <= t < u]
        total = sum(e for t, e in vehicle.items() if since <= t < until)
        assert found["ac_kwh"] * 10**6 == sum(ac)
        assert found["dc_kwh"] * 10**6 == sum(dc)
        assert found["dc_unlinked_kwh"] * 10**6 == total - sum(dc)
        assert found["meter_samples"] == len(ac)
