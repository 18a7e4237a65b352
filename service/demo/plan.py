"""Plan of a simulated fleet: its seed, size and time, and the faults in it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from random import Random

from service.demo.faults import Fault

MINUTES_A_DAY = 1440
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Plan:
    """What decides everything else; two equal plans give the same fleet on any machine.

    `start` is a midnight in UTC. `lost` is the share of its readings that every device loses for
    ever; None: few lose any.
    """

    start: datetime
    seed: int = 1
    vehicles: int = 200
    days: int = 30
    faults: tuple[Fault, ...] = ()
    lost: float | None = None

    @property
    def first_minute(self) -> int:
        """The start, in minutes since 1970."""
        return minute_of(self.start)


def dice(seed: int, *names: object) -> Random:
    """Random numbers of one subject, which no other subject's use of them changes.

    A text is hashed by SHA-512, so that Python's hash seed does not matter. No more than the four
    operations and random() are used on them anywhere: those are the same on every machine.
    """
    return Random(":".join(map(str, (seed, *names))))  # noqa: S311  no secret


def minute_of(moment: datetime) -> int:
    """A time in whole minutes since 1970."""
    return (moment - _EPOCH) // timedelta(minutes=1)


def moment_of(minute: float) -> datetime:
    """The time that is so many minutes after 1970."""
    return _EPOCH + timedelta(minutes=minute)


def start_of(days: int, now: datetime) -> datetime:
    """The midnight in UTC that is so many days before today's."""
    today = now.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    return today - timedelta(days=days)
