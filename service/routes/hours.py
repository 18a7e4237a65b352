"""Hours of a device, for plots: what it reported besides what is judged."""

from datetime import datetime
from decimal import Decimal

import msgspec
from litestar import get

from service.keys.guard import READ
from service.routes.analytics import Since, Until
from service.routes.parameters import FromDatabase, MeterId, VehicleId, moment


class MeterHour(
    msgspec.Struct,
    rename={"hour_start": "from", "energy_kwh": "kwhConsumedAc", "voltage_v": "voltage"},
):
    """An hour of a meter, in UTC: AC energy in kWh as far as it is settled, mean voltage in V."""

    hour_start: datetime
    energy_kwh: Decimal
    voltage_v: Decimal | None
    samples: int


class VehicleHour(
    msgspec.Struct,
    rename={
        "hour_start": "from",
        "energy_kwh": "kwhDeliveredDc",
        "soc_percent": "soc",
        "battery_temp_c": "batteryTemp",
    },
):
    """An hour of a vehicle, in UTC: DC energy in kWh as far as it is settled, means of the rest.

    `soc` is in percent, `batteryTemp` in °C; null where it reported none.
    """

    hour_start: datetime
    energy_kwh: Decimal
    soc_percent: Decimal | None
    battery_temp_c: Decimal | None
    samples: int


class MeterHours(msgspec.Struct, rename="camel"):
    """The hours that a window touches, in order, without those in which it did not report."""

    meter_id: str
    hours: list[MeterHour]


class VehicleHours(msgspec.Struct, rename="camel"):
    """The hours that a window touches, in order, without those in which it did not report."""

    vehicle_id: str
    hours: list[VehicleHour]


@get("/v1/meters/{meter_id:str}/hourly", tags=["state"], opt=READ)
async def meter_hours(
    database: FromDatabase, meter_id: MeterId, since: Since = None, until: Until = None
) -> MeterHours:
    """What a meter reported per hour, linked or not: the last 24 hours unless told."""
    hours = await database.all(
        MeterHour,
        "SELECT * FROM api.meter_hours("
        "meter_id => %s::text, since => %s::timestamptz, until => %s::timestamptz)",
        meter_id,
        moment("from", since),
        moment("to", until),
    )
    return MeterHours(meter_id, hours)


@get("/v1/vehicles/{vehicle_id:str}/hourly", tags=["state"], opt=READ)
async def vehicle_hours(
    database: FromDatabase, vehicle_id: VehicleId, since: Since = None, until: Until = None
) -> VehicleHours:
    """What a vehicle reported per hour, linked or not: the last 24 hours unless told."""
    hours = await database.all(
        VehicleHour,
        "SELECT * FROM api.vehicle_hours("
        "vehicle_id => %s::text, since => %s::timestamptz, until => %s::timestamptz)",
        vehicle_id,
        moment("from", since),
        moment("to", until),
    )
    return VehicleHours(vehicle_id, hours)


HANDLERS = [meter_hours, vehicle_hours]
