"""The file of each device: what people call it, where it is, and since when it is retired."""

from datetime import datetime
from http import HTTPStatus
from typing import Any

import msgspec
from litestar import Request, Response, delete, get, put, route
from litestar.exceptions import NotFoundException

from service.database.pool import Calls
from service.keys.guard import READ
from service.keys.named import Side
from service.routes.json_body import read
from service.routes.parameters import FromDatabase, MeterId, MomentInBody, VehicleId, moment
from service.wire.labels import Groups, Label

_METER = "/v1/devices/meters/{meter_id:str}"
_VEHICLE = "/v1/devices/vehicles/{vehicle_id:str}"


class NewDeviceFile(msgspec.Struct, rename="camel", forbid_unknown_fields=True):
    """What there is to say of a device, in place of all that was said before.

    `name`, `plate`, `address` and `note` are personal: they stand nowhere else and can be erased.
    """

    name: Label | None = None
    site: Label | None = None
    groups: Groups = []
    plate: Label | None = None
    address: Label | None = None
    note: Label | None = None
    retired_at: MomentInBody | None = None


class DeviceFile(msgspec.Struct, rename="camel"):
    """What is said of a device; null is what is not. Groups are in order, each once.

    Since `retiredAt` it is no longer expected to report.
    """

    device_id: str
    name: str | None
    site: str | None
    groups: list[str]
    plate: str | None
    address: str | None
    note: str | None
    retired_at: datetime | None


class _Nothing(msgspec.Struct):
    done: Any


# before the others of its path: Litestar's own names but the first of them
@route([_METER, _VEHICLE], http_method="OPTIONS", include_in_schema=False, sync_to_thread=False)
def options_of_file() -> Response[None]:
    """What can be done with a device's file."""
    return Response(None, status_code=204, headers={"Allow": "GET, OPTIONS, PUT"})


@put(_METER, tags=["devices"], status_code=HTTPStatus.OK)
async def put_meter_file(
    database: FromDatabase, meter_id: MeterId, request: Request[Any, Any, Any]
) -> DeviceFile:
    """Say what is known of a meter, in place of the whole of what was said before.

    It need never have reported. To put the same again changes nothing; `{}` removes the file.
    """
    return await _put(database, "meter", meter_id, await read(request, NewDeviceFile))


@put(_VEHICLE, tags=["devices"], status_code=HTTPStatus.OK)
async def put_vehicle_file(
    database: FromDatabase, vehicle_id: VehicleId, request: Request[Any, Any, Any]
) -> DeviceFile:
    """Say what is known of a vehicle, in place of the whole of what was said before.

    It need never have reported. To put the same again changes nothing; `{}` removes the file.
    """
    return await _put(database, "vehicle", vehicle_id, await read(request, NewDeviceFile))


@get(_METER, tags=["devices"], opt=READ, raises=[NotFoundException])
async def meter_file(database: FromDatabase, meter_id: MeterId) -> DeviceFile:
    """What is said of a meter."""
    return await _found(database, "meter", meter_id)


@get(_VEHICLE, tags=["devices"], opt=READ, raises=[NotFoundException])
async def vehicle_file(database: FromDatabase, vehicle_id: VehicleId) -> DeviceFile:
    """What is said of a vehicle."""
    return await _found(database, "vehicle", vehicle_id)


@delete(f"{_METER}/personal", tags=["devices"])
async def erase_meter(database: FromDatabase, meter_id: MeterId) -> None:
    """Erase a meter's name, plate, address and note for good; site, groups and energy stay."""
    await _erase(database, "meter", meter_id)


@delete(f"{_VEHICLE}/personal", tags=["devices"])
async def erase_vehicle(database: FromDatabase, vehicle_id: VehicleId) -> None:
    """Erase a vehicle's name, plate, address and note for good; site, groups and energy stay."""
    await _erase(database, "vehicle", vehicle_id)


async def _put(database: Calls, side: Side, device_id: str, said: NewDeviceFile) -> DeviceFile:
    retired_at = moment("retiredAt", said.retired_at)
    await database.one(
        _Nothing,
        "SELECT api.put_device_file(side => %s::text, device_id => %s::text, name => %s::text,"
        " site => %s::text, groups => %s::text[], plate => %s::text, address => %s::text,"
        " note => %s::text, retired_at => %s::timestamptz) AS done",
        side,
        device_id,
        said.name,
        said.site,
        said.groups,
        said.plate,
        said.address,
        said.note,
        retired_at,
    )
    # as it is kept; what another put meanwhile is another's answer
    groups = sorted(set(said.groups))
    return DeviceFile(
        device_id, said.name, said.site, groups, said.plate, said.address, said.note, retired_at
    )


async def _found(database: Calls, side: Side, device_id: str) -> DeviceFile:
    found = await database.one(
        DeviceFile,
        "SELECT * FROM api.device_file(side => %s::text, device_id => %s::text)",
        side,
        device_id,
    )
    if found is None:
        raise NotFoundException(f'nothing is said of the {side} "{device_id}"')
    return found


async def _erase(database: Calls, side: Side, device_id: str) -> None:
    await database.one(
        _Nothing,
        "SELECT api.erase_device(side => %s::text, device_id => %s::text) AS done",
        side,
        device_id,
    )


HANDLERS = [
    options_of_file,
    put_meter_file,
    put_vehicle_file,
    meter_file,
    vehicle_file,
    erase_meter,
    erase_vehicle,
]
