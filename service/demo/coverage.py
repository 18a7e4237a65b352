"""How much of a charge the readings that were sent tell: what a judge can know of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from service.demo.sessions import Session
from service.demo.truth import DeviceTruth, SessionTruth, Truth
from service.demo.verdict import Cover, Flow, right

Span = tuple[int, int]


class Coverage:
    """Covers of a truth's sessions, which get them at the midnights up to which all is told."""

    def __init__(self, truth: Truth) -> None:
        self._truth = truth
        self._open: list[tuple[int, Session]] = []

    def add(self, session: Session, truth: SessionTruth) -> None:
        """One more session, which is the truth's newest."""
        self._open.append((len(self._truth.sessions), session))
        self._truth.sessions.append(truth)

    def close_day(self, minute: int) -> None:
        """All that was measured up to a midnight is known, in minutes since 1970."""
        left: list[tuple[int, Session]] = []
        for place, session in self._open:
            truth = self._truth.sessions[place]
            meter = self._truth.devices["meter", truth.linked_meter_id]
            vehicle = self._truth.devices["vehicle", truth.vehicle_id]
            covered = _covered(session, truth, meter, vehicle, minute)
            flow, cover = Flow.of(truth.hours.values()), Cover.of(covered.values())
            verdicts = right(flow, truth.faults, truth.lost_points, cover)
            self._truth.sessions[place] = replace(truth, covered=covered, verdicts=verdicts)
            # what a register's next reading tells is known then
            if session.energy_until > minute or meter.missed or vehicle.missed:
                left.append((place, session))
        self._open = left


def _covered(
    session: Session, truth: SessionTruth, meter: DeviceTruth, vehicle: DeviceTruth, end: int
) -> dict[int, Cover]:
    """By hour since 1970."""
    of_meter = [*_within(meter, session), (end, session.energy_until)]
    of_vehicle = _within(vehicle, session)
    if len(of_meter) == 1 and not of_vehicle and end >= session.energy_until:
        return {hour: Cover(one.ac, one.ac, one.dc) for hour, one in truth.hours.items()}
    told = _minutes(session, of_meter)
    both = _minutes(session, [*of_meter, *of_vehicle])
    grid, battery, idle = session.charge.grid, session.charge.battery, session.charger.idle_mwh
    covered: dict[int, Cover] = {}
    for hour in truth.hours:
        first = max(0, hour * 60 - session.since)
        last = min(len(grid), hour * 60 + 60 - session.since)
        # what waits for its departure draws what an empty charger does
        flowing = [place for place in range(first, last) if grid[place] != idle]
        covered[hour] = Cover(
            sum(grid[place] for place in flowing if told[place]),
            sum(grid[place] for place in flowing if both[place]),
            sum(battery[place] for place in flowing if both[place]),
        )
    return covered


def _within(device: DeviceTruth, session: Session) -> list[Span]:
    """Of what no reading tells, that which touches a session."""
    return [
        (since, until)
        for since, until in (*device.untold, *device.missed)
        if since < session.energy_until and until > session.since
    ]


def _minutes(session: Session, untold: Sequence[Span]) -> bytearray:
    """Of each minute of a session in which something may flow, whether it is told."""
    told = bytearray(b"\1") * len(session.charge.grid)
    for since, until in untold:
        first = max(0, since - session.since)
        last = min(len(told), until - session.since)
        if first < last:
            told[first:last] = bytes(last - first)
    return told
