"""Fleet: sites, chargers with their meters, vehicles, and how each of them reports."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from random import Random
from typing import Literal

from service.demo.plan import Plan, dice

SiteKind = Literal["home", "depot", "work", "public", "fast"]
Kind = Literal["difference", "lifetime_register", "session_counter"]
Habit = Literal["home", "depot", "work", "street"]
# of ten vehicles; the same for each ten, so that small fleets have some of each
_HABITS: tuple[Habit, ...] = (
    "home",
    "depot",
    "home",
    "depot",
    "home",
    "work",
    "home",
    "depot",
    "work",
    "street",
)


@dataclass(frozen=True)
class Manner:
    """How a device reports.

    Minutes between readings while charging and idle; seconds of its phase, jitter and skew; the
    shares of its readings that are lost for ever and sent twice; whether it sends `from`, and
    whether it is in a tunnel, from which all comes hours later.
    """

    kind: Kind
    minutes: int = 1
    idle_minutes: int = 15
    phase: int = 0
    jitter: int = 0
    skew: int = 0
    lost: float = 0.0
    again: float = 0.0
    sends_start: bool = False
    in_tunnel: bool = False


@dataclass(frozen=True)
class Charger:
    """A charging point and the meter in it; idle consumption in mWh per minute."""

    meter_id: str
    site: str
    site_kind: SiteKind
    max_kw: float
    idle_mwh: int
    register_mwh: int
    manner: Manner


@dataclass(frozen=True)
class Vehicle:
    """A vehicle: its battery, its losses, its habit and where it charges usually."""

    vehicle_id: str
    habit: Habit
    place: str
    capacity_kwh: float
    onboard_kw: float
    fast_kw: float
    overhead_kw: float
    loss: float
    heater_kw: float
    daily_kwh: float
    target: float
    first_soc: float
    register_mwh: int
    manner: Manner


@dataclass
class Fleet:
    """All of it; chargers by site."""

    chargers: dict[str, Charger] = field(default_factory=dict[str, Charger])
    vehicles: dict[str, Vehicle] = field(default_factory=dict[str, Vehicle])
    sites: dict[str, list[Charger]] = field(default_factory=dict[str, list[Charger]])

    def sites_of(self, kind: SiteKind) -> list[str]:
        """The sites of a kind."""
        return [name for name, found in self.sites.items() if found[0].site_kind == kind]


def build(plan: Plan) -> Fleet:
    """The fleet of a plan: most at home and at depots, some at work, the rest on public plugs."""
    fleet = Fleet()
    for number in range(plan.vehicles):
        _add_vehicle(plan, fleet, number, _HABITS[number % 10])
    for number in range(2 + plan.vehicles // 40):
        _add_site(plan, fleet, f"PUB-{number + 1:02d}", "public", [22.0] * (2 + number % 3))
    for number in range(1 + plan.vehicles // 100):
        _add_site(plan, fleet, f"HPC-{number + 1:02d}", "fast", [150.0, 50.0, 150.0])
    return fleet


def _add_vehicle(plan: Plan, fleet: Fleet, number: int, habit: Habit) -> None:
    random = dice(plan.seed, "vehicle", number)
    if habit == "depot":
        # about ten vans share eight points
        place = f"DEP-{number // 33 + 1:02d}"
        if place not in fleet.sites:
            _add_site(plan, fleet, place, "depot", [4.6] * 6 + [11.0] * 2)
        capacity, onboard = random.choice(((60.0, 11.0), (75.0, 11.0), (90.0, 22.0)))
        daily = 24 + 28 * random.random()
    else:
        capacity, onboard = random.choice(
            ((39.0, 7.4), (52.0, 11.0), (58.0, 11.0), (64.0, 11.0), (77.0, 11.0), (82.0, 11.0))
        )
        daily = 7 + 15 * random.random()
        # every sixth household has two cars and one wallbox
        place = f"HOME-{number + 1:03d}"
        if habit == "home" and number % 12 == 6:
            place = f"HOME-{number - 1:03d}"
        if habit == "work":
            # twelve colleagues share eight points
            place = f"WORK-{number // 60 + 1:02d}"
            if place not in fleet.sites:
                _add_site(plan, fleet, place, "work", [11.0] * 8)
        if habit == "home" and place not in fleet.sites:
            power = random.choice((2.3, 3.7, 3.7, 3.7, 7.4, 7.4, 11.0, 11.0))
            _add_site(plan, fleet, place, "home", [power])
    fleet.vehicles[f"V-{number + 1:04d}"] = Vehicle(
        vehicle_id=f"V-{number + 1:04d}",
        habit=habit,
        place=place,
        capacity_kwh=capacity,
        onboard_kw=onboard,
        fast_kw=random.choice((50.0, 80.0, 100.0, 135.0)),
        overhead_kw=0.2 + 0.22 * random.random(),
        loss=0.038 + 0.014 * random.random(),
        heater_kw=1.2 + 1.6 * random.random(),
        daily_kwh=daily,
        target=random.choice((0.8, 0.8, 0.9, 1.0)),
        first_soc=0.35 + 0.4 * random.random(),
        register_mwh=int(random.random() * 2e10),
        manner=_losing(plan, _manner_of_vehicle(random)),
    )


def _add_site(plan: Plan, fleet: Fleet, name: str, kind: SiteKind, powers: list[float]) -> None:
    tunnel = kind == "public" and dice(plan.seed, name).random() < 0.4
    for number, power in enumerate(powers):
        random = dice(plan.seed, "charger", name, number)
        charger = Charger(
            meter_id=f"M-{name}-{number + 1}" if len(powers) > 1 else f"M-{name}",
            site=name,
            site_kind=kind,
            max_kw=power,
            # 3 to 9 W, and of a fast one ten times as much
            idle_mwh=int((50 + 100 * random.random()) * (10 if kind == "fast" else 1)),
            register_mwh=int((0.2 + random.random()) * 2e10),
            manner=_losing(plan, _manner_of_meter(random, in_tunnel=tunnel)),
        )
        fleet.chargers[charger.meter_id] = charger
        fleet.sites.setdefault(name, []).append(charger)


def _losing(plan: Plan, manner: Manner) -> Manner:
    return manner if plan.lost is None else replace(manner, lost=plan.lost)


def _lost(random: Random) -> float:
    return 0.05 + 0.4 * random.random() if random.random() < 0.08 else 0.0


def _skew(random: Random) -> int:
    return int(150 * random.random()) - 60 if random.random() < 0.1 else 0


def _manner_of_meter(random: Random, *, in_tunnel: bool) -> Manner:
    kinds: tuple[Kind, ...] = ("lifetime_register",) * 7 + ("difference",) * 2
    minutes = random.choice((1,) * 8 + (5, 15))
    # the classic: each quarter of an hour, stamped at its end to the second
    exact = minutes == 15 or random.random() < 0.1
    return Manner(
        kind=random.choice((*kinds, "session_counter")),
        minutes=minutes,
        phase=0 if exact else int(40 * random.random()),
        jitter=0 if exact else random.choice((1, 3, 10, 18)),
        skew=0 if exact else _skew(random),
        lost=_lost(random),
        again=random.choice((0.0, 0.0, 0.002, 0.01)),
        in_tunnel=in_tunnel,
    )


def _manner_of_vehicle(random: Random) -> Manner:
    kinds: tuple[Kind, ...] = ("difference",) * 4 + ("session_counter",) * 3
    return Manner(
        kind=random.choice((*kinds, "lifetime_register", "lifetime_register")),
        phase=int(40 * random.random()),
        jitter=random.choice((1, 3, 10, 18)),
        skew=_skew(random),
        lost=_lost(random),
        again=random.choice((0.0, 0.0, 0.002, 0.01)),
        sends_start=random.random() < 0.3,
    )
