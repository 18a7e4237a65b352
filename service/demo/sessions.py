"""Sessions of a day: who gets which charger, and what flows."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

from service.demo.faults import Faulty
from service.demo.fleet import Charger, Fleet, Vehicle
from service.demo.habits import Wish, driven_kwh, wishes
from service.demo.physics import Charge, charge, precondition
from service.demo.plan import MINUTES_A_DAY, Plan, dice, moment_of
from service.demo.weather import Weather

# under which a driver does not bother
_SHORTEST_STAY = 15


@dataclass(frozen=True)
class Session:
    """A vehicle on a charger, from plugging in to leaving, in minutes since 1970."""

    session_id: str
    vehicle: Vehicle
    charger: Charger
    since: int
    until: int
    charge: Charge
    air: float

    @property
    def energy_until(self) -> int:
        """When the last energy flowed."""
        return self.since + len(self.charge.grid)


class Days:
    """Days of a fleet, one after the other: charge and place of each vehicle are carried over."""

    def __init__(self, plan: Plan, fleet: Fleet, faulty: Faulty) -> None:
        self._plan = plan
        self._fleet = fleet
        self._faulty = faulty
        self.weather = Weather(plan, faulty.named("cold_week"))
        self._soc = {name: vehicle.first_soc for name, vehicle in fleet.vehicles.items()}
        self._away_until = dict.fromkeys(fleet.vehicles, 0)
        self._free_from = dict.fromkeys(fleet.chargers, 0)
        self._number = 0

    def sessions(self, day: int) -> list[Session]:
        """The sessions that start on a day, given in days since 1970, in order of time."""
        first = day * MINUTES_A_DAY
        weekday = moment_of(first).weekday()
        air = self.weather.at(first + 780)
        wanted: list[tuple[int, str, Wish]] = []
        for name, vehicle in self._fleet.vehicles.items():
            random = dice(self._plan.seed, "day", day, name)
            used = driven_kwh(vehicle, weekday, air, random) / vehicle.capacity_kwh
            # few dare to come home empty: who drives farther charges on the way, which nobody sees
            reserve = 0.07 + 0.18 * dice(self._plan.seed, "reserve", day, name).random()
            before = self._soc[name]
            self._soc[name] = max(min(before, reserve), before - used)
            wanted += [
                (first + wish.since, name, wish)
                for wish in wishes(vehicle, weekday, self._soc[name], random)
            ]
        wanted.sort(key=lambda one: one[:2])
        found = (self._session(first, *one) for one in wanted)
        return sorted((one for one in found if one), key=lambda one: (one.since, one.session_id))

    def _session(self, first: int, since: int, name: str, wish: Wish) -> Session | None:
        vehicle = self._fleet.vehicles[name]
        random = dice(self._plan.seed, "session", since, name)
        since = max(since, self._away_until[name])
        charger, since = self._plug(vehicle, wish, since, random)
        until = first + wish.until
        # whoever had to wait stays longer; nobody waits into the next day
        if wish.kind in ("public", "fast"):
            until = max(until, since + 30)
        if charger is None or until - since < _SHORTEST_STAY or since >= first + MINUTES_A_DAY:
            return None
        air = self.weather.at(since)
        made = charge(
            charger,
            vehicle,
            soc=self._soc[name],
            target=wish.target,
            stay=until - since,
            air=air,
            health=self._health(charger, since),
            random=random,
        )
        if not made.grid:
            return None
        self._soc[name] += sum(made.battery) / (vehicle.capacity_kwh * 1e6)
        if wish.kind == "home" and air < 6 and random.random() < 0.3:
            precondition(vehicle, made, charger.idle_mwh, until - since, random)
        if wish.kind in ("public", "fast"):
            # those who are done come back soon, or late
            until = min(until, since + len(made.grid) + spread_back(random, wish.kind == "fast"))
            until = max(until, since + len(made.grid))
        self._away_until[name] = self._free_from[charger.meter_id] = until
        self._number += 1
        return Session(f"T-{self._number:06d}", vehicle, charger, since, until, made, air)

    def _plug(
        self, vehicle: Vehicle, wish: Wish, since: int, random: Random
    ) -> tuple[Charger | None, int]:
        """A charger and when it is had: the first that is free, else the one that is free first."""
        if wish.kind in ("home", "depot", "work"):
            site = vehicle.place
        else:
            site = random.choice(self._fleet.sites_of(wish.kind))
        places = self._fleet.sites[site]
        free = [one for one in places if self._free_from[one.meter_id] <= since]
        if free:
            return random.choice(free), since
        best = min(places, key=lambda one: (self._free_from[one.meter_id], one.meter_id))
        # the next in the queue takes some minutes to plug in
        return best, self._free_from[best.meter_id] + 2 + int(10 * random.random())

    def _health(self, charger: Charger, since: int) -> float:
        """The share that arrives of what a sound charger would deliver."""
        moment = moment_of(since)
        health = 1.0
        for fault in self._faulty.of(charger.meter_id, "charger_step", "slow_drift"):
            health *= 1 - fault.lost_points(moment) / 92
        return health


def spread_back(random: Random, is_fast: bool) -> int:
    """Minutes until a driver comes back to a car that is charged."""
    return int(random.random() * (8 if is_fast else 50))
