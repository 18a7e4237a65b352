"""Analytics: what charging lost between grid and battery."""

from datetime import datetime
from decimal import Decimal
from typing import Annotated, Literal

import msgspec
from litestar import get
from litestar.params import QueryParameter

from service.keys.guard import READ
from service.routes.paging import PageSize, page, place_parameter
from service.routes.parameters import FromDatabase, VehicleId, moment, moment_parameter

Verdict = Literal["healthy", "degraded", "insufficient", "impossible"]
Status = Literal[Verdict, "no_data", "unlinked"]
Since = Annotated[
    str | None, moment_parameter("from", "Start of the window; 24 hours before its end.")
]
Until = Annotated[str | None, moment_parameter("to", "End of the window, not included; now.")]

_ENERGY = {
    "vehicle_id": "vehicleId",
    "window_start": "from",
    "window_end": "to",
    "hour_start": "from",
    "ac_kwh": "kwhConsumedAc",
    "dc_kwh": "kwhDeliveredDc",
    "dc_unlinked_kwh": "kwhDeliveredDcUnlinked",
    "loss_kwh": "kwhLost",
    "avg_battery_temp_c": "avgBatteryTemp",
    "meter_samples": "meterSamples",
    "vehicle_samples": "vehicleSamples",
    "meter_coverage": "meterCoverage",
    "vehicle_coverage": "vehicleCoverage",
    "rounded_to": "roundedTo",
    "provisional_kwh_ac": "provisionalKwhAc",
    "provisional_kwh_dc": "provisionalKwhDc",
    "settled_until": "settledUntil",
}


class Performance(msgspec.Struct, rename=_ENERGY):
    """A vehicle's charging in a window: energy in kWh, temperature in °C, coverage 0 to 1.

    `efficiency` is DC / AC, null without AC. `kwhDeliveredDcUnlinked` reached the battery while
    no meter was linked, and is not judged. `status` is `unlinked` (no meter), `no_data`,
    `insufficient` (too little energy or coverage to say), `impossible` (more DC than AC: a
    metering fault), `degraded` (below the threshold) or `healthy`. `roundedTo` is null where all
    is exact; `hour` or `day` where raw readings or hours of that time are no longer kept, so that
    the ends of the window and of links were moved to the nearest one. `settledUntil` is null where
    no reading of these devices waits to be settled; else all before it is, and `provisionalKwhAc`
    and `provisionalKwhDc` are how much of the energies they will add (or take, below 0).
    """

    vehicle_id: str
    window_start: datetime
    window_end: datetime
    ac_kwh: Decimal
    dc_kwh: Decimal
    dc_unlinked_kwh: Decimal
    loss_kwh: Decimal
    efficiency: Decimal | None
    avg_battery_temp_c: Decimal | None
    meter_samples: int
    vehicle_samples: int
    meter_coverage: Decimal
    vehicle_coverage: Decimal
    status: Status
    rounded_to: Literal["hour", "day"] | None
    provisional_kwh_ac: Decimal
    provisional_kwh_dc: Decimal
    settled_until: datetime | None


class HourOfPerformance(msgspec.Struct, rename=_ENERGY):
    """An hour of a vehicle's charging while it was linked, in UTC; fields as of Performance.

    `settledUntil` is null where all of the hour is settled.
    """

    hour_start: datetime
    ac_kwh: Decimal
    dc_kwh: Decimal
    loss_kwh: Decimal
    efficiency: Decimal | None
    meter_samples: int
    vehicle_samples: int
    meter_coverage: Decimal
    vehicle_coverage: Decimal
    status: Verdict
    provisional_kwh_ac: Decimal
    provisional_kwh_dc: Decimal
    settled_until: datetime | None


class PerformanceByHour(msgspec.Struct, rename="camel"):
    """The hours that a window touches, in order, without those in which neither side reported."""

    vehicle_id: str
    hours: list[HourOfPerformance]


