"""Analytics of a vehicle: what its charging lost between grid and battery."""

from datetime import datetime
from decimal import Decimal
from typing import Annotated, Literal

import msgspec
from litestar import get

from service.keys.guard import READ
from service.routes.parameters import FromDatabase, VehicleId, moment, moment_parameter

Verdict = Literal["healthy", "drifting", "degraded", "impossible", "frozen", "insufficient", "idle"]
Status = Literal[Verdict, "no_data", "unlinked"]
Since = Annotated[
    str | None, moment_parameter("from", "Start of the window; 24 hours before its end.")
]
Until = Annotated[str | None, moment_parameter("to", "End of the window, not included; now.")]

FrozenSide = Literal["meter", "vehicle"] | None
CostGap = Literal["no_tariff", "currencies"] | None

# columns whose field is not called as they are
ENERGY = {
    "vehicle_id": "vehicleId",
    "meter_id": "meterId",
    "window_start": "from",
    "window_end": "to",
    "hour_start": "from",
    "ac_kwh": "kwhConsumedAc",
    "dc_kwh": "kwhDeliveredDc",
    "dc_unlinked_kwh": "kwhDeliveredDcUnlinked",
    "ac_matched_kwh": "kwhMatchedAc",
    "dc_matched_kwh": "kwhMatchedDc",
    "ac_active_kwh": "kwhActiveAc",
    "ac_unlinked_kwh": "kwhUnlinkedAc",
    "standby_kwh": "kwhStandbyAc",
    "standby_w": "standbyW",
    "loss_kwh": "kwhLost",
    "expected_efficiency": "expectedEfficiency",
    "frozen_side": "frozenSide",
    "avg_battery_temp_c": "avgBatteryTemp",
    "meter_samples": "meterSamples",
    "vehicle_samples": "vehicleSamples",
    "meter_coverage": "meterCoverage",
    "vehicle_coverage": "vehicleCoverage",
    "rounded_to": "roundedTo",
    "provisional_kwh_ac": "provisionalKwhAc",
    "provisional_kwh_dc": "provisionalKwhDc",
    "settled_until": "settledUntil",
    "excess_loss_kwh": "kwhExcessLost",
    "standby_cost": "standbyCost",
    "loss_cost": "lossCost",
    "excess_loss_cost": "excessLossCost",
    "cost_gap": "costGap",
}


class Costs(msgspec.Struct, rename=ENERGY, kw_only=True):
    """What was lost in excess, and what energy and losses cost; fields as of Performance.

    In an answer they come last: msgspec has fields by keyword alone after all others.
    """

    excess_loss_kwh: Decimal | None
    cost: Decimal | None
    standby_cost: Decimal | None
    loss_cost: Decimal | None
    excess_loss_cost: Decimal | None
    currency: str | None
    cost_gap: CostGap


class Performance(Costs, rename=ENERGY):
    """A vehicle's charging in a window: energy in kWh, temperature in °C, coverage 0 to 1.

    Judged is what is matched: what flowed while the readings of both sides explain it.
    `efficiency` is kwhMatchedDc / kwhMatchedAc, null without AC, `kwhLost` their difference: what
    a meter drew while the vehicle was silent is nobody's loss. `kwhActiveAc` is AC above idle,
    `kwhStandbyAc` of idle time, as far as readings explain it. `coverage` is the share of AC above
    idle that is matched, `uncertainty` by how much the efficiency may be wrong,
    `expectedEfficiency` the least that a sound charge has; null without energy.
    `kwhDeliveredDcUnlinked` reached the battery while no meter was linked. `meterCoverage` and
    `vehicleCoverage` are shares of the expected readings.

    `status` is `unlinked` (no meter), `no_data`, `idle` (nothing above idle), `insufficient` (too
    little energy, coverage or certainty to say), `frozen` (one side flows and the other's value
    stands: `frozenSide`), `impossible` (more DC than AC: a metering fault), `degraded` (below what
    is expected), `drifting` (for some sessions below what is usual of the vehicle at the meter) or
    `healthy`. `roundedTo` is null where all
    is exact; `hour` or `day` where raw readings or hours of that time are no longer kept, so that
    the ends of the window and of links were moved to the nearest one. `settledUntil` is null where
    no reading of these devices waits to be settled; else all before it is, and `provisionalKwhAc`
    and `provisionalKwhDc` are how much of the energies they will add (or take, below 0).

    `cost` is what kwhActiveAc and kwhStandbyAc cost, each hour by the tariff that holds then;
    `standbyCost`, `lossCost` and `excessLossCost` what kwhStandbyAc, kwhLost and `kwhExcessLost`
    do: how much more AC was drawn in matched time than a sound charge takes, null unless judged.
    Each is rounded to the minor unit of `currency` by itself. Costs are null where `costGap` says
    why: `no_tariff` (some of the energy has no price) or `currencies` (prices in several).
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
    ac_matched_kwh: Decimal
    dc_matched_kwh: Decimal
    ac_active_kwh: Decimal
    standby_kwh: Decimal
    coverage: Decimal | None
    uncertainty: Decimal | None
    expected_efficiency: Decimal | None
    frozen_side: FrozenSide


class HourOfPerformance(msgspec.Struct, rename=ENERGY):
    """An hour of a vehicle's charging while it was linked, in UTC; fields as of Performance.

    `settledUntil` is null where all of the hour is settled. No hour is `drifting`.
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
    ac_matched_kwh: Decimal
    dc_matched_kwh: Decimal
    ac_active_kwh: Decimal
    standby_kwh: Decimal
    coverage: Decimal | None
    uncertainty: Decimal | None
    expected_efficiency: Decimal | None
    frozen_side: FrozenSide


class PerformanceByHour(msgspec.Struct, rename="camel"):
    """The hours that a window touches, in order, without those in which neither side reported."""

    vehicle_id: str
    hours: list[HourOfPerformance]


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


HANDLERS = [performance, performance_by_hour]
