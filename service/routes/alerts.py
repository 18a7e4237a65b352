"""Alerts: what is wrong with a device, since when, and who took it on."""

from datetime import datetime
from decimal import Decimal
from http import HTTPStatus
from typing import Annotated, Any, Literal

import msgspec
from litestar import Request, get, post
from litestar.exceptions import NotFoundException
from litestar.params import PathParameter, QueryParameter

from service.database.pool import Calls
from service.keys.guard import READ, key_of, limited_key_of
from service.routes.analytics import CostGap
from service.routes.paging import PageSize, next_parameter, page
from service.routes.parameters import (
    FromDatabase,
    meter_parameter,
    moment,
    moment_parameter,
    number_of,
    vehicle_parameter,
)
from service.wire.alerts import Cause, Change, Kind, Severity, State, Why

AlertNumber = Annotated[
    str, PathParameter(description="The number of an alert, `alertId` of the list.", min_length=1)
]
_MOST_CHARGES = 1000


class Alert(msgspec.Struct, rename="camel"):
    """What is or was wrong with a meter or a vehicle, whichever of the two is not null.

    `since` is the start of the first bad charge, or the last reading of what is silent; `until` is
    null while it is open. `lostKwh` is what the `charges` bad charges that it names (of `standby`,
    days) lost beyond what is expected, usual or allowed, or what went to somebody unknown; null
    where nobody can know. `lostCost` is the sum of what each of them cost, rounded; null with the
    reason in `costGap`: an hour without a tariff, or several currencies.
    `name` and `site` are what the device's file says now.
    """

    alert_id: int
    kind: Kind
    state: State
    severity: Severity
    meter_id: str | None
    vehicle_id: str | None
    since: datetime
    until: datetime | None
    cause: Cause
    charges: int
    lost_kwh: Decimal | None
    lost_cost: Decimal | None
    currency: str | None
    cost_gap: CostGap
    opened_at: datetime
    closed_at: datetime | None
    closed_because: Why | None
    acknowledged_at: datetime | None
    acknowledged_by: str | None
    name: str | None
    site: str | None


class AlertPage(msgspec.Struct):
    """Alerts, the newest first; `next` goes into `after` for the page that follows."""

    alerts: list[Alert]
    next: str | None


class AlertCharge(msgspec.Struct, rename="camel"):
    """A bad charge that an alert names; of `standby`, a bad day."""

    meter_id: str
    vehicle_id: str | None
    started_at: datetime = msgspec.field(name="from")
    lost_kwh: Decimal | None
    lost_cost: Decimal | None
    currency: str | None


class Known(msgspec.Struct, rename="camel", omit_defaults=True):
    """What was known of an alert when it changed; what was not is left out."""

    since: datetime | None = None
    until: datetime | None = None
    severity: Severity | None = None
    cause: Cause | None = None
    charges: int | None = None
    lost_kwh: Decimal | None = None
    meters: list[str] | None = None
    vehicles: list[str] | None = None
    why: Why | None = None


class AlertChange(msgspec.Struct, rename="camel"):
    """What happened to an alert; `changedBy` is the id of a key, null for the service itself."""

    change_id: int
    change: Change
    changed_at: datetime
    changed_by: str | None
    known: Known


class WholeAlert(msgspec.Struct, rename="camel"):
    """An alert, its newest charges, up to a thousand, and all that happened to it."""

    alert: Alert
    charges: list[AlertCharge]
    changes: list[AlertChange]


@get("/v1/alerts", tags=["alerts"], opt=READ)
async def alerts(
    database: FromDatabase,
    request: Request[Any, Any, Any],
    kind: Annotated[Kind | None, QueryParameter(description="Of this kind alone.")] = None,
    which: Annotated[
        Literal["open", "closed", "all"], QueryParameter(name="state", description="Which of them.")
    ] = "open",
    severity: Annotated[Severity | None, QueryParameter(description="So severe alone.")] = None,
    vehicle: Annotated[str | None, vehicle_parameter("vehicle", "Of this vehicle alone.")] = None,
    meter: Annotated[str | None, meter_parameter("meter", "Of this meter alone.")] = None,
    since: Annotated[
        str | None, moment_parameter("since", "Those opened then or later; since ever.")
    ] = None,
    after: Annotated[str | None, next_parameter()] = None,
    limit: PageSize = 100,
) -> AlertPage:
    """Alerts, those that are open unless told, the newest first.

    A key for some devices must name one of them, and is shown alerts about devices that it covers.
    """
    found, last = await page(
        database,
        Alert,
        limit,
        "SELECT * FROM api.alerts(of_state => %s::text, of_kind => %s::text,"
        " of_severity => %s::text, of_meter_id => %s::text, of_vehicle_id => %s::text,"
        " opened_since => %s::timestamptz, acting_key => %s::text, after => %s::text,"
        " page_size => %s::integer)",
        None if which == "all" else which,
        kind,
        severity,
        meter,
        vehicle,
        moment("since", since),
        limited_key_of(request),
        after,
    )
    return AlertPage(found, last)


@get("/v1/alerts/{number:str}", tags=["alerts"], opt=READ, raises=[NotFoundException])
async def alert(database: FromDatabase, number: AlertNumber) -> WholeAlert:
    """An alert, the charges that it names, and what happened to it. It needs a key for all."""
    alert_id = number_of("alert", number)
    found = await _found(database, alert_id)
    charges = await database.all(
        AlertCharge,
        "SELECT * FROM api.alert_charges(of_alert_id => %s::bigint, page_size => %s::integer)",
        alert_id,
        _MOST_CHARGES,
    )
    changes = await database.all(
        _change, "SELECT * FROM api.alert_changes(of_alert_id => %s::bigint)", alert_id
    )
    return WholeAlert(found, charges, changes)


@post(
    "/v1/alerts/{number:str}/acknowledge",
    tags=["alerts"],
    status_code=HTTPStatus.OK,
    raises=[NotFoundException],
)
async def acknowledge(
    database: FromDatabase, request: Request[Any, Any, Any], number: AlertNumber
) -> Alert:
    """Take an alert on, open or closed, in the name of the request's key.

    Whoever does it first stays: to do it again changes nothing.
    """
    alert_id = number_of("alert", number)
    await database.one(
        _Acknowledged,
        "SELECT api.acknowledge_alert(of_alert_id => %s::bigint, acting_key => %s::text) AS is_new",
        alert_id,
        key_of(request),
    )
    return await _found(database, alert_id)


class _Acknowledged(msgspec.Struct):
    is_new: bool | None


async def _found(database: Calls, alert_id: int) -> Alert:
    found, _ = await page(
        database,
        Alert,
        1,
        "SELECT * FROM api.alerts(of_state => NULL, of_alert_id => %s::bigint,"
        " page_size => %s::integer)",
        alert_id,
    )
    if not found:
        raise NotFoundException(f"there is no alert {alert_id}")
    return found[0]


def _change(detail: str, **columns: Any) -> AlertChange:
    return AlertChange(**columns, known=msgspec.json.decode(detail, type=Known))


HANDLERS = [alerts, alert, acknowledge]