class FleetVehicle(msgspec.Struct, rename=_ENERGY):
    """A vehicle's charging in the fleet's window; fields as of Performance."""

    vehicle_id: str
    ac_kwh: Decimal
    dc_kwh: Decimal
    loss_kwh: Decimal
    efficiency: Decimal | None
    meter_coverage: Decimal
    vehicle_coverage: Decimal
    status: Verdict


class FleetTotal(msgspec.Struct, rename=_ENERGY):
    """The fleet's charging in whole hours, in UTC; fields as of Performance."""

    window_start: datetime
    window_end: datetime
    vehicles: int
    ac_kwh: Decimal
    dc_kwh: Decimal
    loss_kwh: Decimal
    efficiency: Decimal | None
    meter_coverage: Decimal
    vehicle_coverage: Decimal
    status: Literal[Verdict, "no_data"]


class Fleet(msgspec.Struct, rename="camel"):
    """The fleet's totals and a page of its vehicles, worst first.

    `next` goes into `after` for the page that follows, with the same `order`, and with `from` and
    `to` as the total has them; it is null on the last. A vehicle whose figures do not change
    meanwhile is on one page, whatever becomes of the others.
    """

    total: FleetTotal
    vehicles: list[FleetVehicle]
    next: str | None


@get("/v1/analytics/performance/{vehicle_id:str}", tags=["analytics"], opt=READ)
async def performance(
    database: FromDatabase, vehicle_id: VehicleId, since: Since = None, until: Until = None
) -> Performance:
    """A vehicle's energy, efficiency and coverage in a window: the last 24 hours unless told."""
    found = await database.one(
        Performance,
        "SELECT %s::text AS vehicle_id, p.* FROM api.performance("
        "vehicle_id => %s::text, since => %s::timestamptz, until => %s::timestamptz) AS p",
        vehicle_id,
        vehicle_id,
        moment("from", since),
        moment("to", until),
    )
    assert found is not None  # noqa: S101  the function returns one row, whatever it is asked
    return found


@get("/v1/analytics/performance/{vehicle_id:str}/hourly", tags=["analytics"], opt=READ)
async def performance_by_hour(
    database: FromDatabase, vehicle_id: VehicleId, since: Since = None, until: Until = None
) -> PerformanceByHour:
    """The same per hour, for plots: the whole hours that the window touches, in UTC."""
    hours = await database.all(
        HourOfPerformance,
        "SELECT * FROM api.performance_hourly("
        "vehicle_id => %s::text, since => %s::timestamptz, until => %s::timestamptz)",
        vehicle_id,
        moment("from", since),
        moment("to", until),
    )
    return PerformanceByHour(vehicle_id, hours)


@get("/v1/analytics/fleet", tags=["analytics"], opt=READ)
async def fleet(
    database: FromDatabase,
    since: Since = None,
    until: Until = None,
    ordering: Annotated[
        Literal["efficiency", "loss", "vehicle_id"],
        QueryParameter(
            name="order",
            description="Lowest efficiency first (those that cannot be judged last), highest loss"
            " first, or by vehicle_id.",
        ),
    ] = "efficiency",
    limit: PageSize = 100,
    after: Annotated[
        str | None,
        place_parameter("`next` of the page before; by vehicle_id, a vehicle's id will do."),
    ] = None,
) -> Fleet:
    """The fleet's totals, and its vehicles worst first, over the last 24 hours unless told."""
    total = await database.one(
        FleetTotal,
        "SELECT * FROM api.fleet(since => %s::timestamptz, until => %s::timestamptz)",
        moment("from", since),
        moment("to", until),
    )
    assert total is not None  # noqa: S101  the function returns one row, whatever it is asked
    vehicles, last = await page(
        database,
        FleetVehicle,
        limit,
        "SELECT * FROM api.fleet_vehicles(since => %s::timestamptz, until => %s::timestamptz,"
        " ordering => %s::text, after => %s::text, page_size => %s::integer)",
        total.window_start,
        total.window_end,
        ordering,
        after,
    )
    return Fleet(total, vehicles, last)


HANDLERS = [performance, performance_by_hour, fleet]
