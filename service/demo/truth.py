"""Truth of a fleet: what flowed, what was told of it, and what a judge should say.

All energy is in whole milliwatt-hours, so that sums are exact.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any, Literal

from service.demo.faults import Fault
from service.demo.plan import moment_of

Side = Literal["meter", "vehicle"]


@dataclass
class DeviceTruth:
    """A device: what flowed through it by hour since 1970, and what its readings come to.

    `told` is the energy that follows from the readings that were sent; it is less than what flowed
    where differences were lost, and before a register's first reading.
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

    @property
    def flowed(self) -> int:
        """All that flowed."""
        return sum(self.hours.values())


@dataclass(frozen=True)
class SessionTruth:
    """A charging session: what was drawn and stored, and what a judge should say."""

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
    verdict: str


@dataclass
class Truth:
    """All that is known of a fleet up to a time; it grows with the simulation."""

    devices: dict[tuple[Side, str], DeviceTruth] = field(
        default_factory=dict[tuple[Side, str], DeviceTruth]
    )
    sessions: list[SessionTruth] = field(default_factory=list[SessionTruth])
    faults: tuple[Fault, ...] = ()

    def lines(self) -> Iterator[dict[str, Any]]:
        """Objects for JSON: faults, then devices with their hours, then sessions."""
        for fault in self.faults:
            yield {
                "truth": "fault",
                "name": fault.name,
                "devices": fault.devices,
                "since": fault.since.isoformat(),
                "until": fault.until and fault.until.isoformat(),
                "size": fault.size,
                "judge": fault.judged,
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
                    f"{moment_of(hour * 60):%Y-%m-%dT%H:%MZ}": mwh
                    for hour, mwh in sorted(device.hours.items())
                    if mwh
                },
            }
        for session in self.sessions:
            times = (session.since, session.energy_until, session.until)
            names = ("since", "energy_until", "until")
            yield {
                "truth": "session",
                **asdict(session),
                **{name: time.isoformat() for name, time in zip(names, times, strict=True)},
            }
