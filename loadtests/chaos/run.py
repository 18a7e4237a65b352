"""Run of the load, a fault now and then, and a look at what became of it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence

from loadtests.chaos.check import Finding, look
from loadtests.chaos.faults import Fault, Unavailable
from loadtests.chaos.fleet import Fleet
from loadtests.chaos.installation import Installation

_RECOVERY_SECONDS = 90.0
_WELL_SECONDS = 1.5
_MEASURED_SECONDS = 15.0
# ops.verify looks at all that there is, which takes its time
_VERIFY_READINGS = 1_000_000
_VERIFY_SECONDS = 900.0


class Event:
    """A fault that was caused: how long it lasted, how long until all was well, what was found."""

    def __init__(self, fault: Fault) -> None:
        self.fault = fault
        self.unavailable: str | None = None
        self.lasted_seconds = 0.0
        # None where it did not recover
        self.recovered_seconds: float | None = None
        self.finding: Finding | None = None


class Run:
    """A run on an installation; `tell` is called with a line about each step."""

    def __init__(
        self, installation: Installation, fleet: Fleet, tell: Callable[[str], None]
    ) -> None:
        self.events: list[Event] = []
        # when, and how large the service was, in MB
        self.memory: list[tuple[float, float]] = []
        self.full_rate = 0.0
        self.last: Finding | None = None
        self._installation = installation
        self._fleet = fleet
        self._tell = tell
        self._began = time.monotonic()
        self._verified_at = self._began

    async def measure(self, share: float) -> None:
        """Find the highest rate, and go on at a share of it."""
        await asyncio.sleep(2)
        before = self._fleet.readings
        await asyncio.sleep(_MEASURED_SECONDS)
        self.full_rate = (self._fleet.readings - before) / _MEASURED_SECONDS
        self._fleet.rate = share * self.full_rate
        self._tell(
            f"{self.full_rate:,.0f} readings/s at most, so {self._fleet.rate:,.0f} from now on"
        )

    async def cause(self, faults: Sequence[Fault], every_seconds: float) -> None:
        """Cause faults in turn, one every so many seconds, or as soon as the last is over."""
        watching = asyncio.create_task(self._watch_memory())
        try:
            for number, fault in enumerate(faults, 1):
                began = time.monotonic()
                event = await self._cause(fault)
                self._tell(f"{number}/{len(faults)} {_line(event)}")
                await asyncio.sleep(max(0.0, began + every_seconds - time.monotonic()))
        finally:
            watching.cancel()

    async def conclude(self) -> Finding:
        """End the load, and look at everything once more."""
        self._tell("the last look, at everything")
        self.last = await self._look(verify=True)
        await self._fleet.stop()
        return self.last

    async def _cause(self, fault: Fault) -> Event:
        event = Event(fault)
        self.events.append(event)
        began = time.monotonic()
        try:
            await asyncio.to_thread(fault.cause, self._installation, self._fleet)
        except Unavailable as reason:
            event.unavailable = str(reason)
            return event
        ended = time.monotonic()
        event.lasted_seconds = ended - began
        event.recovered_seconds = await self._recovery(ended)
        if event.recovered_seconds is not None:
            now = time.monotonic()
            verify = (
                self._fleet.readings < _VERIFY_READINGS or now - self._verified_at > _VERIFY_SECONDS
            )
            event.finding = await self._look(verify=verify)
            self._fleet.go_on()
        return event

    async def _recovery(self, since: float) -> float | None:
        """How long until no request failed any more, for a second at least; None if never."""
        fleet = self._fleet
        while (now := time.monotonic()) - since < _RECOVERY_SECONDS:
            well = fleet.well_since
            if (
                well is not None
                and now - max(well, since) > _WELL_SECONDS
                and now - fleet.acknowledged_at < _WELL_SECONDS / 2
                and await asyncio.to_thread(self._installation.is_ready)
            ):
                return max(0.0, well - since)
            await asyncio.sleep(0.05)
        return None

    async def _look(self, *, verify: bool) -> Finding:
        await self._fleet.pause()
        if verify:
            self._verified_at = time.monotonic()
        return await asyncio.to_thread(look, self._installation, self._fleet, verify=verify)

    async def _watch_memory(self) -> None:
        while True:
            size = self._installation.memory_mb()
            if size:
                self.memory.append((time.monotonic() - self._began, size))
            await asyncio.sleep(5)


def _line(event: Event) -> str:
    name = event.fault.name
    if event.unavailable:
        return f"{name}: not caused: {event.unavailable}"
    if event.recovered_seconds is None or event.finding is None:
        return f"{name}: NOT WELL AGAIN after {_RECOVERY_SECONDS:g} s"
    found = event.finding
    checked = (
        ""
        if found.differences is None
        else f", {found.differences} differences, {found.ledgers_off} ledgers off"
    )
    if found.waited and found.waited.readings:
        waited = found.waited
        checked += f"; {waited.readings:,} had waited, stored in {waited.seconds:.1f} s"
    return (
        f"{name}: lasted {event.lasted_seconds:.1f} s, well again after"
        f" {event.recovered_seconds:.1f} s; {found.acknowledged:,} acknowledged,"
        f" {found.lost} lost, {found.duplicates} twice, {found.energy_off_mwh} mWh off{checked}"
    )
