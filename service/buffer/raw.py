"""Raw form of a buffered reading: the JSON that its device could have sent."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import msgspec

from service.wire import JSON
from service.wire.readings import LIFETIME, SESSION, Row

MEDIA_TYPE = JSON
# by the kind: where the kWh are
_AC = {None: "kwhConsumedAc", LIFETIME: "kwhTotalAc", SESSION: "kwhSessionAc"}
_DC = {None: "kwhDeliveredDc", LIFETIME: "kwhTotalDc", SESSION: "kwhSessionDc"}

_encode = msgspec.json.Encoder().encode


def raw_meter(row: Row) -> bytes:
    """A meter's row as JSON."""
    device_id, read_at, kind, energy, since, session, voltage = row
    optional = {"voltage": voltage}
    return _raw(
        "meterId", device_id, read_at, _AC.get(kind, "value1"), energy, since, session, optional
    )


def raw_vehicle(row: Row) -> bytes:
    """A vehicle's row as JSON."""
    device_id, read_at, kind, energy, since, session, soc, temp = row
    optional = {"soc": soc, "batteryTemp": temp}
    return _raw(
        "vehicleId", device_id, read_at, _DC.get(kind, "value1"), energy, since, session, optional
    )


def _raw(
    id_field: str,
    device_id: str,
    read_at: datetime,
    energy_field: str,
    energy: float,
    since: datetime | None,
    session: str | None,
    optional: dict[str, Any],
) -> bytes:
    optional = {**optional, "from": since, "session": session}
    return _encode(
        {id_field: device_id, energy_field: energy, "timestamp": read_at}
        | {name: value for name, value in optional.items() if value is not None}
    )
