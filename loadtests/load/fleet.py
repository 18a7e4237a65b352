"""Senders of a run: devices or gateways that post what they read, each body when it is due."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from heapq import heappop, heappush
from random import Random
from typing import Any

from loadtests.load.counting import Ending
from loadtests.load.options import Options
from loadtests.load.played import Device

# of clocks that are wrong within what telemetry.rules allows, and beyond that
_SKEW_SECONDS = 200
_AHEAD_SECONDS = 1800
# how many readings a device keeps while it is away
_FEWEST_KEPT, _MOST_KEPT = 2, 8
# readings of a body
_LARGEST = 500


@dataclass(frozen=True)
class Body:
    """Readings to be posted together, at an epoch time in seconds.

    `future`: those of a clock that is too far ahead, by their places. `twice`: it is posted again
    when it is stored. `links`: vehicles and their meters, which are linked before, from `since` on.
    """

    name: str
    due: float
    readings: list[dict[str, Any]]
    future: frozenset[int] = frozenset()
    twice: bool = False
    links: list[tuple[str, str]] = field(default_factory=list[tuple[str, str]])
    since: float = 0.0


class Sender:
    """A device, or the gateway of some: reads all of them at a time, and posts one body."""

    def __init__(self, number: int, devices: list[Device], options: Options) -> None:
        self._devices = devices
        self._options = options
        self._chance = Random(f"{options.run}-{number}")
        self._phase = self._chance.random() * options.interval_seconds
        self._is_newest_first = number % 2 == 1
        self._is_linked = False

    def first(self, began: float, minutes_back: int) -> tuple[float, int]:
        """When its first body is due, and how many readings of each device that has."""
        if minutes_back:
            due = began + self._chance.random() * self._options.within_seconds
            return due, max(1, round(minutes_back * 60 / self._options.interval_seconds))
        # some have been away before
        is_back = self._chance.random() < self._options.offline
        return began + self._phase, self._kept() if is_back else 1

    def bodies(self, due: float, kept: int) -> list[Body]:
        """What it posts at a time: of each device the last `kept` readings, newest or oldest first.

        More than one body where they are many.
        """
        step, jitter = self._options.interval_seconds, self._options.interval_seconds / 20
        times = [due - step * back - self._chance.random() * jitter for back in range(kept)]
        times.reverse()
        since = times[0] - step
        found: list[tuple[dict[str, Any], bool]] = []
        for at in times:
            for device in self._devices:
                is_ahead = device.skew_ms > _SKEW_SECONDS * 1000
                found.append((device.read(int(at * 1000)), is_ahead))
        if self._is_newest_first:
            found.reverse()
        name = "live" if kept == 1 else "late batch" if kept <= _MOST_KEPT else "backlog"
        twice = kept == 1 and self._chance.random() < self._options.twice
        links = [] if self._is_linked else self._links()
        self._is_linked = True
        bodies: list[Body] = []
        for at in range(0, len(found), _LARGEST):
            part = found[at : at + _LARGEST]
            future = frozenset(place for place, one in enumerate(part) if one[1])
            readings = [one[0] for one in part]
            bodies.append(Body(name, due, readings, future, twice and not future, links, since))
            links = []
        return bodies

    def next(self, due: float) -> tuple[float, int]:
        """When the body after one is due, and how many readings of each device that has."""
        share = self._options.offline
        kept = 1
        if share and self._chance.random() < 2 * share / (_FEWEST_KEPT + _MOST_KEPT):
            kept = self._kept()
        return due + kept * self._options.interval_seconds, kept

    def _kept(self) -> int:
        return self._chance.randint(_FEWEST_KEPT, _MOST_KEPT)

    def _links(self) -> list[tuple[str, str]]:
        run = self._options.run
        return [(one.id, f"M-{run}-{one.pair}") for one in self._devices if not one.is_meter]


class Fleet:
    """This process's share of the senders, by the time at which each has something to post."""

    def __init__(self) -> None:
        self._due: list[tuple[float, int, int]] = []
        self._senders: dict[int, Sender] = {}
        self._ready: list[Body] = []
        self.under_way = 0

    def start(self, options: Options, number: int, minutes_back: int = 0) -> None:
        """Make the senders that are process `number`'s; they were silent for `minutes_back`."""
        began = time.time()
        per_sender = max(1, options.batch)
        for sender in range(number, -(-options.devices // per_sender), options.processes):
            first = sender * per_sender
            devices = [
                _device(options, one)
                for one in range(first, min(first + per_sender, options.devices))
            ]
            self._senders[sender] = made = Sender(sender, devices, options)
            due, kept = made.first(began, minutes_back)
            heappush(self._due, (due, sender, kept))

    def left(self) -> int:
        """Bodies that are due now, or have no answer yet."""
        now = min(time.time(), Ending.at)
        return self.under_way + len(self._ready) + sum(due <= now for due, _, _ in self._due)

    def take(self) -> Body | float:
        """The next body that is due; else for how many seconds none is."""
        now = min(time.time(), Ending.at)
        if self._ready:
            return self._ready.pop()
        if not self._due:
            return 1.0
        due, number, kept = self._due[0]
        if due > now:
            return due - now
        heappop(self._due)
        sender = self._senders[number]
        self._ready += reversed(sender.bodies(due, kept))
        due, kept = sender.next(due)
        heappush(self._due, (due, number, kept))
        return self._ready.pop()


def _device(options: Options, number: int) -> Device:
    return Device(
        options.run, number // 2, is_meter=number % 2 == 0, skew_ms=_skew(options, number)
    )


def _skew(options: Options, number: int) -> int:
    chance = Random(f"clock-{number}")
    kind = chance.random()
    if kind < options.ahead:
        # so that what was kept longest is ahead as well
        kept = options.night_minutes * 60 + _MOST_KEPT * options.interval_seconds
        return int((_AHEAD_SECONDS + kept) * 1000)
    if kind < options.ahead + options.skewed:
        return int(chance.uniform(-_SKEW_SECONDS, _SKEW_SECONDS) * 1000)
    return 0
