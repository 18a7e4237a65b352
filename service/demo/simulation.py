"""Simulation of a plan, hour by hour: readings as they arrive, links, and the truth of it all."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from itertools import accumulate

from service.demo.channel import Channel, Outbox, Sent
from service.demo.coverage import Coverage
from service.demo.faults import Faulty
from service.demo.fleet import Charger, Vehicle, build
from service.demo.judging import session_truth
from service.demo.plan import MINUTES_A_DAY, Plan, moment_of
from service.demo.sessions import Days, Session
from service.demo.truth import DeviceTruth, Side, Truth


@dataclass(frozen=True)
class Link:
    """Which meter is said to feed a vehicle, and when."""

    vehicle_id: str
    meter_id: str
    since: datetime
    until: datetime


@dataclass(frozen=True)
class Exchange:
    """A meter that was replaced, as a DBA records it; registers in mWh."""

    device: str
    at: datetime
    final: int
    initial: int


@dataclass
class Hour:
    """What comes in an hour, which is given in hours since 1970; readings in any order."""

    number: int
    meters: list[Sent] = field(default_factory=list[Sent])
    vehicles: list[Sent] = field(default_factory=list[Sent])
    links: list[Link] = field(default_factory=list[Link])
    exchanges: list[Exchange] = field(default_factory=list[Exchange])


class Simulation:
    """A fleet's days; `truth` is complete up to the last midnight that was reached."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.fleet = build(plan)
        self._faulty = Faulty(plan.faults)
        self._days = Days(plan, self.fleet, self._faulty)
        self.truth = Truth(faults=plan.faults)
        self._coverage = Coverage(self.truth)
        self._outbox = Outbox()
        self._links: defaultdict[int, list[Link]] = defaultdict(list)
        self._on: defaultdict[str, list[Session]] = defaultdict(list)
        self._channels: dict[tuple[Side, str], Channel] = {}
        self._levels: dict[tuple[Side, str], int] = {}
        self._exchanges_told: set[str] = set()
        for charger in self.fleet.chargers.values():
            self._add("meter", charger)
        for vehicle in self.fleet.vehicles.values():
            self._add("vehicle", vehicle)

    def hours(self) -> Iterator[Hour]:
        """Every hour from the start on, without end."""
        day = self.plan.first_minute // MINUTES_A_DAY
        while True:
            self._run(day)
            exchanges = self._exchanges()
            for number in range(day * 24, day * 24 + 24):
                yield Hour(
                    number,
                    self._outbox.meters.pop(number, []),
                    self._outbox.vehicles.pop(number, []),
                    self._links.pop(number, []),
                    [one for one in exchanges if one.at < moment_of(number * 60 + 60)],
                )
                exchanges = [one for one in exchanges if one.at >= moment_of(number * 60 + 60)]
            day += 1

    def run(self) -> list[Hour]:
        """All hours of the plan's days: for small fleets."""
        hours = self.hours()
        return [next(hours) for _ in range(self.plan.days * 24)]

    def rest(self) -> list[Hour]:
        """What is under way when its days end: later hours of what is known by then."""
        box = self._outbox
        numbers = sorted({*box.meters, *box.vehicles})
        return [Hour(one, box.meters.pop(one, []), box.vehicles.pop(one, [])) for one in numbers]

    def _add(self, side: Side, device: Charger | Vehicle) -> None:
        name = device.meter_id if isinstance(device, Charger) else device.vehicle_id
        truth = DeviceTruth(
            side, name, device.manner.kind, device.register_mwh, device.register_mwh
        )
        self.truth.devices[side, name] = truth
        channel = Channel(self.plan.seed, truth, device.manner, self._faulty, self._outbox)
        truth.register_start = truth.register_end = channel.shown.offset
        self._channels[side, name] = channel
        self._levels[side, name] = 0

    def _run(self, day: int) -> None:
        first = day * MINUTES_A_DAY
        for session in self._days.sessions(day):
            moment = moment_of(session.since)
            meter_id = session.charger.meter_id
            measured_by = self._faulty.exchanged("swapped_meters", meter_id, moment)
            self._on[measured_by].append(session)
            linked = self._faulty.exchanged("wrong_link", meter_id, moment)
            name = session.vehicle.vehicle_id
            self._links[session.since // 60].append(
                Link(name, linked, moment, moment_of(session.until))
            )
            truth = session_truth(session, linked, measured_by, self._faulty)
            self._coverage.add(session, truth)
            self._report_vehicle(session)
        for charger in self.fleet.chargers.values():
            self._report_meter(charger, first, first + MINUTES_A_DAY)
        self._coverage.close_day(first + MINUTES_A_DAY)

    def _report_vehicle(self, session: Session) -> None:
        """A vehicle wakes up to charge, and reports only then."""
        key: tuple[Side, str] = ("vehicle", session.vehicle.vehicle_id)
        channel, truth, base = self._channels[key], self.truth.devices[key], self._levels[key]
        name = session.session_id if truth.kind == "session_counter" else None
        made, capacity = session.charge, session.vehicle.capacity_kwh * 1e6
        minutes = session.vehicle.manner.minutes
        last = len(made.battery)
        level = base
        for place, stored in enumerate(made.battery, 1):
            level += stored
            truth.hours[(session.since + place - 1) // 60] += stored
            # asleep while it waits
            if (stored and place % minutes == 0) or place == last:
                # the last minute may give a little more than there is room for
                soc = min(100.0, round(100 * (made.soc + (level - base) / capacity), 1))
                warmth = round(made.temperature(place), 1)
                channel.report(session.since + place, level, base, name, soc, warmth)
        self._levels[key] = level
        truth.register_end = truth.register_start + level

    def _report_meter(self, charger: Charger, first: int, last: int) -> None:
        """A meter reports all day: often while energy flows, else now and then."""
        sessions = [one for one in self._on[charger.meter_id] if one.energy_until > first]
        self._on[charger.meter_id] = [one for one in sessions if one.energy_until > last]
        minute = first
        for session in sorted(sessions, key=lambda one: one.since):
            # a meter that was swapped in the middle of a session measures one of them at a time
            start = max(minute, session.since)
            if session.energy_until <= start:
                continue
            self._idle(charger, minute, min(start, last))
            minute = min(session.energy_until, last)
            if start < last:
                self._charging(charger, session, start, minute)
        self._idle(charger, minute, last)

    def _idle(self, charger: Charger, minute: int, until: int) -> None:
        key: tuple[Side, str] = ("meter", charger.meter_id)
        channel, truth, level = self._channels[key], self.truth.devices[key], self._levels[key]
        step = charger.manner.idle_minutes
        reports = truth.kind != "session_counter"
        while minute < until:
            end = min(until, (minute // step + 1) * step)
            flowed = charger.idle_mwh * (end - minute)
            truth.hours[minute // 60] += flowed
            level += flowed
            minute = end
            if reports and minute % step == 0:
                channel.report(minute, level, 0, None, self._voltage(charger, minute, 0))
        self._levels[key] = level
        truth.register_end = truth.register_start + level

    def _charging(self, charger: Charger, session: Session, minute: int, until: int) -> None:
        key: tuple[Side, str] = ("meter", charger.meter_id)
        channel, truth = self._channels[key], self.truth.devices[key]
        grid = session.charge.grid[minute - session.since : until - session.since]
        before = sum(session.charge.grid[: minute - session.since])
        base = self._levels[key] - before
        minutes = charger.manner.minutes
        name = session.session_id if truth.kind == "session_counter" else None
        hours = truth.hours
        for drawn, level in zip(grid, accumulate(grid, initial=self._levels[key]), strict=False):
            hours[minute // 60] += drawn
            minute += 1
            if minute % minutes == 0 or minute == session.energy_until:
                voltage = self._voltage(charger, minute, drawn)
                channel.report(minute, level + drawn, base, name, voltage)
        self._levels[key] += sum(grid)
        truth.register_end = truth.register_start + self._levels[key]

    def _voltage(self, charger: Charger, minute: int, drawn: int) -> float:
        """Volts: a little less in the evening, and under load; no two places have the same."""
        # the evening's peak is at 19 o'clock
        apart = abs(minute % MINUTES_A_DAY - 1140)
        evening = min(apart, MINUTES_A_DAY - apart) / 240
        place = charger.register_mwh % 41
        flicker = (minute * (1 + charger.register_mwh % 89) + charger.register_mwh) % 97
        sag = 3.3 * drawn / (charger.max_kw * 16_667)
        return round(230.5 + place / 10 - sag + evening + flicker / 42, 1)

    def _exchanges(self) -> list[Exchange]:
        """Meters that were replaced since this was last asked."""
        made: list[Exchange] = []
        for fault in self._faulty.named("meter_exchanged"):
            for name in fault.devices:
                channel = self._channels["meter", name]
                if channel.shown.exchanges and name not in self._exchanges_told:
                    self._exchanges_told.add(name)
                    at, final, initial = channel.shown.exchanges[0]
                    made.append(Exchange(f"meter:{name}", moment_of(at), final, initial))
        return made
