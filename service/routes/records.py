"""Records of the ledger: what people tell it about devices, and what they take back."""

from datetime import datetime
from decimal import Decimal
from http import HTTPStatus
from typing import Annotated, Any, Literal

import msgspec
from litestar import Request, Response, get, post, route
from litestar.exceptions import NotFoundException, ValidationException
from litestar.params import PathParameter

from service.database.pool import Calls
from service.keys.guard import READ, key_of, limited_key_of
from service.routes.exact import ExactResponse
from service.routes.json_body import read
from service.routes.paging import PageSize, next_parameter, page
from service.routes.parameters import (
    FromDatabase,
    MeterIdInBody,
    MomentInBody,
    VehicleIdInBody,
    meter_parameter,
    moment,
    moment_parameter,
    number_of,
    vehicle_parameter,
)

RecordNumber = Annotated[
    str, PathParameter(description="The number of a record, `recordId` of the list.", min_length=1)
]
Reason = Annotated[str, msgspec.Meta(min_length=1, max_length=1000)]
_Kwh = Annotated[float, msgspec.Meta(ge=-1e9, le=1e9)]
_Level = Annotated[float, msgspec.Meta(ge=0, le=1e9)]
RecordKind = Literal["exchange", "correction", "booking", "resolution", "cancellation"]
RecordState = Literal["stands", "replaced", "cancelled"]


class NewRecord(msgspec.Struct, rename="camel", forbid_unknown_fields=True):
    """What to tell the ledger of one meter or vehicle, and why; nothing else is changed by it.

    `exchange`: the register was replaced `at` that time; it ended at `finalKwh`, the new one
    started at `initialKwh`. `correction`: the reading of that very time (to the microsecond, as
    the explanation of its hour has it) should have reported `valueKwh`, or with `withdraw` nothing
    at all. `booking`: `energyKwh` flowed `from` then until `at` that no reading tells; less than 0
    takes. `resolution`: `book` or `dismiss` what the register did `at` that time; to book a reset
    needs `energyKwh`. To send the same again makes no second record.
    """

    record: Literal["exchange", "correction", "booking", "resolution"]
    at: MomentInBody
    reason: Reason
    meter_id: MeterIdInBody | None = None
    vehicle_id: VehicleIdInBody | None = None
    since: MomentInBody | None = msgspec.field(default=None, name="from")
    final_kwh: _Level | None = None
    initial_kwh: _Level | None = None
    value_kwh: _Level | None = None
    withdraw: bool | None = None
    energy_kwh: _Kwh | None = None
    resolution: Literal["book", "dismiss"] | None = None


class Cancellation(msgspec.Struct, rename="camel", forbid_unknown_fields=True):
    """Why a record is taken back."""

    reason: Reason


class Record(msgspec.Struct, rename="camel"):
    """What somebody told the ledger; what does not belong to its kind is null.

    `at` is when: of a cancellation, that of the record which it `cancels`; what is booked flowed
    `from` then until `at`. `reportedKwh` is what the corrected reading had reported, and `valueKwh`
    what it should have: null takes it back. A record `stands` until another cancels it or, of a
    correction, is `replaced` by a later one. `madeBy` is a login of the database or a key.
    `sentence` says all of it.
    """

    record_id: int
    record: RecordKind
    meter_id: str | None
    vehicle_id: str | None
    happened_at: datetime = msgspec.field(name="at")
    starts_at: datetime | None = msgspec.field(name="from")
    reported_kind: Literal["difference", "lifetime_register", "session_counter"] | None
    reported_kwh: Decimal | None
    value_kwh: Decimal | None
    final_kwh: Decimal | None
    initial_kwh: Decimal | None
    energy_kwh: Decimal | None
    resolution: Literal["book", "dismiss"] | None
    reason: str
    made_by: str
    recorded_at: datetime
    state: RecordState
    cancels: int | None
    cancelled_by: int | None
    sentence: str


class RecordPage(msgspec.Struct):
    """Records, those made last first; `next` goes into `after` for the page that follows."""

    records: list[Record]
    next: str | None


class _Made(msgspec.Struct):
    record_id: int
    is_new: bool


# before the others of its path: Litestar's own names but the first of them
@route("/v1/records", http_method="OPTIONS", include_in_schema=False, sync_to_thread=False)
def options_of_records() -> Response[None]:
    """What can be done with records."""
    return Response(None, status_code=204, headers={"Allow": "GET, OPTIONS, POST"})


