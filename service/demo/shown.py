"""What a device shows of what flowed through it, with the faults of its counter, and what follows.

The level that comes in is the device's own count since the start, in mWh; what goes out is what a
reading says, by the device's kind.
"""

from __future__ import annotations

from collections.abc import Sequence

from service.demo.faults import Fault
from service.demo.fleet import Kind
from service.demo.plan import minute_of

WIDTH = 10**11  # 100,000 kWh
# what a register near zero may have after a reset and be counted from there
_NEAR_ZERO = 1_000_000
_GLITCH_MINUTES = 50


class Shown:
    """A device's counter."""

    def __init__(self, kind: Kind, register: int, faults: Sequence[Fault]) -> None:
        self._kind = kind
        self._faults = [(minute_of(f.since), f.until and minute_of(f.until), f) for f in faults]
        full = [f for f in faults if f.name == "rollover"]
        self._offset = WIDTH - int(full[0].size * 1e6) if full else register
        self._rolls = bool(full)
        self._previous = 0
        self._frozen: int | None = None
        self._done: set[str] = set()
        self._glitches = 0
        # (minute, final, initial) of registers that were replaced
        self.exchanges: list[tuple[int, int, int]] = []

    @property
    def offset(self) -> int:
        """What the register shows beyond the level."""
        return self._offset

    def value(self, minute: int, level: int, base: int) -> int:
        """What is shown at a minute; `base` is the level at the start of the session."""
        if self._kind == "difference":
            value = level - self._previous
        elif self._kind == "session_counter":
            value = level - base
        else:
            value = level + self._offset
            if self._rolls:
                value %= WIDTH
        if self._faults:
            value = self._changed(minute, level, value)
        self._previous = level
        return value

    def _changed(self, minute: int, level: int, value: int) -> int:
        for since, until, fault in self._faults:
            if minute < since:
                continue
            if fault.name == "frozen_counter":
                if until is not None and minute >= until:
                    self._frozen = None
                    continue
                if self._frozen is None:
                    self._frozen = value
                value = 0 if self._kind == "difference" else self._frozen
            elif self._kind != "lifetime_register":
                continue
            elif fault.name == "glitch_run":
                if self._glitches < fault.size and minute < since + _GLITCH_MINUTES:
                    self._glitches += 1
                    value = 0
            elif fault.name in ("register_reset", "meter_exchanged") and (
                fault.name not in self._done
            ):
                # with the reading before: what flowed since is what it starts with
                self._done.add(fault.name)
                final = self._previous + self._offset
                initial = 0 if fault.name == "register_reset" else 11_900_000
                self._offset = initial - self._previous
                value = level + self._offset
                if fault.name == "meter_exchanged":
                    self.exchanges.append((since, final, initial))
        return value


class Counted:
    """Energy that follows from what a device sent, in order of its readings' times."""

    def __init__(self, kind: Kind) -> None:
        self._kind = kind
        self._level: int | None = None
        self._session: str | None = None
        self.mwh = 0

    def exchange(self, final: int, initial: int) -> None:
        """A register was replaced."""
        if self._level is not None:
            self.mwh += final - self._level
        self._level = initial

    def add(self, value: int, session: str | None) -> None:
        """One more reading."""
        if self._kind == "difference":
            self.mwh += value
        elif self._level is None:
            # who comes in the middle does not know when it flowed
            self._level = value
        elif session != self._session:
            self.mwh += value
            self._level = value
        elif value >= self._level:
            self.mwh += value - self._level
            self._level = value
        else:
            self._fallen(value)
        self._session = session

    def _fallen(self, value: int) -> None:
        """A register shows less: a correction, a glitch, a rollover or a reset."""
        assert self._level is not None  # noqa: S101  add() saw a level
        if self._kind == "session_counter" or self._level - value <= _NEAR_ZERO or value == 0:
            return
        if self._level > WIDTH - 200_000_000:
            self.mwh += WIDTH - self._level + value
        elif value <= _NEAR_ZERO:
            self.mwh += value
        self._level = value
