"""Channel of one device: what of its readings is sent, when, and with which time."""

from __future__ import annotations

from collections import defaultdict
from datetime import UTC, datetime
from typing import Any, NamedTuple

from service.demo.faults import Faulty
from service.demo.fleet import Manner
from service.demo.plan import dice, minute_of
from service.demo.shown import Counted, Shown
from service.demo.truth import DeviceTruth

# how often a tunnel's gateway comes out, in minutes
_TUNNEL = 360
# how long readings are missing when some are, on average
_MEAN_HOLE = 18
Row = tuple[Any, ...]
# what runs for each of millions of readings is said with few calls
_time = datetime.fromtimestamp


class Sent(NamedTuple):
    """A reading under way: when it arrives, in seconds since 1970, and its row for the wire.

    `is_again`: it was sent before, and the answer was lost.
    """

    at: int
    row: Row
    is_again: bool = False


class Outbox:
    """Readings by the hour since 1970 in which they arrive."""

    def __init__(self) -> None:
        self.meters: defaultdict[int, list[Sent]] = defaultdict(list)
        self.vehicles: defaultdict[int, list[Sent]] = defaultdict(list)


class Channel:
    """The way from a device's counter to what arrives; `truth` notes what follows from that."""

    def __init__(
        self, seed: int, truth: DeviceTruth, manner: Manner, faulty: Faulty, outbox: Outbox
    ) -> None:
        self._truth = truth
        self._manner = manner
        self._id = truth.device_id
        self._box = outbox.meters if truth.side == "meter" else outbox.vehicles
        self._random = dice(seed, "channel", truth.side, self._id).random
        self.shown = Shown(
            manner.kind,
            truth.register_start,
            faulty.of(
                self._id,
                "frozen_counter",
                "register_reset",
                "glitch_run",
                "rollover",
                "meter_exchanged",
            ),
        )
        self._counted = Counted(manner.kind)
        self._silent = [
            (minute_of(f.since), f.until and minute_of(f.until))
            for f in faulty.of(self._id, "silent_device")
        ]
        self._hole_until = 0
        # the chance that a hole starts at a reading
        self._hole = manner.lost / (1 - manner.lost) / _MEAN_HOLE + 0.00002
        self._exchanged = 0
        self._last: datetime | None = None
        # the minute of the last reading that was measured, and the session of the last sent
        self._minute = 0
        self._session: str | None = None
        self._kind = None if manner.kind == "difference" else manner.kind
        self._wobbles = truth.side == "vehicle" and manner.kind == "session_counter"

    def report(
        self, minute: int, level: int, base: int, session: str | None, *measured: float
    ) -> None:
        """Measure at a minute, and send it if nothing is in the way."""
        manner, truth = self._manner, self._truth
        value = self.shown.value(minute, level, base)
        truth.measured += 1
        before, self._minute = self._minute, minute
        chance = self._random()
        second = minute * 60 + manner.phase + manner.skew
        if manner.jitter:
            second += int(chance * 65_536) % (manner.jitter + 1)
        read_at = _time(second, UTC)
        start, self._last = self._last if manner.sends_start else None, read_at
        if self._wobbles and value > 200_000 and int(chance * 8_191) % 12 == 0:
            # cars correct their count downwards now and then
            value -= int(chance * 131_071) % 120_000
        if minute < self._hole_until:
            truth.miss(before, minute)
            return
        if chance < self._hole:
            self._hole_until = minute + 1 + int(self._random() * 2 * _MEAN_HOLE * manner.minutes)
            truth.miss(before, minute)
            return
        if self._silent and any(
            since <= minute and (until is None or minute < until) for since, until in self._silent
        ):
            truth.miss(before, minute)
            return
        if len(self.shown.exchanges) > self._exchanged:
            self._count_exchanges(minute)
        if truth.missed or not truth.sent:
            self._tell(minute, session)
        self._session = session
        self._counted.add(value, session)
        truth.told = self._counted.mwh
        truth.sent += 1
        if self._kind is not None:
            start = None
        row = (self._id, read_at, self._kind, value / 1e6, start, session, *measured)
        at = minute * 60 + manner.phase + 2
        if manner.in_tunnel:
            # the gateway sends its backlog when it comes out, the newest first
            out = (minute // _TUNNEL + 1) * _TUNNEL
            at = out * 60 + (out - minute)
        self._box[at // 3600].append(Sent(at, row))
        if 1 - chance < manner.again:
            # an answer was lost, so it is sent again
            at += 20 + int(chance * 4_099) % 400
            self._box[at // 3600].append(Sent(at, row, is_again=True))

    def _tell(self, minute: int, session: str | None) -> None:
        """Note of which time nothing is told, now that a reading is heard after some were not."""
        truth = self._truth
        if self._kind is not None and not truth.sent:
            # who comes in the middle does not know when it flowed
            truth.untold.append((0, minute))
        elif self._kind is None or session != self._session:
            truth.untold += truth.missed
        truth.missed.clear()

    def _count_exchanges(self, minute: int) -> None:
        for at, final, initial in self.shown.exchanges[self._exchanged :]:
            if minute >= at:
                self._counted.exchange(final, initial)
                self._exchanged += 1