@post("/v1/records", tags=["ledger"])
async def make_record(database: FromDatabase, request: Request[Any, Any, Any]) -> Response[Record]:
    """Tell the ledger of a meter that was replaced, a wrong reading, energy, or an event.

    Hours, days, sessions and alerts follow within seconds. Nothing is ever changed or removed: a
    record is taken back by another. 200 where the very same record stands already. It needs a key
    for all devices.
    """
    data = await read(request, NewRecord)
    if (data.meter_id is None) == (data.vehicle_id is None):
        raise ValidationException('a record is about one device: send "meterId" or "vehicleId"')
    made = await database.one(
        _Made,
        "SELECT * FROM api.make_record(record => %s::text, side => %s::text,"
        " device_id => %s::text, happened_at => %s::timestamptz, reason => %s::text,"
        " starts_at => %s::timestamptz, final_kwh => %s::numeric, initial_kwh => %s::numeric,"
        " value_kwh => %s::numeric, withdraw => %s::boolean, energy_kwh => %s::numeric,"
        " resolution => %s::text, acting_key => %s::text)",
        data.record,
        "vehicle" if data.meter_id is None else "meter",
        data.meter_id or data.vehicle_id,
        moment("at", data.at),
        data.reason,
        moment("from", data.since),
        data.final_kwh,
        data.initial_kwh,
        data.value_kwh,
        data.withdraw,
        data.energy_kwh,
        data.resolution,
        key_of(request),
    )
    return await _answer(database, made)


@get("/v1/records", tags=["ledger"], opt=READ)
async def records(
    database: FromDatabase,
    request: Request[Any, Any, Any],
    vehicle: Annotated[str | None, vehicle_parameter("vehicle", "Of this vehicle alone.")] = None,
    meter: Annotated[str | None, meter_parameter("meter", "Of this meter alone.")] = None,
    since: Annotated[
        str | None, moment_parameter("from", "Those about then or later; since ever.")
    ] = None,
    until: Annotated[
        str | None, moment_parameter("to", "Those about what was before; without end.")
    ] = None,
    after: Annotated[str | None, next_parameter()] = None,
    limit: PageSize = 100,
) -> Response[RecordPage]:
    """Records of the ledger, those made last first, also those that were taken back.

    A key for some devices must name one of them, and is shown records about devices that it covers.
    """
    found, last = await page(
        database,
        Record,
        limit,
        "SELECT * FROM api.ledger_records(of_meter_id => %s::text, of_vehicle_id => %s::text,"
        " since => %s::timestamptz, until => %s::timestamptz, acting_key => %s::text,"
        " after => %s::text, page_size => %s::integer)",
        meter,
        vehicle,
        moment("from", since),
        moment("to", until),
        limited_key_of(request),
        after,
    )
    return ExactResponse(RecordPage(found, last))


@get("/v1/records/{number:str}", tags=["ledger"], opt=READ, raises=[NotFoundException])
async def record(database: FromDatabase, number: RecordNumber) -> Response[Record]:
    """A record of the ledger. It needs a key for all devices."""
    return ExactResponse(await _found(database, number_of("record", number)))


@post("/v1/records/{number:str}/cancel", tags=["ledger"], raises=[NotFoundException])
async def cancel_record(
    database: FromDatabase, request: Request[Any, Any, Any], number: RecordNumber
) -> Response[Record]:
    """Take a record back, as if it had never been made, by another record; both stay.

    200 where it was taken back for that very reason already. It needs a key for all devices.
    """
    record_id = number_of("record", number)
    data = await read(request, Cancellation)
    await _found(database, record_id)
    made = await database.one(
        _Made,
        "SELECT * FROM api.cancel_record(of_record_id => %s::bigint, reason => %s::text,"
        " acting_key => %s::text)",
        record_id,
        data.reason,
        key_of(request),
    )
    return await _answer(database, made)


async def _answer(database: Calls, made: _Made | None) -> Response[Record]:
    assert made is not None  # noqa: S101  the functions return one row, or raise
    found = await _found(database, made.record_id)
    return ExactResponse(found, status_code=HTTPStatus.CREATED if made.is_new else HTTPStatus.OK)


async def _found(database: Calls, record_id: int) -> Record:
    found, _ = await page(
        database,
        Record,
        1,
        "SELECT * FROM api.ledger_records(of_record_id => %s::bigint, page_size => %s::integer)",
        record_id,
    )
    if not found:
        raise NotFoundException(f"there is no record {record_id}")
    return found[0]


HANDLERS = [options_of_records, make_record, records, record, cancel_record]
