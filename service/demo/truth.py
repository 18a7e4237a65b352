"""Truth of a fleet: what flowed, what was told of it, and what a judge should say.

All energy is in whole milliwatt-hours, so that sums are exact.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any, Literal

from service.demo.faults import Fault
from service.demo.plan import moment_of
from service.demo.verdict import Cover, Flow, right

Side = Literal["meter", "vehicle"]


@dataclass
class DeviceTruth:
    """A device: what flowed through it by hour since 1970, and what its readings come to.

    `told` is the energy that follows from the readings that were sent; it is less than what flowed
    where differences were lost, and before a register's first reading. `untold` are the spans of
    time of which no reading tells, in minutes since 1970; `missed` those of which the next reading
    of a register will, if it comes.
    """

    side: Side
    device_id: str
    kind: str
    register_start: int
    register_end: int
    hours: defaultdict[int, int] = field(default_factory=lambda: defaultdict[int, int](int))
    told: int = 0
    measured: int = 0
    sent: int = 0
    untold: list[tuple[int, int]] = field(default_factory=list[tuple[int, int]])
    missed: list[tuple[int, int]] = field(default_factory=list[tuple[int, int]])

    def miss(self, since: int, until: int) -> None:
        """Note that a reading of a span was not sent."""
        if self.missed and self.missed[-1][1] == since:
            since, _ = self.missed.pop()
        self.missed.append((since, until))

    @property
    def flowed(self) -> int:
        """All that flowed."""
        return sum(self.hours.values())


@dataclass(frozen=True)
class SessionTruth:
    """A charging session: what was drawn and stored, and what a judge should say.

    `grid` has all that was drawn up to `energy_until`, `hours` tell charging and standby apart.
    """

    session_id: str
    vehicle_id: str
    meter_id: str
    linked_meter_id: str
    since: datetime
    energy_until: datetime
    until: datetime
    grid: int
    battery: int
    soc_start: float
    battery_temp_c: float
    faults: tuple[str, ...]
    # right ones, the likeliest first
    verdicts: tuple[str, ...]
    # None where nothing was charged
    expected_efficiency: float | None
    # points of efficiency that the charger's faults take
    lost_points: float
    # by hour since 1970, from plugging in to leaving
    hours: dict[int, Flow]
    # what of it the readings tell that were sent, by the same hours
    covered: dict[int, Cover] = field(default_factory=dict[int, Cover])


@dataclass(frozen=True)
class DayTruth:
    """A day in UTC of a vehicle and the meter it is linked to, and what a judge should say."""

    day: date
    vehicle_id: str
    linked_meter_id: str
    flow: Flow
    faults: tuple[str, ...]
    verdicts: tuple[str, ...]
    # what of it the readings tell that were sent
    cover: Cover


_TIMES = ("since", "energy_until", "until")
_TOLD_OF_SESSIONS = (
    "session_id",
    "vehicle_id",
    "meter_id",
    "linked_meter_id",
    "soc_start",
    "battery_temp_c",
    "faults",
    "verdicts",
    "expected_efficiency",
    "lost_points",
)


@dataclass
class Truth:
    """All that is known of a fleet up to a time; it grows with the simulation."""

    devices: dict[tuple[Side, str], DeviceTruth] = field(
        default_factory=dict[tuple[Side, str], DeviceTruth]
    )
    sessions: list[SessionTruth] = field(default_factory=list[SessionTruth])
    faults: tuple[Fault, ...] = ()

    def lines(self) -> Iterator[dict[str, Any]]:
        """Objects for JSON: faults, devices with their hours, sessions, and days of pairs."""
        for fault in self.faults:
            yield {
                "truth": "fault",
                "name": fault.name,
                "devices": fault.devices,
                "since": fault.since.isoformat(),
                "until": fault.until and fault.until.isoformat(),
                "size": fault.size,
                "verdicts": fault.verdicts,
            }
        for device in self.devices.values():
            yield {
                "truth": "device",
                "side": device.side,
                "device": device.device_id,
                "kind": device.kind,
                "flowed_mwh": device.flowed,
                "told_mwh": device.told,
                "register_start_mwh": device.register_start,
                "register_end_mwh": device.register_end,
                "measured": device.measured,
                "sent": device.sent,
                "hours_mwh": {
                    _named(hour): mwh for hour, mwh in sorted(device.hours.items()) if mwh
                },
            }
        for session in self.sessions:
            yield {
                "truth": "session",
                **{name: getattr(session, name) for name in _TOLD_OF_SESSIONS},
                **{name: getattr(session, name).isoformat() for name in _TIMES},
                **_energies(session.hours.values()),
                **_known(session.covered.values()),
                "hours": {
                    _named(hour): {
                        **_energies([flow]),
                        **_known([session.covered.get(hour, Cover())]),
                    }
                    for hour, flow in session.hours.items()
                },
            }
        for day in self.days():
            yield {
                "truth": "day",
                "day": day.day.isoformat(),
                "vehicle_id": day.vehicle_id,
                "linked_meter_id": day.linked_meter_id,
                "faults": day.faults,
                "verdicts": day.verdicts,
                "expected_efficiency": day.flow.expected_efficiency,
                **_energies([day.flow]),
                **_known([day.cover]),
            }

    def days(self) -> list[DayTruth]:
        """Days of pairs that were linked then, in order."""
        flows: defaultdict[tuple[date, str, str], list[Flow]] = defaultdict(list)
        covers: defaultdict[tuple[date, str, str], list[Cover]] = defaultdict(list)
        parts: defaultdict[tuple[date, str, str], list[SessionTruth]] = defaultdict(list)
        for session in self.sessions:
            for hour, flow in session.hours.items():
                key = moment_of(hour * 60).date(), session.vehicle_id, session.linked_meter_id
                flows[key].append(flow)
                covers[key].append(session.covered.get(hour, Cover()))
                if session not in parts[key][-1:]:
                    parts[key].append(session)
        found: list[DayTruth] = []
        for key, sessions in sorted(parts.items()):
            flow, cover = Flow.of(flows[key]), Cover.of(covers[key])
            faults = tuple(sorted({fault for one in sessions for fault in one.faults}))
            lost = max(one.lost_points for one in sessions)
            found.append(DayTruth(*key, flow, faults, right(flow, faults, lost, cover), cover))
        return found


def _named(hour: int) -> str:
    return f"{moment_of(hour * 60):%Y-%m-%dT%H:%MZ}"


def _energies(flows: Iterable[Flow]) -> dict[str, int]:
    whole = Flow.of(flows)
    return {
        "ac_mwh": whole.ac,
        "dc_mwh": whole.dc,
        "standby_mwh": whole.standby,
        "charging_minutes": whole.minutes,
    }


def _known(covers: Iterable[Cover]) -> dict[str, int]:
    whole = Cover.of(covers)
    return {
        "told_ac_mwh": whole.told_ac,
        "covered_ac_mwh": whole.ac,
        "covered_dc_mwh": whole.dc,
    }
