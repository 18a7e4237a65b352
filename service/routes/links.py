"""Charging links: which meter feeds which vehicle, and when."""

from datetime import datetime
from typing import Annotated, Any

import msgspec
from litestar import Request, Response, delete, get, put, route
from litestar.exceptions import NotFoundException
from litestar.params import QueryParameter

from service.keys.guard import READ, key_of, limited_key_of
from service.routes.json_body import read
from service.routes.paging import PageSize, page, place_parameter
from service.routes.parameters import (
    FromDatabase,
    MeterIdInBody,
    MomentInBody,
    VehicleId,
    meter_parameter,
    moment,
    moment_parameter,
    vehicle_parameter,
)

_PATH = "/v1/links/{vehicle_id:str}"


class NewLink(msgspec.Struct, rename="camel", forbid_unknown_fields=True):
    """What to link a vehicle to; without `from` since ever, without `to` until further notice.

    With `replace`, that time is taken out of all other links of the vehicle and of the meter: what
    they have before and after it stays.
    """

    meter_id: MeterIdInBody
    since: MomentInBody | None = msgspec.field(default=None, name="from")
    until: MomentInBody | None = msgspec.field(default=None, name="to")
    replace: bool = False


class Link(msgspec.Struct, rename="camel"):
    """A charging link; null `from` means since ever, null `to` until further notice."""

    vehicle_id: str
    meter_id: str
    since: datetime | None = msgspec.field(name="from")
    until: datetime | None = msgspec.field(name="to")


class EndedLink(msgspec.Struct, rename="camel", omit_defaults=True):
    """A charging link that was ended; or as it was, where it was removed wholly."""

    vehicle_id: str
    meter_id: str
    since: datetime | None = msgspec.field(name="from")
    until: datetime | None = msgspec.field(name="to")
    removed: bool = False


class LinkPage(msgspec.Struct, rename="camel"):
    """Links by vehicle and beginning; `next` goes into `after` for the page that follows.

    It is null on the last, and `hasMore` is false. The last link's vehicle and `from`, as `after`
    and `afterFrom`, lead to the next page too.
    """

    links: list[Link]
    has_more: bool
    next: str | None


class _Created(msgspec.Struct):
    created: bool


class _Ended(msgspec.Struct):
    meter_id: str
    since: datetime | None
    until: datetime | None
    removed: bool


# before the others of its path: Litestar's own names but the first of them
@route(_PATH, http_method="OPTIONS", include_in_schema=False, sync_to_thread=False)
def options_of_link() -> Response[None]:
    """What can be done with a vehicle's link."""
    return Response(None, status_code=204, headers={"Allow": "DELETE, OPTIONS, PUT"})


@put(_PATH, tags=["links"])
async def put_link(
    database: FromDatabase, vehicle_id: VehicleId, request: Request[Any, Any, Any]
) -> Response[Link]:
    """Link a vehicle to the meter that feeds it; 201 if new, 200 if only its end was moved.

    Where either is linked elsewhere in that time the answer is 409, unless `replace` is true. A key
    for some devices must cover the vehicle and the meter of all links that change.
    """
    data = await read(request, NewLink)
    since, until = moment("from", data.since), moment("to", data.until)
    outcome = await database.one(
        _Created,
        "SELECT api.put_charging_link(vehicle_id => %s::text, meter_id => %s::text,"
        " since => %s::timestamptz, until => %s::timestamptz, replace => %s::boolean,"
        " acting_key => %s::text) AS created",
        vehicle_id,
        data.meter_id,
        since,
        until,
        data.replace,
        key_of(request),
    )
    link = Link(vehicle_id, data.meter_id, since, until)
    return Response(link, status_code=201 if outcome and outcome.created else 200)


@get("/v1/links", tags=["links"], opt=READ)
async def links(
    database: FromDatabase,
    request: Request[Any, Any, Any],
    vehicle: Annotated[str | None, vehicle_parameter("vehicleId", "Of this vehicle alone.")] = None,
    meter: Annotated[str | None, meter_parameter("meterId", "Of this meter alone.")] = None,
    after: Annotated[
        str | None,
        place_parameter("`next` of the page before; or its last link's vehicle, with afterFrom."),
    ] = None,
    after_from: Annotated[
        str | None,
        moment_parameter(
            "afterFrom", "The `from` of the last link of the page before, if `after` is a vehicle."
        ),
    ] = None,
    limit: PageSize = 100,
) -> LinkPage:
    """Charging links, of all vehicles or of one vehicle or meter, by vehicle and beginning.

    A key for some devices must name one of them, and is shown the links whose vehicle and meter it
    covers.
    """
    found, last = await page(
        database,
        Link,
        limit,
        "SELECT * FROM api.charging_links(acting_key => %s::text, of_vehicle_id => %s::text,"
        " of_meter_id => %s::text, after => %s::text, after_since => %s::timestamptz,"
        " page_size => %s::integer)",
        limited_key_of(request),
        vehicle,
        meter,
        after,
        moment("afterFrom", after_from),
    )
    return LinkPage(found, last is not None, last)


@delete(_PATH, tags=["links"], status_code=200, raises=[NotFoundException])
async def end_link(
    database: FromDatabase,
    request: Request[Any, Any, Any],
    vehicle_id: VehicleId,
    at: Annotated[
        str | None, moment_parameter("at", "When the link ended; now if left out.")
    ] = None,
    remove: Annotated[
        bool,
        QueryParameter(description="Remove the link of that time wholly, as if it had never been."),
    ] = False,
) -> EndedLink:
    """End the charging link that a vehicle has; its readings stay counted as they were.

    At the link's own `from` nothing of it would be left, so that it is removed. A key for some
    devices must cover the vehicle and the meter.
    """
    ended = await database.one(
        _Ended,
        "SELECT * FROM api.end_charging_link(vehicle_id => %s::text, ended_at => %s::timestamptz,"
        " remove => %s::boolean, acting_key => %s::text)",
        vehicle_id,
        moment("at", at),
        remove,
        key_of(request),
    )
    if ended is None:
        raise NotFoundException(f'the vehicle "{vehicle_id}" has no charging link at that time')
    return EndedLink(vehicle_id, ended.meter_id, ended.since, ended.until, ended.removed)


HANDLERS = [options_of_link, put_link, links, end_link]
