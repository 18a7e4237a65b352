"""Physics of a charge, minute by minute: curve, losses by power and temperature, heating."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from random import Random

from service.demo.fleet import Charger, Vehicle

# mWh of a kW in a minute
_MINUTE = 1e6 / 60
# of the power that a fast charger may give, by state of charge
_FAST_CURVE = (
    (0.0, 0.8),
    (0.1, 1.0),
    (0.35, 0.98),
    (0.6, 0.66),
    (0.8, 0.42),
    (0.9, 0.16),
    (1, 0.04),
)


@dataclass(frozen=True)
class Charge:
    """Energy of each minute in mWh, drawn from the grid and stored in the battery."""

    grid: list[int]
    battery: list[int]
    soc: float
    cold: float
    warm: float

    def temperature(self, minutes: int) -> float:
        """Of the battery, in degrees C, after so many minutes."""
        return self.cold + (self.warm - self.cold) * minutes / (minutes + 40)


def charge(
    charger: Charger,
    vehicle: Vehicle,
    *,
    soc: float,
    target: float,
    stay: int,
    air: float,
    health: float,
    random: Random,
) -> Charge:
    """Charge until the target or the end of the stay, in minutes.

    `health` is the share of what a sound charger would deliver.
    """
    is_fast = charger.site_kind == "fast"
    # a car that was driven is warmer than the air
    cold = air + 6 + 4 * random.random()
    warm = max(cold + (14 if is_fast else 5), min(24.0, cold + 18))
    chemistry = 0.0006 * max(0.0, 15 - cold)
    heater = vehicle.heater_kw * min(1.0, max(0.0, (7 - cold) / 10))
    made = Charge([], [], soc, cold, warm)
    capacity = vehicle.capacity_kwh * 1e6
    for minute in range(stay):
        if soc >= target:
            break
        heat = heater * 30 / (minute + 30) if heater and made.temperature(minute) < 12 else 0.0
        if is_fast:
            power, arrives = _fast(charger, vehicle, soc, cold, minute, heat)
        else:
            power, arrives = _slow(charger, vehicle, soc, chemistry, heat)
        if minute == 0:
            # it waits for the contactor, the pilot and the first exchange of words
            power, arrives = power * 0.3, arrives * 0.25
        flicker = 1 + (random.random() - 0.5) * 0.014
        drawn = int(power * flicker * _MINUTE)
        stored = max(0, min(drawn, int(arrives * flicker * health * _MINUTE)))
        made.grid.append(drawn)
        made.battery.append(stored)
        soc += stored / capacity
    return made


def precondition(vehicle: Vehicle, made: Charge, idle_mwh: int, until: int, random: Random) -> None:
    """Warm the cabin in the last quarter of an hour before a cold departure: nothing is stored."""
    waiting = until - 15 - len(made.grid)
    if waiting < 1:
        return
    made.grid.extend([idle_mwh] * waiting)
    made.battery.extend([0] * waiting)
    for _ in range(15):
        made.grid.append(int(vehicle.heater_kw * (0.8 + 0.3 * random.random()) * _MINUTE))
        made.battery.append(0)


def _slow(
    charger: Charger, vehicle: Vehicle, soc: float, chemistry: float, heat: float
) -> tuple[float, float]:
    """kW from the grid and into the battery, by the car's own charger."""
    # the battery takes less near full, of which a slow charger sees little
    taken = vehicle.onboard_kw * (max(0.14, 1 - (soc - 0.93) * 12.5) if soc > 0.93 else 1)
    power = min(charger.max_kw, taken)
    heat = min(heat, 0.5 * power)
    # what the car needs to be awake costs the more, the longer it takes
    return power, max(0.0, power - heat - vehicle.overhead_kw - power * (vehicle.loss + chemistry))


def _fast(
    charger: Charger, vehicle: Vehicle, soc: float, cold: float, minute: int, heat: float
) -> tuple[float, float]:
    """kW from the grid and into the battery, by a charger of direct current."""
    # a cold battery takes little, and warms up
    ready = min(1.0, 0.45 + 0.022 * max(0.0, cold) + 0.012 * minute)
    arrives = min(charger.max_kw, vehicle.fast_kw * _along(soc) * ready)
    return (arrives + heat + 0.35) / 0.935, arrives


def _along(soc: float) -> float:
    for (left, low), (right, high) in pairwise(_FAST_CURVE):
        if soc <= right:
            return low + (high - low) * (soc - left) / (right - left)
    return _FAST_CURVE[-1][1]
