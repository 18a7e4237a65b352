"""Analytics of a meter: what a charger did over all of its vehicles."""

from datetime import datetime
from decimal import Decimal
from typing import Any, Literal

from litestar import Request, get

from service.keys.guard import READ, limited_key_of
from service.routes.analytics import ENERGY, Costs, FrozenSide, Since, Status, Until, Verdict
from service.routes.parameters import FromDatabase, MeterId, moment
from service.routes.rows import struct_of


class ChargedVehicle(Costs, rename=ENERGY):
    """What a vehicle charged at a meter; fields as of Performance."""

    vehicle_id: str
    ac_active_kwh: Decimal
    ac_matched_kwh: Decimal
    dc_matched_kwh: Decimal
    loss_kwh: Decimal
    efficiency: Decimal | None
    uncertainty: Decimal | None
    coverage: Decimal | None
    expected_efficiency: Decimal | None
    frozen_side: FrozenSide
    status: Verdict


class MeterPerformance(Costs, rename=ENERGY):
    """A charger over all of its vehicles in a window; fields as of Performance.

    `kwhConsumedAc` is all that the meter drew, `kwhActiveAc` above idle while a vehicle was
    linked, `kwhUnlinkedAc` while none was. `kwhStandbyAc` is what it drew idle, linked or not, and
    `standbyW` the mean power of that time, null where it was never idle. `vehicles` are those that
    it charged; of a key for some devices, those that it covers. `cost` is of kwhActiveAc,
    kwhUnlinkedAc and kwhStandbyAc.
    """

    meter_id: str
    window_start: datetime
    window_end: datetime
    rounded_to: Literal["hour", "day"] | None
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
    status: Status
    meter_samples: int
    provisional_kwh_ac: Decimal
    settled_until: datetime | None
    vehicles: list[ChargedVehicle]


@get("/v1/analytics/meters/{meter_id:str}", tags=["analytics"], opt=READ)
async def meter_performance(
    database: FromDatabase,
    request: Request[Any, Any, Any],
    meter_id: MeterId,
    since: Since = None,
    until: Until = None,
) -> MeterPerformance:
    """A charger's verdict, standby and vehicles in a window: the last 24 hours unless told."""
    # the first row is the charger's
    own, *others = await database.all(
        dict[str, Any],
        "SELECT * FROM api.meter_performance(meter_id => %s::text, since => %s::timestamptz,"
        " until => %s::timestamptz, acting_key => %s::text)",
        meter_id,
        moment("from", since),
        moment("to", until),
        limited_key_of(request),
    )
    vehicles = [struct_of(ChargedVehicle, one) for one in others]
    return struct_of(MeterPerformance, {**own, "meter_id": meter_id, "vehicles": vehicles})


HANDLERS = [meter_performance]
