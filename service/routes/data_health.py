"""Health of the data: who is silent or late, what was refused, what registers did, what waits."""

from datetime import datetime
from decimal import Decimal
from typing import Any, Literal

import msgspec
from litestar import get

from service.keys.guard import READ
from service.routes.analytics import Since, Until
from service.routes.parameters import FromDatabase, moment
from service.routes.register_events import EventKind, EventState

Side = Literal["meter", "vehicle"]


class DeviceCount(msgspec.Struct):
    """How many devices of a side there are, are silent, and are late."""

    side: Side
    devices: int
    silent: int
    late: int


class DeviceAt(msgspec.Struct, rename="camel"):
    """A device, the time of its latest reading, and when that came."""

    side: Side
    id: str
    timestamp: datetime
    received_at: datetime


class RefusedReadings(msgspec.Struct, rename="camel"):
    """Readings that were refused for a reason; `side` is null where they could not be decoded.

    `example` is what to fix of the newest, and `exampleOf` its device.
    """

    reason: str
    side: Side | None
    readings: int
    devices: int
    newest: datetime
    example: str
    example_of: str | None


class DiscardedMeasurement(msgspec.Struct):
    """Values beyond their bounds that were taken as not reported, of readings that count."""

    side: Side
    field: str
    devices: int
    readings: int
    newest: datetime


class NotedEvent(msgspec.Struct, rename="camel"):
    """What a register did beside counting; `open` until a record books or dismisses it."""

    side: Side
    id: str
    happened_at: datetime
    event: EventKind
    state: EventState
    booked_kwh: Decimal
    explained_kwh: Decimal


class Waiting(msgspec.Struct, rename="camel"):
    """Days of devices that wait to be settled, and to have their charging kept; since when."""

    settling: int
    settling_since: datetime | None
    charging: int
    charging_since: datetime | None
    failing: int


class DataHealth(
    msgspec.Struct,
    rename={
        "window_start": "from",
        "window_end": "to",
        "register_events": "registerEvents",
        "open_register_events": "openRegisterEvents",
    },
):
    """How good the data of a window is, with up to a hundred devices or events of each kind.

    `silent` are devices that reported nothing for long, while others did; `late` those whose
    latest reading came long after it was taken. `refused` readings are in quarantine, and
    `discarded` measurements were taken as not reported. `registerEvents` begin with those that are
    open, `openRegisterEvents` in all.
    """

    window_start: datetime
    window_end: datetime
    devices: list[DeviceCount]
    silent: list[DeviceAt]
    late: list[DeviceAt]
    refused: list[RefusedReadings]
    discarded: list[DiscardedMeasurement]
    register_events: list[NotedEvent]
    open_register_events: int
    waiting: Waiting


@get("/v1/data-health", tags=["analytics"], opt=READ)
async def data_health(
    database: FromDatabase, since: Since = None, until: Until = None
) -> DataHealth:
    """How good the data is: the last 24 hours unless told."""
    found = await database.one(
        _health,
        "SELECT h.window_start, h.window_end, h.open_register_events,"
        " h.devices::text, h.silent::text, h.late::text, h.refused::text, h.discarded::text,"
        " h.register_events::text, h.waiting::text"
        " FROM api.data_health(since => %s::timestamptz, until => %s::timestamptz) AS h",
        moment("from", since),
        moment("to", until),
    )
    assert found is not None  # noqa: S101  the function returns one row
    return found


def _health(**columns: Any) -> DataHealth:
    # decoded here, since the driver would make numbers of binary fractions
    kinds = {field.name: field.type for field in msgspec.structs.fields(DataHealth)}
    return DataHealth(
        **{
            name: msgspec.json.decode(value, type=kinds[name]) if isinstance(value, str) else value
            for name, value in columns.items()
        }
    )


HANDLERS = [data_health]
