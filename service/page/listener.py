"""Listeners, and the events that they are told."""

from __future__ import annotations

import asyncio
from collections import deque
from datetime import datetime

import msgspec

from service.wire.alerts import Change

_MOST_WAITING = 50


class AlertChanged(msgspec.Struct, rename="camel"):
    """A change of an alert."""

    alert_id: int
    change: Change
    meter_id: str | None
    vehicle_id: str | None


class Event(msgspec.Struct, rename="camel", omit_defaults=True):
    """What changed between two looks.

    `meters` and `vehicles` are those with a newer reading; instead `manyMeters` or `manyVehicles`
    is true where there are too many to name. `chargingKeptAt` is there where energies, sessions
    and verdicts may have changed.
    """

    meters: list[str] = []
    vehicles: list[str] = []
    many_meters: bool = False
    many_vehicles: bool = False
    alerts: list[AlertChanged] = []
    charging_kept_at: datetime | None = None

    def about(self, meter: str | None, vehicle: str | None) -> Event:
        """What of it is about two devices."""
        return Event(
            meters=[meter] if meter and (self.many_meters or meter in self.meters) else [],
            vehicles=[vehicle]
            if vehicle and (self.many_vehicles or vehicle in self.vehicles)
            else [],
            alerts=[
                one
                for one in self.alerts
                if one.meter_id in (meter, None) and one.vehicle_id in (vehicle, None)
            ],
            charging_kept_at=self.charging_kept_at,
        )


class Numbered(msgspec.Struct, frozen=True):
    """An event and its number, which grows."""

    number: str
    event: Event


class Listener:
    """One who is told; `missed` where some was not told, `ended` where nothing will be any more."""

    def __init__(self) -> None:
        self.missed = False
        self.ended = False
        self._waiting: deque[Numbered] = deque()
        self._woken = asyncio.Event()

    def tell(self, numbered: Numbered) -> None:
        """Have an event told; where too many wait, none of them is."""
        if len(self._waiting) >= _MOST_WAITING:
            self._waiting.clear()
            self.missed = True
        self._waiting.append(numbered)
        self._woken.set()

    def end(self) -> None:
        """Say that this is all."""
        self.ended = True
        self._woken.set()

    async def next(self, seconds: float) -> Numbered | None:
        """The next event; None where there is none for so long, or no more."""
        if not self._waiting and not self.ended:
            self._woken.clear()
            try:
                async with asyncio.timeout(seconds):
                    await self._woken.wait()
            except TimeoutError:
                return None
        return self._waiting.popleft() if self._waiting else None
