"""What HTTP tests share: bodies, and waiting for a service."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import datetime
from typing import Any

from tests.support.readings import NOW


def meter(meter_id: str = "M-1", ts: datetime = NOW, **fields: Any) -> dict[str, Any]:
    """A meter reading on the wire."""
    return {
        "type": "meter",
        "meterId": meter_id,
        "kwhConsumedAc": 0.42,
        "voltage": 231.2,
        "timestamp": ts.isoformat(),
        **fields,
    }


def vehicle(vehicle_id: str = "V-1", ts: datetime = NOW, **fields: Any) -> dict[str, Any]:
    """A vehicle reading on the wire."""
    return {
        "type": "vehicle",
        "vehicleId": vehicle_id,
        "soc": 81.5,
        "kwhDeliveredDc": 0.37,
        "batteryTemp": 31.2,
        "timestamp": ts.isoformat(),
        **fields,
    }


def milliseconds(ts: datetime) -> int:
    """Epoch milliseconds."""
    return round(ts.timestamp() * 1000)


def wait_until_ready(status: Callable[[], int], seconds: float = 15.0) -> None:
    """Call until the status is 200."""
    deadline = time.monotonic() + seconds
    while status() != 200:
        assert time.monotonic() < deadline, "the service did not become ready"
        time.sleep(0.02)


def wait_for(happened: Callable[[], bool], seconds: float = 20.0) -> None:
    """Look again and again until it has happened."""
    deadline = time.monotonic() + seconds
    while not happened():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.05)
