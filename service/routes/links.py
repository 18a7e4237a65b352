"""Charging links: which meter feeds which vehicle, and when."""

from datetime import datetime
from typing import Annotated, Any

import msgspec
from litestar import Request, Response, delete, get, put, route
from litestar.exceptions import NotFoundException

from service.keys.guard import READ
from service.routes.bodies import read
from service.routes.parameters import (
    DeviceId,
    FromDatabase,
    PageSize,
    id_parameter,
    moment,
    moment_parameter,
)
from service.wire.readings import ID_PATTERN, LONGEST_ID

_Id = Annotated[str, msgspec.Meta(min_length=1, max_length=LONGEST_ID, pattern=ID_PATTERN)]
_PATH = "/v1/links/{vehicle_id:str}"


class NewLink(msgspec.Struct, rename="camel", forbid_unknown_fields=True):
    """What to link a vehicle to; without `from` since ever, without `to` until further notice."""

    meter_id: _Id
    since: str | int | None = msgspec.field(default=None, name="from")
    until: str | int | None = msgspec.field(default=None, name="to")


class Link(msgspec.Struct, rename="camel"):
    """A charging link; null `from` means since ever, null `to` until further notice."""

    vehicle_id: str
    meter_id: str
    since: datetime | None = msgspec.field(name="from")
    until: datetime | None = msgspec.field(name="to")


class LinkPage(msgspec.Struct, rename="camel"):
    """Links by vehicle and beginning; the last link's vehicle and `from` lead to the next page."""

    links: list[Link]
    has_more: bool


class _Created(msgspec.Struct):
    created: bool


class _Ended(msgspec.Struct):
    meter_id: str
    since: datetime | None
    until: datetime


# before the others of its path: Litestar's own names but the first of them
@route(_PATH, http_method="OPTIONS", include_in_schema=False, sync_to_thread=False)
def options_of_link() -> Response[None]:
    """What can be done with a vehicle's link."""
    return Response(None, status_code=204, headers={"Allow": "DELETE, OPTIONS, PUT"})


@put(_PATH, tags=["links"])
async def put_link(
    database: FromDatabase, vehicle_id: DeviceId, request: Request[Any, Any, Any]
) -> Response[Link]:
    """Link a vehicle to the meter that feeds it; 201 if new, 200 if only its end was moved."""
    data = await read(request, NewLink)
    since, until = moment("from", data.since), moment("to", data.until)
    outcome = await database.one(
        _Created,
        "SELECT api.put_charging_link(vehicle_id => %s::text, meter_id => %s::text,"
        " since => %s::timestamptz, until => %s::timestamptz) AS created",
        vehicle_id,
        data.meter_id,
        since,
        until,
    )
    link = Link(vehicle_id, data.meter_id, since, until)
    return Response(link, status_code=201 if outcome and outcome.created else 200)


@get("/v1/links", tags=["links"], opt=READ)
async def links(
    database: FromDatabase,
    vehicle: Annotated[str | None, id_parameter("vehicleId", "Of this vehicle alone.")] = None,
    meter: Annotated[str | None, id_parameter("meterId", "Of this meter alone.")] = None,
    after: Annotated[
        str | None, id_parameter("after", "The vehicle of the last link of the page before.")
    ] = None,
    after_from: Annotated[
        str | None,
        moment_parameter("afterFrom", "The `from` of the last link of the page before."),
    ] = None,
    limit: PageSize = 100,
) -> LinkPage:
    """Charging links, of all vehicles or of one vehicle or meter, by vehicle and beginning."""
    found = await database.all(
        Link,
        "SELECT * FROM api.charging_links(vehicle_id => %s::text, meter_id => %s::text,"
        " after_vehicle_id => %s::text, after_since => %s::timestamptz, page_size => %s::integer)",
        vehicle,
        meter,
        after,
        moment("afterFrom", after_from),
        limit + 1,
    )
    return LinkPage(found[:limit], len(found) > limit)


@delete(_PATH, tags=["links"], status_code=200, raises=[NotFoundException])
async def end_link(
    database: FromDatabase,
    vehicle_id: DeviceId,
    at: Annotated[
        str | None, moment_parameter("at", "When the link ended; now if left out.")
    ] = None,
) -> Link:
    """End the charging link that a vehicle has; its readings stay counted as they were."""
    ended = await database.one(
        _Ended,
        "SELECT * FROM api.end_charging_link(vehicle_id => %s::text, ended_at => %s::timestamptz)",
        vehicle_id,
        moment("at", at),
    )
    if ended is None:
        raise NotFoundException(f'the vehicle "{vehicle_id}" has no charging link at that time')
    return Link(vehicle_id, ended.meter_id, ended.since, ended.until)


HANDLERS = [options_of_link, put_link, links, end_link]
