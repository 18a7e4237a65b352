"""Charging links: which meter feeds which vehicle, and when."""

from datetime import datetime
from typing import Annotated

import msgspec
from litestar import Response, delete, get, put
from litestar.exceptions import NotFoundException
from litestar.params import JSONBody, QueryParameter

from service.keys.guard import READ
from service.routes.parameters import (
    DeviceId,
    FromDatabase,
    Moment,
    PageSize,
    moment,
    moment_parameter,
)
from service.wire.readings import LONGEST_ID

_Id = Annotated[str, msgspec.Meta(min_length=1, max_length=LONGEST_ID)]


class NewLink(msgspec.Struct, rename="camel", forbid_unknown_fields=True):
    """What to link a vehicle to; without `from` since ever, without `to` until further notice."""

    meter_id: _Id
    since: Moment | None = msgspec.field(default=None, name="from")
    until: Moment | None = msgspec.field(default=None, name="to")


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


@put("/v1/links/{vehicle_id:str}", tags=["links"])
async def put_link(
    database: FromDatabase, vehicle_id: DeviceId, data: JSONBody[NewLink]
) -> Response[Link]:
    """Link a vehicle to the meter that feeds it; 201 if new, 200 if only its end was moved."""
    outcome = await database.one(
        _Created,
        "SELECT api.put_charging_link(vehicle_id => %s::text, meter_id => %s::text,"
        " since => %s::timestamptz, until => %s::timestamptz) AS created",
        vehicle_id,
        data.meter_id,
        data.since,
        data.until,
    )
    link = Link(vehicle_id, data.meter_id, data.since, data.until)
    return Response(link, status_code=201 if outcome and outcome.created else 200)


@get("/v1/links", tags=["links"], opt=READ)
async def links(
    database: FromDatabase,
    vehicle: Annotated[str | None, QueryParameter(name="vehicleId")] = None,
    meter: Annotated[str | None, QueryParameter(name="meterId")] = None,
    after: Annotated[
        str | None,
        QueryParameter(
            name="after", description="The vehicle of the last link of the page before."
        ),
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


@delete("/v1/links/{vehicle_id:str}", tags=["links"], status_code=200, raises=[NotFoundException])
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


HANDLERS = [put_link, links, end_link]
