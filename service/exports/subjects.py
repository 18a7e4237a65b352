"""Subjects of exports: the relation that each is read from, and the names of its columns."""

from __future__ import annotations

from typing import NamedTuple

from psycopg import sql

# as POST /v1/ingest takes them, in this order; what else a relation of readings has stays out
WIRE_NAMES = {
    "meter": {
        "meter_id": "meterId",
        "read_at": "timestamp",
        "interval_start": "from",
        "session_id": "session",
        "energy_kwh": "kwhConsumedAc",
        "total_kwh": "kwhTotalAc",
        "session_kwh": "kwhSessionAc",
        "voltage_v": "voltage",
    },
    "vehicle": {
        "vehicle_id": "vehicleId",
        "read_at": "timestamp",
        "interval_start": "from",
        "session_id": "session",
        "energy_kwh": "kwhDeliveredDc",
        "total_kwh": "kwhTotalDc",
        "session_kwh": "kwhSessionDc",
        "soc_percent": "soc",
        "battery_temp_c": "batteryTemp",
    },
}


class Subject(NamedTuple):
    """What is exported: a relation, its name for ops.export_windows, and how it is read.

    `names` maps columns to what they are called in the file; None: all, as they are. `is_sparse`:
    JSON leaves out what is not there.
    """

    relation: tuple[str, str]
    dataset: str
    time: str
    order: tuple[str, str]
    names: dict[str, str] | None = None
    is_sparse: bool = False


def subject(what: str, side: str) -> Subject:
    """The subject for `readings`, `hours` or `sessions`, of `meter` or `vehicle`."""
    device = f"{side}_id"
    if what == "readings":
        relation = ("ops", f"{side}_readings")
        dataset, time = f"{side}_reading", "read_at"
        return Subject(relation, dataset, time, (device, time), WIRE_NAMES[side], is_sparse=True)
    if what == "hours":
        dataset, time = f"{side}_energy_hourly", "bucket"
        return Subject(("bi", dataset), dataset, time, (device, time))
    time = "started_at"
    return Subject(("bi", "charging_session"), "charging_session", time, (time, "meter_id"))


class Devices(NamedTuple):
    """Whose history: ids, or None for whatever device; of a session both sides must fit.

    `needs_vehicle`: sessions of a known vehicle alone.
    """

    meters: tuple[str, ...] | None = None
    vehicles: tuple[str, ...] | None = None
    needs_vehicle: bool = False

    @property
    def are_all(self) -> bool:
        """Whether no device is left out."""
        return self.meters is None and self.vehicles is None

    def condition(self) -> sql.Composable:
        """What SQL asks of a row, to be joined by AND."""
        asked: list[sql.Composable] = [
            sql.SQL(" AND {} = ANY ({}::text[])").format(sql.Identifier(name), list(ids))
            for name, ids in (("meter_id", self.meters), ("vehicle_id", self.vehicles))
            if ids is not None
        ]
        if self.needs_vehicle:
            asked.append(sql.SQL(" AND vehicle_id IS NOT NULL"))
        return sql.Composed(asked)
