"""Charges as they are kept, and the alerts that follow from them."""

from __future__ import annotations

from datetime import datetime, timedelta
from itertools import count
from typing import Any, NamedTuple

from psycopg.rows import dict_row

from tests.support.readings import NOW, Connection

KWH = 10**6
# before all that a test keeps
START = NOW - timedelta(days=20)
_numbers = count(1)


class Charge(NamedTuple):
    """A charge as it is kept; `hours` after START."""

    meter: str
    vehicle: str
    hours: float
    efficiency: float = 0.92
    ac_kwh: float = 20
    # of the energy of that side, how much stands at the other one
    ac_standing: float = 0
    dc_standing: float = 0
    matched: float = 1
    vehicle_samples: int = 60
    temp_c: float | None = 20
    usual: float | None = None
    below_usual: int = 0
    lasts: float = 2

    @property
    def starts(self) -> datetime:
        return START + timedelta(hours=self.hours)

    @property
    def ends(self) -> datetime:
        return self.starts + timedelta(hours=self.lasts)


def new_names(*names: str) -> list[str]:
    """These names, as no other test has them."""
    number = next(_numbers)
    return [f"{name}-{number}" for name in names]


def good(meter: str, vehicle: str, hours: float, **more: Any) -> Charge:
    return Charge(meter, vehicle, hours, **more)


def degraded(meter: str, vehicle: str, hours: float, **more: Any) -> Charge:
    return Charge(meter, vehicle, hours, **{"efficiency": 0.8, **more})


def drifting(meter: str, vehicle: str, hours: float, **more: Any) -> Charge:
    given = {"efficiency": 0.87, "usual": 0.94, "below_usual": 3, **more}
    return Charge(meter, vehicle, hours, **given)


def impossible(meter: str, vehicle: str, hours: float, **more: Any) -> Charge:
    return Charge(meter, vehicle, hours, **{"efficiency": 1.3, **more})


def unjudged(meter: str, vehicle: str, hours: float, **more: Any) -> Charge:
    return Charge(meter, vehicle, hours, **{"matched": 0.1, **more})


def frozen(side: str, meter: str, vehicle: str, hours: float) -> Charge:
    if side == "meter":
        return Charge(meter, vehicle, hours, ac_kwh=0, dc_standing=10)
    return Charge(meter, vehicle, hours, efficiency=0, ac_standing=1)


def unlinked(meter: str, hours: float, **more: Any) -> Charge:
    return Charge(meter, "", hours, **{"matched": 0, "vehicle_samples": 0, **more})


def keep(db: Connection, *charges: Charge) -> None:
    """Have them kept, in the order in which they are given."""
    for one in charges:
        ac = round(one.ac_kwh * KWH)
        matched = round(ac * one.matched)
        dc = round(one.dc_standing * KWH) or round(matched * one.efficiency)
        db.execute(
            "INSERT INTO telemetry.charging_session (meter_id, started_at, ended_at, vehicle_id,"
            " ac_mwh, ac_matched_mwh, dc_mwh, dc_matched_mwh, ac_standing_mwh, dc_standing_mwh,"
            " matched_us, active_us, battery_temp_mc, vehicle_samples, usual_efficiency,"
            " below_usual) VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)",
            [
                *(one.meter, one.starts, one.ends, one.vehicle, ac, matched, dc, dc),
                *(round(matched * one.ac_standing), round(one.dc_standing * KWH)),
                *[round(one.lasts * 3600 * 10**6)] * 2,
                *(None if one.temp_c is None else round(one.temp_c * 1000), one.vehicle_samples),
                *(one.usual, one.below_usual),
            ],
        )


def forget(db: Connection, *charges: Charge) -> None:
    """What was kept of them is no more."""
    for one in charges:
        db.execute(
            "DELETE FROM telemetry.charging_session WHERE meter_id = %s AND started_at = %s",
            [one.meter, one.starts],
        )


def judge(db: Connection) -> None:
    """Look at all alerts that are due."""
    db.execute("CALL telemetry.settle_all_charging()")


def alerts(db: Connection, *devices: str) -> list[dict[str, Any]]:
    """Alerts about these devices, the oldest first."""
    with db.cursor(row_factory=dict_row) as cursor:
        return cursor.execute(
            "SELECT * FROM bi.alert AS a WHERE a.meter_id = ANY (%(ids)s)"
            " OR a.vehicle_id = ANY (%(ids)s) ORDER BY a.alert_id",
            {"ids": list(devices)},
        ).fetchall()


def open_kinds(db: Connection, *devices: str) -> set[tuple[str, str]]:
    """What is open about these devices: the kind and the device."""
    return {
        (one["kind"], one["meter_id"] or one["vehicle_id"])
        for one in alerts(db, *devices)
        if one["state"] == "open"
    }
