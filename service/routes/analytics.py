"""What charging lost between grid and battery."""

from datetime import datetime
from decimal import Decimal
from typing import Annotated, Literal

import msgspec
from litestar import get

from service.routes.parameters import DeviceId, FromDatabase, moment, moment_parameter

Status = Literal["healthy", "degraded", "insufficient", "impossible", "no_data", "unlinked"]


class Performance(
    msgspec.Struct,
    rename={
        "vehicle_id": "vehicleId",
        "window_start": "from",
        "window_end": "to",
        "ac_kwh": "kwhConsumedAc",
        "dc_kwh": "kwhDeliveredDc",
        "dc_unlinked_kwh": "kwhDeliveredDcUnlinked",
        "loss_kwh": "kwhLost",
        "avg_battery_temp_c": "avgBatteryTemp",
        "meter_samples": "meterSamples",
        "vehicle_samples": "vehicleSamples",
        "meter_coverage": "meterCoverage",
        "vehicle_coverage": "vehicleCoverage",
    },
):
    """A vehicle's charging in a window: energy in kWh, temperature in °C, coverage 0 to 1.

    `efficiency` is DC / AC, null without AC. `kwhDeliveredDcUnlinked` reached the battery while
    no meter was linked, and is not judged. `status` is `unlinked` (no meter), `no_data`,
    `insufficient` (too little energy or coverage to say), `impossible` (more DC than AC: a
    metering fault), `degraded` (below the threshold) or `healthy`.
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


@get("/v1/analytics/performance/{vehicle_id:str}", tags=["analytics"])
async def performance(
    database: FromDatabase,
    vehicle_id: DeviceId,
    since: Annotated[
        str | None, moment_parameter("from", "Begin of the window; 24 hours before its end.")
    ] = None,
    until: Annotated[
        str | None, moment_parameter("to", "End of the window, not included; now.")
    ] = None,
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


HANDLERS = [performance]
