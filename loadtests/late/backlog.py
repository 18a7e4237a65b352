"""Devices that were offline, and upload what they kept: a reading per minute for some hours."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import psycopg

_METERS = (
    "SELECT count(*) FROM api.ingest_meter_readings("
    "%b::text[], %b::timestamptz[], NULL, %b::float8[], NULL, NULL, %b::float8[])"
)
_VEHICLES = (
    "SELECT count(*) FROM api.ingest_vehicle_readings("
    "%b::text[], %b::timestamptz[], NULL, %b::float8[], NULL, NULL, %b::float8[], %b::float8[])"
)


class Backlog:
    """Some devices of a fleet at a time, others each time; no reading comes twice."""

    def __init__(self, vehicles: int, share: float) -> None:
        self._vehicles = vehicles
        self._some = max(1, round(vehicles * share))
        self._turn = 0

    def upload(self, connection: psycopg.Connection[Any], until: datetime, hours: int) -> None:
        """Readings of so many hours before a time, by a share of the meters and of the vehicles."""
        self._turn += 1
        for place in range(self._some):
            number = (self._turn * self._some + place) % self._vehicles + 1
            shift = timedelta(seconds=number % 60, milliseconds=self._turn)
            self.store(
                connection,
                number,
                [until - timedelta(minutes=m) + shift for m in range(60 * hours, 0, -1)],
            )

    def store(
        self, connection: psycopg.Connection[Any], number: int, times: Sequence[datetime]
    ) -> None:
        """Readings of a meter and a vehicle, one call per side, as the service stores a body."""
        ones = [0.1] * len(times)
        fields = [list(times), ones, ones]
        connection.execute(_METERS, [[f"M-{number}"] * len(times), *fields], binary=True)
        connection.execute(_VEHICLES, [[f"V-{number}"] * len(times), *fields, ones], binary=True)
