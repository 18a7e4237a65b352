"""Reports: a month of a vehicle or of a meter, as JSON or CSV."""

from datetime import date, datetime
from decimal import Decimal
from typing import Annotated, Any

import msgspec
from litestar import Request, Response, get
from litestar.openapi.spec import Example
from litestar.params import QueryParameter

from service.keys.guard import READ, limited_key_of
from service.routes.analytics import CostGap, Verdict
from service.routes.csv_lines import CSV, csv_lines, prefers_csv
from service.routes.exact import ExactResponse
from service.routes.parameters import FromDatabase, meter_parameter, vehicle_parameter
from service.routes.rows import struct_of
from service.routes.sessions import NAMES

MONTH_PATTERN = "^20[0-9]{2}-(0[1-9]|1[0-2])$"
MONTH_RULE = "a month is a year and a month, such as 2026-01, of the years 2000 to 2099"
ZONE_PATTERN = "^[A-Za-z][A-Za-z0-9_+/-]{0,63}$"
ZONE_RULE = "a time zone is the name of a place, such as Europe/Berlin, or UTC"
_NAMES = {
    **NAMES,
    "window_start": "from",
    "window_end": "to",
    "explained_kwh": "kwhExplained",
    "corrected_kwh": "kwhCorrected",
    "provisional_kwh": "provisionalKwh",
    "is_settled": "settled",
    "zone_name": "zone",
}


class ReportedSession(msgspec.Struct, rename=_NAMES):
    """A charge of the month in which it starts; fields as of ChargingSession."""

    day: date
    window_start: datetime
    window_end: datetime
    meter_id: str
    vehicle_id: str | None
    session_id: str | None
    status: Verdict
    ac_kwh: Decimal
    dc_kwh: Decimal
    standby_kwh: Decimal
    ac_matched_kwh: Decimal
    dc_matched_kwh: Decimal
    loss_kwh: Decimal
    excess_loss_kwh: Decimal | None
    ac_register_start_kwh: Decimal | None
    ac_register_end_kwh: Decimal | None
    dc_register_start_kwh: Decimal | None
    dc_register_end_kwh: Decimal | None
    cost: Decimal | None
    standby_cost: Decimal | None
    loss_cost: Decimal | None
    excess_loss_cost: Decimal | None
    currency: str | None
    cost_gap: CostGap


class ReportedDay(msgspec.Struct, rename=_NAMES):
    """A local day's energy in kWh and what it cost, rounded; an hour is of the day it starts in."""

    day: date
    ac_kwh: Decimal
    dc_kwh: Decimal
    standby_kwh: Decimal
    cost: Decimal | None
    standby_cost: Decimal | None
    currency: str | None
    cost_gap: CostGap


class SumOfSessions(msgspec.Struct, rename=_NAMES):
    """The sums of the sessions that are listed, to the cent."""

    sessions: int
    ac_kwh: Decimal
    dc_kwh: Decimal
    standby_kwh: Decimal
    ac_matched_kwh: Decimal
    dc_matched_kwh: Decimal
    loss_kwh: Decimal
    excess_loss_kwh: Decimal
    cost: Decimal | None
    standby_cost: Decimal | None
    loss_cost: Decimal | None
    excess_loss_cost: Decimal | None
    currency: str | None
    cost_gap: CostGap


class MonthReport(msgspec.Struct, rename=_NAMES):
    """A month of a meter or of a vehicle, in a time zone: energy in kWh, registers, costs.

    Of a meter, `kwhConsumedAc` is all that it drew, and `kwhDeliveredDc` what reached the vehicles
    linked to it; of a vehicle, what its meters drew while linked to it, and all that reached its
    battery. Registers are the meter's (AC) or the vehicle's (DC) at both ends of the month, null
    where none is known: the end is the start + the energy - `kwhCorrected` + `kwhExplained`, by
    what events of the register and corrections explain. `cost` and `standbyCost` are the sums of
    `days`, rounded by the day; `sum` adds up `sessions`, each rounded by itself. A session is of
    the month in which it starts, its hours of the days in which they start. Costs are null where
    `costGap` says why, and where there is nothing to add.

    `settled`: the month is over and nothing that came waits to be settled or kept. `settledUntil`
    and `provisionalKwh`, which is in the month's energy and in no day, are as of Performance.
    """

    vehicle_id: str | None
    meter_id: str | None
    zone_name: str
    window_start: datetime
    window_end: datetime
    ac_kwh: Decimal
    dc_kwh: Decimal
    standby_kwh: Decimal
    ac_register_start_kwh: Decimal | None
    ac_register_end_kwh: Decimal | None
    dc_register_start_kwh: Decimal | None
    dc_register_end_kwh: Decimal | None
    explained_kwh: Decimal
    corrected_kwh: Decimal
    cost: Decimal | None
    standby_cost: Decimal | None
    currency: str | None
    cost_gap: CostGap
    is_settled: bool
    settled_until: datetime | None
    provisional_kwh: Decimal
    sum: SumOfSessions
    days: list[ReportedDay]
    sessions: list[ReportedSession]


@get("/v1/reports/month", tags=["analytics"], opt=READ)
async def month_report(
    database: FromDatabase,
    request: Request[Any, Any, Any],
    month: Annotated[
        str,
        QueryParameter(
            description="The month, of the years 2000 to 2099.",
            pattern=MONTH_PATTERN,
            examples=[Example(summary="January", value="2026-01")],
        ),
    ],
    vehicle: Annotated[str | None, vehicle_parameter("vehicle", "Of this vehicle.")] = None,
    meter: Annotated[str | None, meter_parameter("meter", "Or of this meter.")] = None,
    zone: Annotated[
        str,
        QueryParameter(
            description="The time zone of its days, such as Europe/Berlin.", pattern=ZONE_PATTERN
        ),
    ] = "UTC",
) -> Response[MonthReport]:
    """A month of a vehicle or of a meter: energy, registers at both ends, sessions and costs.

    As CSV where `Accept` prefers `text/csv`: a line of the fields' names; one of the month, one of
    the sum of its sessions, one per day and one per session, as the field `part` says. A key for
    some devices is shown the sessions whose meter and vehicle it covers.
    """
    rows = await database.all(
        dict[str, Any],
        "SELECT * FROM api.month_report(of_vehicle_id => %s::text, of_meter_id => %s::text,"
        " month => %s::text, zone => %s::text, acting_key => %s::text)",
        vehicle,
        meter,
        month,
        zone,
        limited_key_of(request),
    )
    headers = {"Vary": "Accept"}
    if prefers_csv(request):
        names = [_NAMES.get(name, name) for name in rows[0]]
        lines = csv_lines(names, (row.values() for row in rows))
        return ExactResponse(lines, media_type=CSV, headers=headers)
    whole, total, *others = rows
    parts = {
        "sum": struct_of(SumOfSessions, total),
        "days": [struct_of(ReportedDay, one) for one in others if one["part"] == "day"],
        "sessions": [struct_of(ReportedSession, one) for one in others if one["part"] == "session"],
    }
    return ExactResponse(struct_of(MonthReport, {**whole, **parts}), headers=headers)


HANDLERS = [month_report]
