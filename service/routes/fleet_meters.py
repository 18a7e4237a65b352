"""Analytics of all chargers: which lose most, and the last hours of many devices at once."""

from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any, Literal

import msgspec
from litestar import get
from litestar.params import QueryParameter

from service.keys.guard import READ
from service.routes.analytics import ENERGY, Costs, FrozenSide, Since, Until, Verdict
from service.routes.paging import PageSize, next_parameter
from service.routes.parameters import (
    DeviceId,
    FromDatabase,
    meters_parameter,
    moment,
    vehicles_parameter,
)
from service.routes.rows import struct_of


class FleetMeter(Costs, rename=ENERGY):
    """A charger in the fleet's window; fields as of MeterPerformance.

    `vehicles` is how many were linked.
    """

    meter_id: str
    vehicles: int
    ac_kwh: Decimal
    ac_active_kwh: Decimal
    ac_unlinked_kwh: Decimal
    standby_kwh: Decimal
    standby_w: Decimal | None
    ac_matched_kwh: Decimal
    dc_matched_kwh: Decimal
    loss_kwh: Decimal
    efficiency: Decimal | None
    uncertainty: Decimal | None
    coverage: Decimal | None
    expected_efficiency: Decimal | None
    frozen_side: FrozenSide
    status: Literal[Verdict, "unlinked"]


class MetersTotal(msgspec.Struct, rename=ENERGY):
    """The window, in whole hours, and how many meters there are; as charging is kept."""

    window_start: datetime
    window_end: datetime
    meters: int


class FleetMeters(msgspec.Struct, rename="camel"):
    """A page of the fleet's chargers, worst first; `next` as of Fleet."""

    total: MetersTotal
    meters: list[FleetMeter]
    next: str | None


class Sparkline(msgspec.Struct, rename={**ENERGY, "device_id": "id", "first_hour": "from"}):
    """A device's last hours, one element per hour: kWh of AC above idle, and of DC."""

    side: Literal["meter", "vehicle"]
    device_id: str
    first_hour: datetime
    ac_active_kwh: list[Decimal]
    dc_kwh: list[Decimal]


class Sparklines(msgspec.Struct):
    """The last 24 hours of devices, up to the one that is running, in the order of asking."""

    sparklines: list[Sparkline]


@get("/v1/analytics/fleet/meters", tags=["analytics"], opt=READ)
async def fleet_meters(
    database: FromDatabase,
    since: Since = None,
    until: Until = None,
    ordering: Annotated[
        Literal["efficiency", "loss", "meter_id"],
        QueryParameter(
            name="order",
            description="Lowest efficiency or highest loss first, in either those that cannot be"
            " judged last; or by meter_id.",
        ),
    ] = "efficiency",
    limit: PageSize = 100,
    after: Annotated[str | None, next_parameter()] = None,
) -> FleetMeters:
    """The fleet's chargers, worst first, over the last 24 hours unless told."""
    total, *meters = await database.all(
        dict[str, Any],
        "SELECT * FROM api.fleet_meters(since => %s::timestamptz, until => %s::timestamptz,"
        " ordering => %s::text, after => %s::text, page_size => %s::integer)",
        moment("from", since),
        moment("to", until),
        ordering,
        after,
        limit + 1,
    )
    last = meters[limit - 1]["place"] if len(meters) > limit else None
    shown = [struct_of(FleetMeter, one) for one in meters[:limit]]
    return FleetMeters(struct_of(MetersTotal, total), shown, last)


@get("/v1/analytics/fleet/sparklines", tags=["analytics"], opt=READ)
async def sparklines(
    database: FromDatabase,
    vehicles: Annotated[list[DeviceId] | None, vehicles_parameter()] = None,
    meters: Annotated[list[DeviceId] | None, meters_parameter()] = None,
) -> Sparklines:
    """The last 24 hours of up to 50 devices a side, as charging is kept, 0 where none is known."""
    found = await database.all(
        Sparkline,
        "SELECT s.side, s.device_id, s.first_hour, s.ac_kwh AS ac_active_kwh, s.dc_kwh"
        " FROM api.sparklines(meter_ids => %s::text[], vehicle_ids => %s::text[]) AS s",
        meters or [],
        vehicles or [],
    )
    return Sparklines(found)


HANDLERS = [fleet_meters, sparklines]
