"""Charging as it is kept of a meter and vehicles, beside what the plain account says of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any, LiteralString, NamedTuple

from psycopg.rows import dict_row

from tests.support.charging_account import Charging, Link
from tests.support.explaining import explain
from tests.support.fold import HOUR, Reading, Rules, floor_hour
from tests.support.ledger import Device, new_device, send, settle
from tests.support.readings import Connection, link

Sums = dict[tuple[datetime, str], dict[str, int]]
TABLES: dict[LiteralString, LiteralString] = {
    "charging_part": "since",
    "charging_session": "started_at",
    "charging_day": "day, vehicle_id",
}
SUMS: list[LiteralString] = [
    *("ac_mwh", "ac_matched_mwh", "dc_mwh", "dc_matched_mwh", "ac_standing_mwh"),
    *("dc_standing_mwh", "standby_mwh", "edge_mwh", "standby_us", "active_us", "matched_us"),
    *("meter_samples", "vehicle_samples"),
]


class Case(NamedTuple):
    """What the devices at a place tell, which vehicle was there when, and what a DBA has set."""

    meter: list[Reading]
    vehicles: dict[str, list[Reading]]
    links: list[Link]
    step: timedelta | None = None

    def __repr__(self) -> str:
        return f"{len(self.meter)} readings, {self.links}"

    @property
    def since(self) -> datetime:
        """A full hour before all of it."""
        return floor_hour(min(one.ts for one in self._all)) - 2 * HOUR

    @property
    def until(self) -> datetime:
        """A full hour after all of it."""
        return floor_hour(max(one.ts for one in self._all)) + 2 * HOUR

    @property
    def _all(self) -> list[Reading]:
        return [*self.meter, *(one for told in self.vehicles.values() for one in told)]

    def account(self) -> Charging:
        """What the plain account says of it."""
        rules = Rules() if self.step is None else Rules(step=self.step)
        return Charging(
            explain(self.meter, rules, self.step),
            self.links,
            {vehicle: explain(told) for vehicle, told in self.vehicles.items()},
            self.since,
            self.until,
        )


class Place(NamedTuple):
    """The devices of a case, as they are stored."""

    meter: Device
    vehicles: dict[str, Device]

    def tell(self, db: Connection, case: Case) -> None:
        """Store the links, and what is set of the meter."""
        for one in case.links:
            link(db, self.vehicles[one.vehicle].device_id, self.meter.device_id, *one[1:])
        if case.step is not None:
            db.execute("SELECT ops.set_device_rules(%s, step => %s)", [self.meter.name, case.step])

    def send_all(self, db: Connection, case: Case) -> None:
        """Store what the devices tell, each in one batch."""
        send(db, self.meter, case.meter)
        for vehicle, told in case.vehicles.items():
            send(db, self.vehicles[vehicle], told)

    def id_of(self, vehicle: str) -> str:
        """The vehicle's id; empty where none is known."""
        return self.vehicles[vehicle].device_id if vehicle else ""


def new_place(vehicles: Iterable[str]) -> Place:
    """A meter and vehicles that no other test has."""
    return Place(new_device("meter"), {vehicle: new_device("vehicle") for vehicle in vehicles})


def keep(db: Connection, place: Place, since: datetime, until: datetime) -> None:
    """Keep charging of a window."""
    db.execute("SELECT telemetry.keep_charging(%s, %s, %s)", [place.meter.device_id, since, until])


def kept_place(db: Connection, case: Case) -> Place:
    """A place of which all is kept."""
    place = new_place(case.vehicles)
    place.tell(db, case)
    place.send_all(db, case)
    settle(db)
    keep(db, place, case.since, case.until)
    return place


def sessions(db: Connection, place: Place) -> list[dict[str, Any]]:
    """Its sessions, each with its verdict where that is large enough to be shown."""
    cursor = db.cursor(row_factory=dict_row)
    return cursor.execute(
        "SELECT s.*, j.verdict, j.efficiency, j.coverage, j.uncertainty, j.frozen_side"
        " FROM telemetry.charging_session AS s LEFT JOIN telemetry.judged_session AS j"
        " ON (j.meter_id, j.started_at) = (s.meter_id, s.started_at)"
        " WHERE s.meter_id = %s ORDER BY s.started_at",
        [place.meter.device_id],
    ).fetchall()


def forget(db: Connection, place: Place) -> None:
    """Nothing is kept of it any more."""
    for table in TABLES:
        db.execute(f"DELETE FROM telemetry.{table} WHERE meter_id = %s", [place.meter.device_id])


def kept(db: Connection, place: Place) -> list[list[tuple[Any, ...]]]:
    """All rows that are kept of it."""
    return [
        db.execute(
            f"SELECT * FROM telemetry.{table} WHERE meter_id = %s ORDER BY {key}",
            [place.meter.device_id],
        ).fetchall()
        for table, key in TABLES.items()
    ]


def sums(db: Connection, source: LiteralString, arguments: Sequence[Any]) -> Sums:
    """Sums of parts by hour and vehicle, of those that have any."""
    columns = ", ".join(f"sum(p.{column})::bigint" for column in SUMS)
    rows = db.execute(
        f"SELECT p.hour, p.vehicle_id, {columns} FROM {source} GROUP BY 1, 2", arguments
    ).fetchall()
    return {
        (hour, vehicle): dict(zip(SUMS, found, strict=True))
        for hour, vehicle, *found in rows
        if any(found)
    }


def kept_sums(db: Connection, place: Place) -> Sums:
    """Sums of kept parts by hour and vehicle."""
    source = "telemetry.charging_part AS p WHERE p.meter_id = %s"
    return sums(db, source, [place.meter.device_id])


def sums_now(db: Connection, place: Place, since: datetime, until: datetime) -> Sums:
    """Sums by hour and vehicle as they are answered."""
    return sums(
        db, "telemetry.charging_now(%s, %s, %s) AS p", [place.meter.device_id, since, until]
    )


def settle_charging(db: Connection) -> None:
    """Keep all that has changed, as the service does."""
    while True:
        kept, _ = db.execute(
            "SELECT s.kept, s.waiting FROM telemetry.settle_charging("
            "1000, 'infinity', 'infinity', 'infinity', '1 minute') AS s"
        ).fetchone() or (0, 0)
        if not kept:
            return


def expected_sums(case: Case, place: Place) -> Sums:
    """The same by the plain account."""
    return {
        (hour, place.id_of(vehicle)): full(found)
        for (hour, vehicle), found in case.account().parts().items()
    }


def full(found: Counter[str]) -> dict[str, int]:
    """Sums with those that are 0."""
    return {column: found[column] for column in SUMS}
