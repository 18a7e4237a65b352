"""What a judge who knew everything would say of a session."""

from __future__ import annotations

from service.demo.faults import Faulty
from service.demo.plan import moment_of
from service.demo.sessions import Session
from service.demo.truth import SessionTruth
from service.demo.verdict import Flow, right

# those that change what can be said of a pair; the cold is none
_OF_PAIRS = (
    "silent_device",
    "frozen_counter",
    "swapped_meters",
    "wrong_link",
    "charger_step",
    "slow_drift",
)


def session_truth(session: Session, linked: str, measured_by: str, faulty: Faulty) -> SessionTruth:
    """The truth of a session; `linked` and `measured_by` are meters."""
    moment = moment_of(session.since)
    devices = {session.vehicle.vehicle_id, session.charger.meter_id, linked, measured_by}
    found = {
        fault.name: fault
        for device in sorted(devices)
        for fault in faulty.of(device, *_OF_PAIRS)
        if fault.is_at(moment)
    }
    at_charger = faulty.of(session.charger.meter_id, "charger_step", "slow_drift")
    lost = sum(fault.lost_points(moment) for fault in at_charger)
    hours = _hours(session)
    whole = Flow.of(hours.values())
    return SessionTruth(
        session_id=session.session_id,
        vehicle_id=session.vehicle.vehicle_id,
        meter_id=session.charger.meter_id,
        linked_meter_id=linked,
        since=moment,
        energy_until=moment_of(session.energy_until),
        until=moment_of(session.until),
        grid=sum(session.charge.grid),
        battery=whole.dc,
        soc_start=round(session.charge.soc, 3),
        battery_temp_c=round(session.charge.cold, 1),
        faults=tuple(sorted(found)),
        verdicts=right(whole, found, lost),
        expected_efficiency=whole.expected_efficiency,
        lost_points=round(lost, 2),
        hours=hours,
    )


def _hours(session: Session) -> dict[int, Flow]:
    """What flowed by hour since 1970, from plugging in to leaving."""
    idle = session.charger.idle_mwh
    grid, battery = session.charge.grid, session.charge.battery
    hours: dict[int, Flow] = {}
    for hour in range(session.since // 60, (session.until - 1) // 60 + 1):
        first = max(0, hour * 60 - session.since)
        last = min(session.until, hour * 60 + 60) - session.since
        drawn = grid[first:last]
        # a car that waits for its departure draws what an empty charger does, before the last
        # minutes of its stay; nothing that charges draws so little
        waiting = drawn.count(idle)
        charging = len(drawn) - waiting
        standby = idle * (last - first - charging)
        hours[hour] = Flow(sum(drawn) - idle * waiting, sum(battery[first:last]), standby, charging)
    return hours
