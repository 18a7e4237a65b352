"""Analytics of the fleet: what all charging lost, and which vehicles lose most."""

from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any, Literal

import msgspec
from litestar import get
from litestar.params import QueryParameter

from service.keys.guard import READ
from service.routes.analytics import ENERGY, Costs, FrozenSide, Since, Until, Verdict
from service.routes.paging import PageSize, place_parameter
from service.routes.parameters import FromDatabase, Group, Site, moment
from service.routes.rows import struct_of


class FleetVehicle(Costs, rename=ENERGY):
    """A vehicle's charging in the fleet's window; fields as of Performance.

    Energy is as far as readings explain it.
    """

    vehicle_id: str
    ac_kwh: Decimal
    dc_kwh: Decimal
    loss_kwh: Decimal
    efficiency: Decimal | None
    meter_coverage: Decimal
    vehicle_coverage: Decimal
    status: Verdict
    ac_matched_kwh: Decimal
    dc_matched_kwh: Decimal
    ac_active_kwh: Decimal
    standby_kwh: Decimal
    coverage: Decimal | None
    uncertainty: Decimal | None
    expected_efficiency: Decimal | None
    frozen_side: FrozenSide
    name: str | None
    site: str | None


class Statuses(msgspec.Struct):
    """How many vehicles have each status."""

    healthy: int
    drifting: int
    degraded: int
    impossible: int
    frozen: int
    insufficient: int
    idle: int


class Share(msgspec.Struct, rename=ENERGY):
    """Some vehicles of the fleet, and their energy in kWh."""

    vehicles: int
    ac_kwh: Decimal
    dc_kwh: Decimal


class FleetTotal(Costs, rename={**ENERGY, "not_judged": "notJudged"}):
    """The fleet's charging in whole hours, in UTC; fields as of Performance.

    It is as charging is kept, at most minutes ago.

    What cannot be judged is no loss: `kwhLost`, `efficiency`, the matched energies, `coverage`,
    `uncertainty` and `expectedEfficiency` are those of the vehicles that are judged (`healthy`,
    `drifting` or `degraded`). `judged` and `notJudged` have the energies of either apart. So are
    `lossCost`, `kwhExcessLost` and `excessLossCost`, the latter added up over vehicles. Costs of
    the fleet are rounded once: those of its vehicles may differ from them by cents.
    """

    window_start: datetime
    window_end: datetime
    vehicles: int
    ac_kwh: Decimal
    dc_kwh: Decimal
    loss_kwh: Decimal
    efficiency: Decimal | None
    meter_coverage: Decimal
    vehicle_coverage: Decimal
    status: Literal["healthy", "degraded", "insufficient", "idle", "no_data"]
    ac_matched_kwh: Decimal
    dc_matched_kwh: Decimal
    ac_active_kwh: Decimal
    standby_kwh: Decimal
    coverage: Decimal | None
    uncertainty: Decimal | None
    expected_efficiency: Decimal | None
    statuses: Statuses
    judged: Share
    not_judged: Share


class Fleet(msgspec.Struct, rename="camel"):
    """The fleet's totals and a page of its vehicles, worst first.

    `next` goes into `after` for the page that follows, with the same `order`, and with `from` and
    `to` as the total has them; it is null on the last. A vehicle whose figures do not change
    meanwhile is on one page, whatever becomes of the others.
    """

    total: FleetTotal
    vehicles: list[FleetVehicle]
    next: str | None


@get("/v1/analytics/fleet", tags=["analytics"], opt=READ)
async def fleet(
    database: FromDatabase,
    since: Since = None,
    until: Until = None,
    ordering: Annotated[
        Literal["efficiency", "loss", "vehicle_id"],
        QueryParameter(
            name="order",
            description="Lowest efficiency or highest loss first, in either those that cannot be"
            " judged last; or by vehicle_id.",
        ),
    ] = "efficiency",
    limit: PageSize = 100,
    site: Site = None,
    group: Group = None,
    after: Annotated[
        str | None,
        place_parameter("`next` of the page before; by vehicle_id, a vehicle's id will do."),
    ] = None,
) -> Fleet:
    """The fleet's totals, and its vehicles worst first, over the last 24 hours unless told.

    With `site` or `group` the fleet is the vehicles whose files say so.
    """
    # one call, so that totals and vehicles are of one moment; one vehicle more than asked for
    # tells whether there is another page
    total, *vehicles = await database.all(
        dict[str, Any],
        "SELECT * FROM api.fleet(since => %s::timestamptz, until => %s::timestamptz,"
        " ordering => %s::text, after => %s::text, page_size => %s::integer,"
        " of_site => %s::text, of_group => %s::text)",
        moment("from", since),
        moment("to", until),
        ordering,
        after,
        limit + 1,
        site,
        group,
    )
    last = vehicles[limit - 1]["place"] if len(vehicles) > limit else None
    shown = [struct_of(FleetVehicle, one) for one in vehicles[:limit]]
    return Fleet(_total(total), shown, last)


def _total(row: dict[str, Any]) -> FleetTotal:
    judged = Share(row["judged_vehicles"], row["judged_ac_kwh"], row["judged_dc_kwh"])
    others = Share(row["other_vehicles"], row["other_ac_kwh"], row["other_dc_kwh"])
    parts = {"statuses": struct_of(Statuses, row), "judged": judged, "not_judged": others}
    return struct_of(FleetTotal, {**row, **parts})


HANDLERS = [fleet]
