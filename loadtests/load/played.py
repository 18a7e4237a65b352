"""Devices that play what simulated ones read: charging, each pair a vehicle at its own charger."""

from __future__ import annotations

from collections import defaultdict
from datetime import UTC, datetime
from functools import cache
from typing import Any

from service.demo.channel import Row, Sent
from service.demo.document import document
from service.demo.plan import Plan
from service.demo.simulation import Simulation

# a Monday in the cold, and the day after
_START = datetime(2026, 1, 12, tzinfo=UTC)
_VEHICLES = 100
_DAYS = 2
# of one that charges seldom, its few minutes would come again too soon
_FEWEST_MINUTES = 150

# of meter and vehicle, in the minutes in which both report
Part = tuple[list[Row], list[Row]]


@cache
def parts() -> tuple[Part, ...]:
    """What pairs of the simulated fleet read, minute by minute while they charge."""
    rows: defaultdict[str, dict[int, Row]] = defaultdict(dict)
    meters: defaultdict[str, set[str]] = defaultdict(set)
    vehicles: defaultdict[str, set[str]] = defaultdict(set)
    plan = Plan(_START, vehicles=_VEHICLES, days=_DAYS, lost=0.0)
    for hour in Simulation(plan).run():
        for sent in hour.meters + hour.vehicles:
            rows[sent.row[0]].setdefault(int(sent.row[1].timestamp()) // 60, sent.row)
        for link in hour.links:
            meters[link.vehicle_id].add(link.meter_id)
            vehicles[link.meter_id].add(link.vehicle_id)
    found: list[Part] = []
    for vehicle_id in sorted(meters):
        meter_id, *others = meters[vehicle_id]
        if not others and vehicles[meter_id] == {vehicle_id}:
            meter, vehicle = rows[meter_id], rows[vehicle_id]
            both = sorted(meter.keys() & vehicle.keys())
            if len(both) >= max(_FEWEST_MINUTES, 0.9 * len(vehicle)):
                found.append(([meter[at] for at in both], [vehicle[at] for at in both]))
    return tuple(found)


class Device:
    """A meter, or the vehicle at it: the two of pair `number` play the same minutes."""

    __slots__ = ("_last", "_place", "_rows", "id", "pair", "skew_ms")

    def __init__(self, run: str, pair: int, *, is_meter: bool, skew_ms: int = 0) -> None:
        self.pair = pair
        self.id = f"{'M' if is_meter else 'V'}-{run}-{pair}"
        # how far its clock is ahead
        self.skew_ms = skew_ms
        part = parts()[pair % len(parts())]
        self._rows = part[0 if is_meter else 1]
        # not all are in the same minute of a charge
        self._place = pair * 37 % len(self._rows)
        self._last: datetime | None = None

    @property
    def is_meter(self) -> bool:
        """Whether it is no vehicle."""
        return self.id.startswith("M-")

    def read(self, at_ms: int) -> dict[str, Any]:
        """Its next reading, taken at a time in epoch milliseconds, as it is posted."""
        again, place = divmod(self._place, len(self._rows))
        self._place += 1
        _, _, kind, kwh, start, session, *measured = self._rows[place]
        if kind == "lifetime_register":
            # a register goes on where the minutes come again
            first, last = self._rows[0][3], self._rows[-1][3]
            kwh = round(kwh + again * (last - first), 6)
        if session is not None:
            session = f"{session}-{again}"
        read_at = datetime.fromtimestamp((at_ms + self.skew_ms) / 1000, UTC)
        since, self._last = self._last, read_at
        if start is not None:
            start = since
        return document(Sent(0, (self.id, read_at, kind, kwh, start, session, *measured)))
