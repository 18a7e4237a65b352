"""Faults that a demonstration has: three chargers that fail in different ways, or one of each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta

from service.demo.faults import Fault, Name
from service.demo.fleet import Fleet, build
from service.demo.plan import Plan


def with_three(plan: Plan) -> Plan:
    """A plan in which one charger drops, one drifts, and the counter of one stands still."""
    return _with(plan, _NAMES[:3])


def with_all(plan: Plan) -> Plan:
    """A plan with one fault of every name that its fleet has a device for."""
    return _with(plan, _NAMES)


def left_out(plan: Plan) -> list[Name]:
    """Names of which a plan with all of them has no fault: its fleet has no device for those."""
    return [name for name in _NAMES if name not in {fault.name for fault in with_all(plan).faults}]


def _with(plan: Plan, names: Sequence[Name]) -> Plan:
    choice = _Choice(build(plan))
    faults = [fault for name in names if (fault := _fault(plan, choice, name))]
    return replace(plan, faults=tuple(faults))


# when each begins, as a share of the plan's days, and how many devices it takes
_PARTS: dict[Name, tuple[float, int]] = {
    "charger_step": (0.6, 1),
    "slow_drift": (0.05, 1),
    "frozen_counter": (0.75, 1),
    "register_reset": (0.5, 1),
    "glitch_run": (0.4, 1),
    "rollover": (0.0, 1),
    "meter_exchanged": (0.55, 1),
    "swapped_meters": (0.7, 2),
    "wrong_link": (0.65, 2),
    "silent_device": (0.8, 1),
    "cold_week": (0.3, 0),
}
_NAMES = tuple(_PARTS)
_OF_REGISTERS = ("frozen_counter", "register_reset", "glitch_run", "rollover", "meter_exchanged")


def _fault(plan: Plan, choice: _Choice, name: Name) -> Fault | None:
    part, count = _PARTS[name]
    if name == "silent_device":
        devices = [choice.vehicle()]
    elif name == "cold_week":
        devices = []
    else:
        devices = choice.meters(
            count, registers=name in _OF_REGISTERS, at_home=name == "slow_drift"
        )
    if len(devices) < count:
        return None
    # at noon, so that nobody charges at a depot or at home
    since = plan.start + timedelta(days=int(plan.days * part), hours=12, minutes=7)
    until = since + timedelta(days=min(7, plan.days / 4)) if name == "cold_week" else None
    return Fault(name, tuple(devices), since, until)


class _Choice:
    """Chargers that are in use and report well, no two faults on one; then those used less."""

    def __init__(self, fleet: Fleet) -> None:
        self._fleet = fleet
        self._failing_sites: set[str] = set()
        used = {vehicle.habit for vehicle in fleet.vehicles.values()}
        kinds = {"depot", "home", "work", *(["public"] if "street" in used else [])}
        self._left = [one for one in fleet.chargers.values() if one.site_kind in kinds]
        # those that report well first, since a hole would hide what is wrong
        order = ("depot", "home", "work", "public")
        self._left.sort(
            key=lambda one: (
                order.index(one.site_kind) > 1,
                one.manner.lost > 0,
                one.manner.in_tunnel,
                one.manner.minutes,
                one.max_kw < 3,
                order.index(one.site_kind),
            )
        )

    def meters(self, count: int, *, registers: bool, at_home: bool) -> list[str]:
        """So many of one kind of site, no longer to be had then; fewer: there are not enough.

        At home one vehicle comes to a charger, so that the pair has a history: there if possible.
        """
        fit = [one for one in self._left if not registers or one.manner.kind == "lifetime_register"]
        if at_home:
            fit.sort(key=lambda one: (one.site_kind != "home", one.max_kw < 3))
        # two that are swapped are beside each other, if there are such
        for first in fit:
            found = [one for one in fit if one.site == first.site][:count]
            if len(found) == count:
                break
        else:
            found = fit[:count]
        if len(found) == count:
            for one in found:
                self._left.remove(one)
                self._failing_sites.add(one.site)
        return [one.meter_id for one in found]

    def vehicle(self) -> str:
        """One that charges at home, at a sound charger, and is heard well, if there is such."""
        best = min(
            self._fleet.vehicles.values(),
            key=lambda one: (
                one.habit != "home",
                one.place in self._failing_sites,
                one.manner.lost > 0,
                one.vehicle_id,
            ),
        )
        return best.vehicle_id
