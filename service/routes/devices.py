"""State of meters and of vehicles: the latest reading of each."""

from datetime import datetime
from decimal import Decimal
from typing import Annotated, Literal

import msgspec
from litestar import get
from litestar.exceptions import NotFoundException

from service.keys.guard import READ
from service.routes.paging import PageSize, page
from service.routes.parameters import (
    FromDatabase,
    Group,
    MeterId,
    Site,
    VehicleId,
    meter_parameter,
    vehicle_parameter,
)

_AFTER = ("after", "`next` of the page before.")
AfterMeter = Annotated[str | None, meter_parameter(*_AFTER)]
AfterVehicle = Annotated[str | None, vehicle_parameter(*_AFTER)]

OpenEvents = Annotated[
    int,
    msgspec.Meta(
        ge=0,
        description="Resets and jumps of its register whose energy no DBA has spoken of yet.",
    ),
]
Kind = Literal["difference", "lifetime_register", "session_counter"]


class MeterState(
    msgspec.Struct,
    rename={
        "meter_id": "meterId",
        "read_at": "timestamp",
        "energy_kwh": "kwhConsumedAc",
        "register_kwh": "registerKwh",
        "session_id": "session",
        "voltage_v": "voltage",
        "received_at": "receivedAt",
        "open_events": "openEvents",
        "retired_at": "retiredAt",
    },
):
    """A meter's latest reading: AC energy in kWh since the one before, voltage in V.

    Of a register its level in kWh, and its energy as far as that was known when it came.
    """

    meter_id: str
    read_at: datetime
    kind: Kind
    energy_kwh: Decimal
    register_kwh: Decimal | None
    session_id: str | None
    voltage_v: Decimal | None
    received_at: datetime
    open_events: OpenEvents
    name: str | None
    site: str | None
    groups: list[str]
    retired_at: datetime | None


class VehicleState(
    msgspec.Struct,
    rename={
        "vehicle_id": "vehicleId",
        "read_at": "timestamp",
        "energy_kwh": "kwhDeliveredDc",
        "register_kwh": "registerKwh",
        "session_id": "session",
        "soc_percent": "soc",
        "battery_temp_c": "batteryTemp",
        "received_at": "receivedAt",
        "open_events": "openEvents",
        "retired_at": "retiredAt",
    },
):
    """A vehicle's latest reading: DC energy in kWh since the one before, SoC in percent, °C.

    Of a register its level in kWh, and its energy as far as that was known when it came.
    """

    vehicle_id: str
    read_at: datetime
    kind: Kind
    energy_kwh: Decimal
    register_kwh: Decimal | None
    session_id: str | None
    soc_percent: Decimal | None
    battery_temp_c: Decimal | None
    received_at: datetime
    open_events: OpenEvents
    name: str | None
    site: str | None
    groups: list[str]
    retired_at: datetime | None


class MeterPage(msgspec.Struct):
    """Meters by id; `next` goes into `after` for the page that follows, null on the last."""

    meters: list[MeterState]
    next: str | None


class VehiclePage(msgspec.Struct):
    """Vehicles by id; `next` goes into `after` for the page that follows, null on the last."""

    vehicles: list[VehicleState]
    next: str | None


@get("/v1/meters/{meter_id:str}", tags=["state"], opt=READ, raises=[NotFoundException])
async def meter(database: FromDatabase, meter_id: MeterId) -> MeterState:
    """One meter's latest reading."""
    found = await database.one(
        MeterState, "SELECT * FROM api.meter_state(meter_id => %s::text)", meter_id
    )
    if found is None:
        raise NotFoundException(f'no reading of the meter "{meter_id}" was ever stored')
    return found


@get("/v1/vehicles/{vehicle_id:str}", tags=["state"], opt=READ, raises=[NotFoundException])
async def vehicle(database: FromDatabase, vehicle_id: VehicleId) -> VehicleState:
    """One vehicle's latest reading."""
    found = await database.one(
        VehicleState, "SELECT * FROM api.vehicle_state(vehicle_id => %s::text)", vehicle_id
    )
    if found is None:
        raise NotFoundException(f'no reading of the vehicle "{vehicle_id}" was ever stored')
    return found


@get("/v1/meters", tags=["state"], opt=READ)
async def meters(
    database: FromDatabase,
    after: AfterMeter = None,
    site: Site = None,
    group: Group = None,
    limit: PageSize = 100,
) -> MeterPage:
    """Meters by id, a page at a time, each with its latest reading.

    Retired ones are left out unless they reported since.
    """
    found, last = await page(
        database,
        MeterState,
        limit,
        "SELECT m.*, m.meter_id AS place"
        " FROM api.meter_states(after => %s::text, of_site => %s::text, of_group => %s::text,"
        " page_size => %s::integer) AS m",
        after,
        site,
        group,
    )
    return MeterPage(found, last)


@get("/v1/vehicles", tags=["state"], opt=READ)
async def vehicles(
    database: FromDatabase,
    after: AfterVehicle = None,
    site: Site = None,
    group: Group = None,
    limit: PageSize = 100,
) -> VehiclePage:
    """Vehicles by id, a page at a time, each with its latest reading.

    Retired ones are left out unless they reported since.
    """
    found, last = await page(
        database,
        VehicleState,
        limit,
        "SELECT v.*, v.vehicle_id AS place"
        " FROM api.vehicle_states(after => %s::text, of_site => %s::text, of_group => %s::text,"
        " page_size => %s::integer) AS v",
        after,
        site,
        group,
    )
    return VehiclePage(found, last)


HANDLERS = [meter, meters, vehicle, vehicles]
