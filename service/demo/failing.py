"""Faults that a demonstration has: three chargers that fail in different ways, or one of each."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

from service.demo.faults import Fault, Name
from service.demo.fleet import Charger, Fleet, build
from service.demo.plan import Plan


def with_three(plan: Plan) -> Plan:
    """A plan in which one charger drops, one drifts, and the counter of one stands still."""
    return _with(plan, _chosen(plan, build(plan))[:3])


def with_all(plan: Plan) -> Plan:
    """A plan with one fault of every name."""
    return _with(plan, _chosen(plan, build(plan)))


def _with(plan: Plan, faults: list[Fault]) -> Plan:
    return replace(plan, faults=tuple(faults))


def _chosen(plan: Plan, fleet: Fleet) -> list[Fault]:
    """Faults on chargers that are in use and report well, no two on one."""
    left = [
        charger for charger in fleet.chargers.values() if charger.site_kind in ("depot", "home")
    ]
    # those that report well first, since a hole would hide what is wrong
    left.sort(key=lambda one: (one.manner.lost > 0, one.manner.minutes, one.max_kw < 3))

    def take(fits: Callable[[Charger], bool]) -> str | None:
        found = next((one for one in left if fits(one)), None)
        if found is None:
            return None
        left.remove(found)
        return found.meter_id

    def depot(charger: Charger) -> bool:
        return charger.site_kind == "depot"

    def register(charger: Charger) -> bool:
        return charger.manner.kind == "lifetime_register"

    def fault(
        name: Name, part: float, *devices: str | None, days: float | None = None
    ) -> Fault | None:
        found = tuple(device for device in devices if device)
        if len(found) < len(devices):
            # a small fleet has not enough chargers
            return None
        # at noon, so that nobody charges at a depot or at home
        day = plan.start + timedelta(days=int(plan.days * part))
        since = day + timedelta(hours=12, minutes=7)
        return Fault(name, found, since, since + timedelta(days=days) if days else None)

    vehicle = next(v for v in fleet.vehicles.values() if v.habit == "home" and v.manner.lost == 0)
    chosen = [
        fault("charger_step", 0.6, take(depot)),
        fault("slow_drift", 0.05, take(depot)),
        fault("frozen_counter", 0.75, take(register)),
        fault("register_reset", 0.5, take(register)),
        fault("glitch_run", 0.4, take(register)),
        fault("rollover", 0.0, take(lambda one: depot(one) and register(one))),
        fault("meter_exchanged", 0.55, take(register)),
        fault("swapped_meters", 0.7, take(depot), take(depot)),
        fault("wrong_link", 0.65, take(depot), take(depot)),
        fault("silent_device", 0.8, vehicle.vehicle_id),
        fault("cold_week", 0.3, days=min(7, plan.days / 4)),
    ]
    return [one for one in chosen if one]
