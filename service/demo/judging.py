"""What a judge who knew everything would say of a session."""

from __future__ import annotations

from service.demo.faults import EVENTS, Faulty
from service.demo.plan import moment_of
from service.demo.sessions import Session
from service.demo.truth import SessionTruth

# docs/ledger.md: less than this is too little to judge by
_LEAST_KWH = 5
# which fault decides, where there are several; the cold is none
_WORST = (
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
    found = [
        fault
        for device in sorted(devices)
        for fault in faulty.of(device, *_WORST)
        if fault.is_at(moment)
    ]
    names = {fault.name for fault in found}
    grid, battery = sum(session.charge.grid), sum(session.charge.battery)
    verdict = "healthy" if battery >= _LEAST_KWH * 10**6 else "insufficient"
    if verdict == "healthy":
        worst = next((name for name in _WORST if name in names), None)
        verdict = next((f.judged for f in found if f.name == worst), verdict)
    assert verdict not in EVENTS  # noqa: S101  those are of registers
    return SessionTruth(
        session_id=session.session_id,
        vehicle_id=session.vehicle.vehicle_id,
        meter_id=session.charger.meter_id,
        linked_meter_id=linked,
        since=moment,
        energy_until=moment_of(session.energy_until),
        until=moment_of(session.until),
        grid=grid,
        battery=battery,
        soc_start=round(session.charge.soc, 3),
        battery_temp_c=round(session.charge.cold, 1),
        faults=tuple(sorted(names)),
        verdict=verdict,
    )
