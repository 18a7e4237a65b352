"""Ledgers of devices with registers: settled, and compared with what the rules say."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

import psycopg

from loadtests.support.device import CountedDevice
from tests.support.fold import Reading, fold

_PATIENCE_SECONDS = 120.0
_LATER_TOO = "UPDATE telemetry.settle_queue SET due_at = now() WHERE due_at > now()"
_SETTLE = "SELECT s.settled FROM api.settle() AS s"
# what failed is tried again after a minute
_WAITING = "SELECT EXISTS (SELECT FROM telemetry.settle_queue AS q WHERE q.due_at <= now())"
_HOURS = """
SELECT m.meter_id, m.bucket, m.energy_mwh FROM bi.meter_energy_hourly AS m
WHERE m.meter_id = ANY (%(ids)s) AND m.energy_mwh <> 0
UNION ALL
SELECT v.vehicle_id, v.bucket, v.energy_mwh FROM bi.vehicle_energy_hourly AS v
WHERE v.vehicle_id = ANY (%(ids)s) AND v.energy_mwh <> 0
"""


def settle(connection: psycopg.Connection[Any]) -> None:
    """Return when nothing is left to be settled, or cannot be; beside a service or without."""
    connection.execute(_LATER_TOO)
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while time.monotonic() < deadline:
        if connection.execute(_SETTLE).fetchone() == (0,):
            if connection.execute(_WAITING).fetchone() == (False,):
                return
            # the service has them at the moment
            time.sleep(0.1)


def unlike_the_fold(
    connection: psycopg.Connection[Any], devices: Iterable[CountedDevice]
) -> list[str]:
    """Those with registers whose hours are not what a plain fold makes of what they reported."""
    registers = {device.id: device for device in devices if device.is_register}
    found = defaultdict[str, dict[datetime, int]](dict)
    for device_id, hour, mwh in connection.execute(_HOURS, {"ids": list(registers)}).fetchall():
        found[device_id][hour.astimezone(UTC)] = mwh
    return [
        device_id for device_id, device in registers.items() if found[device_id] != _hours(device)
    ]


def _hours(device: CountedDevice) -> dict[datetime, int]:
    return fold(
        Reading(datetime.fromtimestamp(at // 1000, UTC).replace(microsecond=at % 1000 * 1000), mwh)
        for at, mwh in device.registers
    ).hours
