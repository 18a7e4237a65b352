"""Charges, devices, links and rules, as analysts see them."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

import psycopg
import pytest

from tests.editions.test_efficiency import (
    DAY,
    FIRST,
    HOUR,
    MINUTE,
    NO_COST,
    NOON,
    fill,
    rows,
)
from tests.support.charging import keep_charging
from tests.support.readings import (
    NOW,
    Connection,
    MeterReading,
    VehicleReading,
    ingest_meters,
    ingest_vehicles,
    link,
)

# what is said of a device of which nothing is
NO_FILE = {
    **dict.fromkeys(("name", "site", "plate", "address", "note", "retired_at")),
    "groups": [],
}


def charge(
    db: Connection,
    *,
    share: float = 0.9,
    begin: Any = NOON,
    session: str | None = None,
    vehicle_session: str | None = None,
    vehicle: str = "V-1",
) -> None:
    """An hour at 6 kW with registers, warming up, from 20 to 50 percent."""
    steps = range(61)
    ingest_meters(
        db,
        [
            MeterReading(
                "M-1", begin + n * MINUTE, 100 + 0.1 * n, kind="lifetime_register", session=session
            )
            for n in steps
        ],
    )
    ingest_vehicles(
        db,
        [
            VehicleReading(
                vehicle,
                begin + n * MINUTE,
                round(7 + 0.1 * n * share, 6),
                20 + n / 2,
                20 + n / 10,
                kind="lifetime_register",
                session=vehicle_session,
            )
            for n in steps
        ],
    )


def test_a_charge_says_when_how_much_and_how_well(db: Connection) -> None:
    link(db, since=NOON - HOUR, until=NOON + 3 * HOUR)
    charge(db)
    keep_charging(db)
    (row,) = rows(db, "charging_session")
    assert row == {
        "meter_id": "M-1",
        "started_at": NOON,
        "vehicle_id": "V-1",
        "ended_at": NOON + HOUR,
        "unplugged_at": NOON + 3 * HOUR,
        "session_id": None,
        "ac_kwh": 6,
        "dc_kwh": Decimal("5.4"),
        "loss_kwh": Decimal("0.6"),
        "efficiency": Decimal("0.9"),
        "coverage": 1,
        # a step of both, and half of the two in which flow starts and ends
        "uncertainty": Decimal("0.0467"),
        "expected_efficiency": Decimal("0.85"),
        "usual_efficiency": None,
        "verdict": "healthy",
        "frozen_side": None,
        "ac_active_kwh": 6,
        "ac_matched_kwh": 6,
        "dc_matched_kwh": Decimal("5.4"),
        "standby_kwh": 0,
        "charging_hours": 1,
        "mean_kw": 6,
        "peak_kw": 6,
        "soc_start_percent": 20,
        "soc_end_percent": 50,
        "battery_temp_start_c": 20,
        "battery_temp_end_c": 26,
        "battery_temp_min_c": Decimal("20.1"),
        "ac_register_start_kwh": 100,
        "ac_register_end_kwh": 106,
        "dc_register_start_kwh": 7,
        "dc_register_end_kwh": Decimal("12.4"),
        "meter_samples": row["meter_samples"],
        "vehicle_samples": row["vehicle_samples"],
        "excess_loss_kwh": 0,
        **NO_COST,
        "meter_name": None,
        "vehicle_name": None,
        "site": None,
    }


@pytest.mark.parametrize(
    ("named", "unplugged"),
    [({}, None), ({"session": "T-7"}, NOON + HOUR), ({"vehicle_session": "C-7"}, NOON + HOUR)],
)
def test_a_charge_has_the_name_that_its_devices_gave_it_and_ends_with_it(
    db: Connection, named: dict[str, str], unplugged: Any
) -> None:
    link(db)
    charge(db, **named)
    keep_charging(db)
    (row,) = rows(db, "charging_session")
    assert row["session_id"] == next(iter(named.values()), None)
    # the link has no end
    assert row["unplugged_at"] == unplugged


def test_a_charge_of_no_vehicle_has_none(db: Connection) -> None:
    fill(db, FIRST, dc_kwh=None)
    keep_charging(db)
    (row,) = rows(db, "charging_session")
    assert (row["vehicle_id"], row["ac_kwh"], row["dc_kwh"]) == (None, 6, 0)
    assert (row["unplugged_at"], row["verdict"]) == (None, "insufficient")


def test_a_charge_tells_what_is_usual_and_drifts_below_it(db: Connection) -> None:
    link(db)
    shares = [0.95] * 5 + [0.88] * 3
    for number, share in enumerate(shares):
        fill(db, DAY + 2 * number * HOUR + MINUTE, ac_kwh=0.1, dc_kwh=round(0.1 * share, 4))
    keep_charging(db)
    found = [(row["usual_efficiency"], row["verdict"]) for row in rows(db, "charging_session")]
    usual = Decimal("0.95")
    assert found == [
        *[(None, "healthy")] * 5,
        *[(usual, "healthy")] * 2,
        (usual, "drifting"),
    ]
    # the day ends in a drift, and so does the month as far as it is known
    for relation in ("charging_efficiency_daily", "charging_efficiency_monthly"):
        assert [row["verdict"] for row in rows(db, relation)] == ["drifting"]
    assert [row["verdict"] for row in rows(db, "meter_efficiency_daily")] == ["drifting"]
    (fleet,) = rows(db, "fleet_efficiency_daily")
    assert (fleet["drifting_vehicles"], fleet["judged_vehicles"]) == (1, 1)
    local = db.execute(
        "SELECT d.verdict FROM bi.charging_efficiency_local_daily('UTC', %(day)s, %(day)s) AS d",
        {"day": DAY.date()},
    ).fetchall()
    assert local == [("drifting",)]


def test_each_vehicle_and_meter_has_its_latest_reading_and_its_present_link(
    db: Connection,
) -> None:
    begin = NOW - HOUR
    link(db, "V-1", "M-1", begin)
    # one that went, and one that never reported
    link(db, "V-2", "M-2", NOW - 5 * HOUR, NOW - 4 * HOUR)
    link(db, "V-3", "M-3")
    charge(db, begin=begin, session="T-1")
    fill(db, NOW - 5 * HOUR, 10, meter="M-2", vehicle="V-2")
    first, second, third = rows(db, "vehicle")
    assert first.pop("last_received_at") > NOW
    assert first == {
        "vehicle_id": "V-1",
        "linked_meter_id": "M-1",
        "linked_since": begin,
        "last_reading_at": NOW,
        "settled_until": None,
        "kind": "lifetime_register",
        "register_kwh": Decimal("12.4"),
        "session_id": None,
        "soc_percent": 50,
        "battery_temp_c": 26,
        **NO_FILE,
    }
    assert (second["vehicle_id"], second["linked_meter_id"], second["kind"]) == (
        "V-2",
        None,
        "difference",
    )
    assert second["last_reading_at"] == NOW - 5 * HOUR + 9 * MINUTE
    assert third == {
        **dict.fromkeys(third),
        **NO_FILE,
        "vehicle_id": "V-3",
        "linked_meter_id": "M-3",
    }
    first, second, third = rows(db, "meter")
    assert first.pop("last_received_at") > NOW
    assert first == {
        "meter_id": "M-1",
        "linked_vehicle_id": "V-1",
        "linked_since": begin,
        "last_reading_at": NOW,
        "settled_until": None,
        "kind": "lifetime_register",
        "register_kwh": 106,
        "session_id": "T-1",
        "voltage_v": 230,
        **NO_FILE,
    }
    assert (second["meter_id"], second["linked_vehicle_id"]) == ("M-2", None)
    assert third == {
        **dict.fromkeys(third),
        **NO_FILE,
        "meter_id": "M-3",
        "linked_vehicle_id": "V-3",
    }


def test_a_device_says_up_to_when_charging_is_kept(db: Connection) -> None:
    fill(db, FIRST, 2)
    db.execute(
        "INSERT INTO telemetry.charging_progress VALUES"
        " ('meter_reading', 'M-1', %(ts)s, now()), ('vehicle_reading', 'V-1', %(ts)s, now())",
        {"ts": FIRST},
    )
    for relation in ("meter", "vehicle"):
        assert [row["settled_until"] for row in rows(db, relation)] == [FIRST]


def test_links_are_listed_with_their_times(db: Connection) -> None:
    link(db, "V-1", "M-1", None, NOON)
    link(db, "V-1", "M-2", NOON)
    found = [tuple(row.values()) for row in rows(db, "charging_link")]
    assert found == [
        ("V-1", "M-1", None, NOON, False),
        ("V-1", "M-2", NOON, None, True),
    ]


def test_every_rule_of_charging_is_shown_with_its_unit_and_what_it_says(db: Connection) -> None:
    """Each column of the rules, so that a new one is not forgotten."""
    db.execute(
        "UPDATE telemetry.rules SET degraded_below = 0.875, session_ends_after = '90 minutes'"
    )
    columns = db.execute(
        "SELECT a.attname, col_description(a.attrelid, a.attnum) FROM pg_attribute AS a"
        " WHERE a.attrelid = 'telemetry.rules'::regclass AND a.attnum > 0 AND NOT a.attisdropped"
        " AND a.attname <> 'only_row' ORDER BY 1"
    ).fetchall()
    cursor = db.cursor(row_factory=psycopg.rows.dict_row)
    kept = cursor.execute("SELECT * FROM telemetry.rules").fetchone()
    assert kept is not None
    shown = rows(db, "rule")
    assert [(row["name"], row["meaning"]) for row in shown] == columns
    assert {row["unit"] for row in shown} == {
        "kW", "W", "kWh", "°C", "minutes", "charges", "DC / AC", "share",
    }  # fmt: skip
    for row in shown:
        value = kept[row["name"]]
        minutes = value / MINUTE if isinstance(value, timedelta) else value
        assert row["value"] == Decimal(str(minutes)), row["name"]
