"""Explanation of an hour: the readings, records, entries and events that make its energy."""

from datetime import date, datetime
from decimal import Decimal
from typing import Annotated, Any, Literal

import msgspec
from litestar import Response, get
from litestar.exceptions import NotFoundException

from service.database.pool import Calls
from service.keys.guard import READ
from service.keys.named import Side
from service.routes.exact import ExactResponse
from service.routes.parameters import FromDatabase, MeterId, VehicleId, moment, moment_parameter
from service.routes.records import RecordKind, RecordState
from service.routes.register_events import EventKind, EventState
from service.routes.rows import struct_of

_Hour = Annotated[str, moment_parameter("hour", "Any moment of the hour.")]


class ExplainedReading(msgspec.Struct, rename="camel"):
    """A reading whose energy is in the hour, wholly or in part; `sentence` says what became of it.

    `reportedKwh` is the energy of a difference or the level of a register, `correctedKwh` what it
    should have been by the record of that number; `from` is since when its energy flowed.
    """

    happened_at: datetime = msgspec.field(name="at")
    kind: Literal["difference", "lifetime_register", "session_counter"]
    reported_kwh: Decimal
    corrected_kwh: Decimal | None
    interval_start: datetime | None = msgspec.field(name="from")
    verdict: str
    energy_kwh: Decimal
    record_id: int | None
    sentence: str


class ExplainedRecord(msgspec.Struct, rename="camel"):
    """A record about that time; `energyKwh` is what it puts into the hour itself, if known."""

    record_id: int
    kind: RecordKind = msgspec.field(name="record")
    happened_at: datetime = msgspec.field(name="at")
    interval_start: datetime | None = msgspec.field(name="from")
    energy_kwh: Decimal | None
    state: RecordState
    made_by: str
    recorded_at: datetime
    reason: str
    sentence: str


class ExplainedEntry(msgspec.Struct, rename="camel"):
    """An entry of the ledger, which holds energy: as reported (0), or posted for a reason."""

    happened_at: datetime = msgspec.field(name="at")
    entry: int
    verdict: str = msgspec.field(name="reason")
    energy_kwh: Decimal
    source_day: date | None
    sentence: str


class ExplainedEvent(msgspec.Struct, rename="camel"):
    """What the register did beside counting; fields as of RegisterEvent."""

    happened_at: datetime = msgspec.field(name="at")
    kind: EventKind = msgspec.field(name="event")
    before_kwh: Decimal | None
    reported_kwh: Decimal | None
    booked_kwh: Decimal
    explained_kwh: Decimal
    state: EventState
    sentence: str


class ExplainedHour(msgspec.Struct, rename="camel"):
    """Why an hour has its energy.

    `energyKwh` is what is billed: the sum of `entries`. That of `readings` and `records` is the
    same, but for `provisionalKwh`, which is being settled. While it is `provisional`, what comes
    next may change it. It is `knownBy` its `readings`; or, where these are not kept any more, as
    `hour` alone, with the records and events that are kept for ever.
    """

    meter_id: str | None
    vehicle_id: str | None
    hour: datetime
    energy_kwh: Decimal
    provisional_kwh: Decimal
    provisional: bool
    known_by: Literal["readings", "hour"]
    sentence: str
    readings: list[ExplainedReading]
    records: list[ExplainedRecord]
    entries: list[ExplainedEntry]
    events: list[ExplainedEvent]


@get("/v1/explain/meters/{meter_id:str}", tags=["ledger"], opt=READ, raises=[NotFoundException])
async def explain_meter(
    database: FromDatabase, meter_id: MeterId, hour: _Hour
) -> Response[ExplainedHour]:
    """Why a meter's hour has its energy, for whoever disputes a bill."""
    return await _explained(database, "meter", meter_id, hour)


@get("/v1/explain/vehicles/{vehicle_id:str}", tags=["ledger"], opt=READ, raises=[NotFoundException])
async def explain_vehicle(
    database: FromDatabase, vehicle_id: VehicleId, hour: _Hour
) -> Response[ExplainedHour]:
    """Why a vehicle's hour has its energy, for whoever disputes a bill."""
    return await _explained(database, "vehicle", vehicle_id, hour)


async def _explained(
    database: Calls, side: Side, device_id: str, hour: str
) -> Response[ExplainedHour]:
    rows = await database.all(
        dict[str, Any],
        "SELECT * FROM api.explain_hour(side => %s::text, device_id => %s::text,"
        " hour => %s::timestamptz)",
        side,
        device_id,
        moment("hour", hour),
    )
    if not rows:
        raise NotFoundException(f'nothing was ever stored of the {side} "{device_id}"')
    whole, *parts = rows
    explained = ExplainedHour(
        meter_id=device_id if side == "meter" else None,
        vehicle_id=device_id if side == "vehicle" else None,
        hour=whole["happened_at"],
        energy_kwh=whole["energy_kwh"],
        provisional_kwh=whole["provisional_kwh"],
        provisional=whole["is_provisional"],
        known_by=whole["known_by"],
        sentence=whole["sentence"],
        readings=[struct_of(ExplainedReading, one) for one in parts if one["part"] == "reading"],
        records=[struct_of(ExplainedRecord, one) for one in parts if one["part"] == "record"],
        entries=[struct_of(ExplainedEntry, one) for one in parts if one["part"] == "entry"],
        events=[struct_of(ExplainedEvent, one) for one in parts if one["part"] == "event"],
    )
    return ExactResponse(explained)


HANDLERS = [explain_meter, explain_vehicle]
