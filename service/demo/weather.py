"""Weather: one air temperature for all, by day and hour."""

from __future__ import annotations

from service.demo.faults import Fault
from service.demo.plan import MINUTES_A_DAY, Plan, dice, moment_of

# mean degrees C of each month in a temperate climate
_MONTHS = (1.5, 2.5, 6.0, 10.0, 14.5, 18.0, 20.0, 19.5, 15.5, 10.5, 5.5, 2.5)


class Weather:
    """Air temperature in degrees C."""

    def __init__(self, plan: Plan, cold: list[Fault]) -> None:
        self._seed = plan.seed
        self._cold = cold
        self._days: dict[int, float] = {}

    def at(self, minute: int) -> float:
        """The temperature at a minute: coldest at 5, warmest at 15 o'clock."""
        day, within = divmod(minute, MINUTES_A_DAY)
        hour = within / 60
        after = (hour - 5) % 24
        swing = after / 10 if after < 10 else (24 - after) / 14
        moment = moment_of(minute)
        colder = sum(fault.size for fault in self._cold if fault.is_at(moment))
        return _MONTHS[moment.month - 1] + self._front(day) + 7 * swing - 3.5 - colder

    def _front(self, day: int) -> float:
        """How much warmer a day is than its month: fronts last for some days."""
        if day not in self._days:
            near = [dice(self._seed, "front", (day + i) // 3).random() for i in range(4)]
            self._days[day] = sum(near) * 4 - 8
        return self._days[day]
