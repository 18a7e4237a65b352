"""Document of a reading, as a device posts it."""

from __future__ import annotations

from typing import Any

from service.demo.channel import Sent

_COUNTS = {None: "Consumed", "lifetime_register": "Total", "session_counter": "Session"}


def document(sent: Sent) -> dict[str, Any]:
    """A reading for the body of a request to /v1/ingest."""
    device_id, read_at, kind, kwh, start, session, *measured = sent.row
    is_meter = len(measured) == 1
    counts = "Delivered" if kind is None and not is_meter else _COUNTS[kind]
    told: dict[str, Any] = {
        "type": "meter" if is_meter else "vehicle",
        "meterId" if is_meter else "vehicleId": device_id,
        f"kwh{counts}{'Ac' if is_meter else 'Dc'}": kwh,
        "timestamp": read_at.isoformat(),
    }
    told |= zip(("voltage",) if is_meter else ("soc", "batteryTemp"), measured, strict=True)
    if start is not None:
        told["from"] = start.isoformat()
    if session is not None:
        told["session"] = session
    return told
