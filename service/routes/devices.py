"""Hot state: the latest reading of meters and of vehicles."""

from datetime import datetime
from decimal import Decimal
from typing import Annotated

import msgspec
from litestar import get
from litestar.exceptions import NotFoundException

from service.keys.guard import READ
from service.routes.parameters import DeviceId, FromDatabase, PageSize, id_parameter

After = Annotated[str | None, id_parameter("after", "The `next` of the page before.")]


class MeterState(
    msgspec.Struct,
    rename={
        "meter_id": "meterId",
        "read_at": "timestamp",
        "energy_kwh": "kwhConsumedAc",
        "voltage_v": "voltage",
        "received_at": "receivedAt",
    },
):
    """A meter's latest reading: AC energy in kWh since the one before, voltage in V."""

    meter_id: str
    read_at: datetime
    energy_kwh: Decimal
    voltage_v: Decimal | None
    received_at: datetime


class VehicleState(
    msgspec.Struct,
    rename={
        "vehicle_id": "vehicleId",
        "read_at": "timestamp",
        "energy_kwh": "kwhDeliveredDc",
        "soc_percent": "soc",
        "battery_temp_c": "batteryTemp",
        "received_at": "receivedAt",
    },
):
    """A vehicle's latest reading: DC energy in kWh since the one before, SoC in percent, °C."""

    vehicle_id: str
    read_at: datetime
    energy_kwh: Decimal
    soc_percent: Decimal | None
    battery_temp_c: Decimal | None
    received_at: datetime


class MeterPage(msgspec.Struct):
    """Meters by id; `next` goes into `after` for the page that follows, null on the last."""

    meters: list[MeterState]
    next: str | None


class VehiclePage(msgspec.Struct):
    """Vehicles by id; `next` goes into `after` for the page that follows, null on the last."""

    vehicles: list[VehicleState]
    next: str | None


@get("/v1/meters/{meter_id:str}", tags=["state"], opt=READ, raises=[NotFoundException])
async def meter(database: FromDatabase, meter_id: DeviceId) -> MeterState:
    """One meter's latest reading."""
    found = await database.one(
        MeterState, "SELECT * FROM api.meter_state(meter_id => %s::text)", meter_id
    )
    if found is None:
        raise NotFoundException(f'no reading of the meter "{meter_id}" was ever stored')
    return found


@get("/v1/vehicles/{vehicle_id:str}", tags=["state"], opt=READ, raises=[NotFoundException])
async def vehicle(database: FromDatabase, vehicle_id: DeviceId) -> VehicleState:
    """One vehicle's latest reading."""
    found = await database.one(
        VehicleState, "SELECT * FROM api.vehicle_state(vehicle_id => %s::text)", vehicle_id
    )
    if found is None:
        raise NotFoundException(f'no reading of the vehicle "{vehicle_id}" was ever stored')
    return found


@get("/v1/meters", tags=["state"], opt=READ)
async def meters(database: FromDatabase, after: After = None, limit: PageSize = 100) -> MeterPage:
    """Meters by id, a page at a time, each with its latest reading."""
    found = await database.all(
        MeterState,
        "SELECT * FROM api.meter_states(after => %s::text, page_size => %s::integer)",
        after,
        limit,
    )
    return MeterPage(found, found[-1].meter_id if len(found) == limit else None)


@get("/v1/vehicles", tags=["state"], opt=READ)
async def vehicles(
    database: FromDatabase, after: After = None, limit: PageSize = 100
) -> VehiclePage:
    """Vehicles by id, a page at a time, each with its latest reading."""
    found = await database.all(
        VehicleState,
        "SELECT * FROM api.vehicle_states(after => %s::text, page_size => %s::integer)",
        after,
        limit,
    )
    return VehiclePage(found, found[-1].vehicle_id if len(found) == limit else None)


HANDLERS = [meter, meters, vehicle, vehicles]
