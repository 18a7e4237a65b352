"""Events of registers: what they did beside counting."""

from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any, Literal

import msgspec
from litestar import Request, Response, get
from litestar.params import QueryParameter

from service.keys.guard import READ, limited_key_of
from service.routes.exact import ExactResponse
from service.routes.paging import PageSize, next_parameter, page
from service.routes.parameters import FromDatabase, meter_parameter, vehicle_parameter

EventKind = Literal[
    "glitch", "rollover", "reset", "jump", "exchange", "kind", "undecided", "too_short"
]
EventState = Literal["provisional", "open", "settled"]


class RegisterEvent(msgspec.Struct, rename="camel"):
    """What a register did beside counting: its level before and the one reported, in kWh.

    `bookedKwh` was counted for it; `explainedKwh` is by how much the level changed beyond that. A
    `reset` or `jump` is `open` until a record books or dismisses it; what is `provisional` may
    still be changed by what comes next. `sentence` says all of it.
    """

    meter_id: str | None
    vehicle_id: str | None
    happened_at: datetime = msgspec.field(name="at")
    event: EventKind
    before_kwh: Decimal | None
    reported_kwh: Decimal | None
    booked_kwh: Decimal
    explained_kwh: Decimal
    state: EventState
    sentence: str


class RegisterEventPage(msgspec.Struct):
    """Events by side, device and time; `next` goes into `after` for the page that follows."""

    events: list[RegisterEvent]
    next: str | None


@get("/v1/register-events", tags=["ledger"], opt=READ)
async def register_events(
    database: FromDatabase,
    request: Request[Any, Any, Any],
    vehicle: Annotated[str | None, vehicle_parameter("vehicle", "Of this vehicle alone.")] = None,
    meter: Annotated[str | None, meter_parameter("meter", "Of this meter alone.")] = None,
    which: Annotated[
        EventState | None, QueryParameter(name="state", description="Of this state alone.")
    ] = None,
    after: Annotated[str | None, next_parameter()] = None,
    limit: PageSize = 100,
) -> Response[RegisterEventPage]:
    """Resets, jumps, glitches, rollovers and exchanges of registers, by device and time.

    A key for some devices must name one of them.
    """
    found, last = await page(
        database,
        RegisterEvent,
        limit,
        "SELECT * FROM api.register_events(of_meter_id => %s::text, of_vehicle_id => %s::text,"
        " of_state => %s::text, acting_key => %s::text, after => %s::text,"
        " page_size => %s::integer)",
        meter,
        vehicle,
        which,
        limited_key_of(request),
        after,
    )
    return ExactResponse(RegisterEventPage(found, last))


HANDLERS = [register_events]
