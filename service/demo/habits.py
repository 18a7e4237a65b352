"""Habits: when a vehicle wants to charge, where, and when it has to go."""

from __future__ import annotations

from random import Random
from typing import NamedTuple

from service.demo.fleet import SiteKind, Vehicle


class Wish(NamedTuple):
    """From when to when, in minutes of the day (the next one's too), and until which charge."""

    since: int
    until: int
    kind: SiteKind
    target: float


def spread(random: Random, earliest: int, latest: int) -> int:
    """A minute between two, rather in the middle."""
    return earliest + int((latest - earliest) * (random.random() + random.random()) / 2)


def driven_kwh(vehicle: Vehicle, weekday: int, air: float, random: Random) -> float:
    """Energy that a day's trips take; more in the cold, less for vans at the weekend."""
    if vehicle.habit == "depot" and weekday >= 5:
        return vehicle.daily_kwh * (0.5 if random.random() < 0.2 else 0)
    share = 0.3 + 1.3 * random.random()
    if weekday >= 5 and random.random() < 0.2:
        share += 1.5
    return vehicle.daily_kwh * share * (1 + 0.012 * max(0.0, 18 - air))


def wishes(vehicle: Vehicle, weekday: int, soc: float, random: Random) -> list[Wish]:
    """What a vehicle wants on a day, in order of time."""
    wanted: list[Wish] = []
    if vehicle.habit != "depot" and (soc < 0.22 or random.random() < 0.025):
        begin = spread(random, 480, 1140)
        wanted.append(Wish(begin, begin + 45, "fast", 0.7 + 0.1 * random.random()))
    if vehicle.habit == "home":
        if soc < 0.45 or random.random() < 0.55:
            begin = spread(random, 960, 1320) if weekday < 5 else spread(random, 720, 1320)
            wanted.append(Wish(begin, 1440 + spread(random, 360, 510), "home", vehicle.target))
    elif vehicle.habit == "work":
        # those who were at the plugs first leave them at noon, or when they go home
        if weekday < 5 and (soc < 0.7 or random.random() < 0.5):
            begin = spread(random, 360, 540)
            end = spread(random, 690, 780) if random.random() < 0.4 else spread(random, 930, 1080)
            wanted.append(Wish(begin, end, "work", vehicle.target))
    elif vehicle.habit == "depot":
        if soc < 0.85:
            begin = spread(random, 870, 1110)
            wanted.append(Wish(begin, 1440 + spread(random, 300, 420), "depot", 1.0))
    elif soc < 0.65 or random.random() < 0.3:
        begin = spread(random, 450, 1200)
        wanted.append(Wish(begin, begin + spread(random, 60, 270), "public", 1.0))
    return wanted
