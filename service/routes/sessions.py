"""Charging sessions: each charge as it was judged, as JSON or CSV."""

from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any
from urllib.parse import urlencode

import msgspec
from litestar import Request, Response, get

from service.keys.guard import READ, limited_key_of
from service.routes.analytics import ENERGY, Costs, FrozenSide, Verdict
from service.routes.csv_lines import CSV, csv_lines, prefers_csv
from service.routes.exact import ExactResponse
from service.routes.paging import PageSize, next_parameter, page
from service.routes.parameters import (
    FromDatabase,
    meter_parameter,
    moment,
    moment_parameter,
    vehicle_parameter,
)

NAMES = {
    **ENERGY,
    "started_at": "from",
    "ended_at": "to",
    "unplugged_at": "unpluggedAt",
    "session_id": "session",
    "usual_efficiency": "usualEfficiency",
    "meter_name": "meterName",
    "vehicle_name": "vehicleName",
    "peak_kw": "peakKw",
    "mean_kw": "meanKw",
    "soc_start_percent": "socStart",
    "soc_end_percent": "socEnd",
    "battery_temp_start_c": "batteryTempStart",
    "battery_temp_end_c": "batteryTempEnd",
    "ac_register_start_kwh": "registerKwhAcStart",
    "ac_register_end_kwh": "registerKwhAcEnd",
    "dc_register_start_kwh": "registerKwhDcStart",
    "dc_register_end_kwh": "registerKwhDcEnd",
}


class ChargingSession(Costs, rename=NAMES):
    """A charge; what is judged of it as of Performance.

    Energy flowed `from` then until `to`. It ends with its link, with the session that the devices
    named, or with a pause. `vehicleId` is null where no vehicle is linked. `session` is what the
    devices call it: the meter's name, else the vehicle's; `unpluggedAt` when they named it last,
    else when the link ends. `peakKw` and `meanKw` are of AC above idle.
    `usualEfficiency` is what the vehicle had at this meter before in comparable sessions; null
    where those are too few, or this one is not judged. Registers are in kWh; what was not reported
    is null. Costs are rounded here, once: sums of sessions are sums of these. Names
    and the meter's `site` are what files say now.
    """

    meter_id: str
    vehicle_id: str | None
    started_at: datetime
    ended_at: datetime
    unplugged_at: datetime | None
    session_id: str | None
    ac_kwh: Decimal
    dc_kwh: Decimal
    ac_matched_kwh: Decimal
    dc_matched_kwh: Decimal
    loss_kwh: Decimal
    ac_active_kwh: Decimal
    standby_kwh: Decimal
    efficiency: Decimal | None
    uncertainty: Decimal | None
    coverage: Decimal | None
    expected_efficiency: Decimal | None
    usual_efficiency: Decimal | None
    status: Verdict
    frozen_side: FrozenSide
    peak_kw: Decimal | None
    mean_kw: Decimal | None
    soc_start_percent: Decimal | None
    soc_end_percent: Decimal | None
    battery_temp_start_c: Decimal | None
    battery_temp_end_c: Decimal | None
    ac_register_start_kwh: Decimal | None
    ac_register_end_kwh: Decimal | None
    dc_register_start_kwh: Decimal | None
    dc_register_end_kwh: Decimal | None
    meter_name: str | None
    vehicle_name: str | None
    site: str | None


class SessionPage(msgspec.Struct):
    """Sessions by start; `next` goes into `after` for the page that follows, null on the last."""

    sessions: list[ChargingSession]
    next: str | None


@get("/v1/sessions", tags=["analytics"], opt=READ)
async def sessions(
    database: FromDatabase,
    request: Request[Any, Any, Any],
    vehicle: Annotated[str | None, vehicle_parameter("vehicle", "Of this vehicle alone.")] = None,
    meter: Annotated[str | None, meter_parameter("meter", "Of this meter alone.")] = None,
    since: Annotated[
        str | None, moment_parameter("from", "Those that start then or later; since ever.")
    ] = None,
    until: Annotated[
        str | None, moment_parameter("to", "Those that start before; without end.")
    ] = None,
    after: Annotated[str | None, next_parameter()] = None,
    limit: PageSize = 100,
) -> Response[SessionPage]:
    """Charging sessions by start, as they are kept, at most minutes ago.

    As CSV where `Accept` prefers `text/csv`: a line of the fields' names and one per session, and
    the page that follows in the header `Link`. A key for some devices must name one of them, and
    is shown the sessions whose meter and vehicle it covers.
    """
    found, last = await page(
        database,
        ChargingSession,
        limit,
        "SELECT * FROM api.charging_sessions(of_vehicle_id => %s::text, of_meter_id => %s::text,"
        " since => %s::timestamptz, until => %s::timestamptz, acting_key => %s::text,"
        " after => %s::text, page_size => %s::integer)",
        vehicle,
        meter,
        moment("from", since),
        moment("to", until),
        limited_key_of(request),
        after,
    )
    headers = {"Vary": "Accept"}
    if not prefers_csv(request):
        return ExactResponse(SessionPage(found, last), headers=headers)
    if last is not None:
        asked = [one for one in request.query_params.multi_items() if one[0] != "after"]
        headers["Link"] = f'<?{urlencode([*asked, ("after", last)])}>; rel="next"'
    names = [field.encode_name for field in msgspec.structs.fields(ChargingSession)]
    lines = csv_lines(names, map(msgspec.structs.astuple, found))
    return ExactResponse(lines, media_type=CSV, headers=headers)


HANDLERS = [sessions]
