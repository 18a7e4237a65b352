"""Refused readings on their way into quarantine: as they came, and as they were decoded."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import msgspec

from service.ingest.arrays import times


class Decoded(msgspec.Struct, gc=False):
    """A refused reading that could be decoded, so that it can be sent again within SQL."""

    dataset: str
    device_id: str
    read_at: datetime
    kind: str | None
    energy_kwh: float
    interval_start: datetime | None
    session_id: str | None
    voltage_v: float | None = None
    soc_percent: float | None = None
    battery_temp_c: float | None = None


class Quarantined(msgspec.Struct, gc=False):
    """A refused reading, or, without an index, a whole body that could not be read.

    `source` is where in a buffer it was, by which it is kept once; None where it was in none.
    """

    index: int | None
    reason: str
    detail: str
    media_type: str
    raw: bytes
    decoded: Decoded | None = None
    source: str | None = None


_TIMES = ("read_at", "interval_start")
_DECODED = [field.name for field in msgspec.structs.fields(Decoded)]

STATEMENT = """
SELECT q.place, q.detail
FROM api.quarantine_readings(
    reading_indexes => %s::integer[],
    reasons => %s::text[],
    details => %s::text[],
    content_types => %s::text[],
    raws => %s::bytea[],
    datasets => %s::text[],
    device_ids => %s::text[],
    read_at => %s::timestamptz[],
    kinds => %s::text[],
    energies_kwh => %s::float8[],
    interval_starts => %s::timestamptz[],
    session_ids => %s::text[],
    voltages_v => %s::float8[],
    socs_percent => %s::float8[],
    battery_temps_c => %s::float8[],
    key_id => %s::text,
    sources => %s::text[]
) AS q
"""


def parameters(refused: Sequence[Quarantined], key_id: str | None) -> list[Any]:
    """The arrays of STATEMENT, and among them the key that all came with."""
    return [
        [entry.index for entry in refused],
        [entry.reason for entry in refused],
        [entry.detail for entry in refused],
        [entry.media_type for entry in refused],
        [entry.raw for entry in refused],
        *(_column(refused, name) for name in _DECODED),
        key_id,
        None if all(entry.source is None for entry in refused) else [e.source for e in refused],
    ]


def _column(refused: Sequence[Quarantined], name: str) -> Any:
    values = [getattr(entry.decoded, name, None) for entry in refused]
    return times(values) if name in _TIMES else values


def decoded_meter(row: Sequence[Any]) -> Decoded:
    """A row of a batch's meter columns."""
    *reading, voltage_v = row
    return Decoded("meter_reading", *reading, voltage_v=voltage_v)


def decoded_vehicle(row: Sequence[Any]) -> Decoded:
    """A row of a batch's vehicle columns."""
    *reading, soc_percent, battery_temp_c = row
    return Decoded(
        "vehicle_reading", *reading, soc_percent=soc_percent, battery_temp_c=battery_temp_c
    )
