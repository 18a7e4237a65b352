"""Path and query parameters that several routes take."""

import re
from datetime import UTC, datetime, timedelta
from typing import Annotated, TypeVar

import msgspec
from litestar.di import NamedDependency
from litestar.exceptions import NotFoundException, ValidationException
from litestar.openapi.spec import Example
from litestar.params import QueryParameter

from service.database.pool import Calls, Database
from service.keys.named import (
    InBody,
    MeterInPath,
    MeterInQuery,
    VehicleInPath,
    VehicleInQuery,
)
from service.wire.labels import LABEL_PATTERN, LONGEST_LABEL
from service.wire.readings import ID_PATTERN, ID_RULE, LONGEST_ID

# "database": the one for reads where the request's method reads, else the one that takes changes
FromDatabase = NamedDependency[Calls]
# "readiness": the one that takes changes, by a connection that nothing else waits for
FromReadiness = NamedDependency[Database]
_Kind = TypeVar("_Kind", MeterInPath, VehicleInPath, MeterInQuery, VehicleInQuery)
_Moment = Annotated[datetime, msgspec.Meta(tz=True)]

# a parameter or a field that has a title is of the OpenAPI document's schema of that name
_ID = msgspec.Meta(
    title="DeviceId",
    description=f"{ID_RULE[0].upper()}{ID_RULE[1:]}.",
    min_length=1,
    max_length=LONGEST_ID,
    pattern=ID_PATTERN,
)
DeviceId = Annotated[str, _ID]
# of both sides together no more than a query may have parameters
MOST_DEVICES = 50
DeviceIds = Annotated[
    list[DeviceId],
    msgspec.Meta(title="DeviceIds", description="Ids of devices.", max_length=MOST_DEVICES),
]
MOMENT = "Moment"


def _an_id(kind: type[_Kind], name: str | None = None, description: str | None = None) -> _Kind:
    return kind(
        name=name,
        title=_ID.title,
        description=description,
        min_length=_ID.min_length,
        max_length=_ID.max_length,
        pattern=_ID.pattern,
    )


# an id is declared by one of these, so that its side is known to whoever asks what a key covers
MeterId = Annotated[str, _an_id(MeterInPath)]
VehicleId = Annotated[str, _an_id(VehicleInPath)]
MeterIdInBody = Annotated[DeviceId, InBody("meter")]
VehicleIdInBody = Annotated[DeviceId, InBody("vehicle")]
MomentInBody = Annotated[str | int, msgspec.Meta(title=MOMENT)]

MOMENT_WORDS = "RFC 3339 with an offset, or epoch milliseconds."
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_NUMBER = re.compile("[1-9][0-9]{0,17}")
_MILLISECONDS = re.compile(r"-?[0-9]{1,15}")
FIRST_MILLISECOND = -62_135_596_800_000  # of the year 1
# from 2000 to 2100, in seconds; as milliseconds they are of January and February 1970
FIRST_LIKELY_SECOND = 946_684_800
LAST_LIKELY_SECOND = 4_102_444_799


def _label_parameter(name: str, description: str) -> object:
    return QueryParameter(
        name=name,
        title="Label",
        description=description,
        min_length=1,
        max_length=LONGEST_LABEL,
        pattern=LABEL_PATTERN,
    )


Site = Annotated[str | None, _label_parameter("site", "Of this site alone.")]
Group = Annotated[str | None, _label_parameter("group", "Of this group alone.")]


def meter_parameter(name: str, description: str) -> object:
    """Declare an optional query parameter that is a meter's id."""
    return _an_id(MeterInQuery, name, description)


def vehicle_parameter(name: str, description: str) -> object:
    """Declare an optional query parameter that is a vehicle's id."""
    return _an_id(VehicleInQuery, name, description)


def meters_parameter() -> object:
    """Declare an optional query parameter that names meters, one each time that it is given."""
    return MeterInQuery(
        name="meter", title="DeviceIds", description="A meter, each time.", max_items=MOST_DEVICES
    )


def vehicles_parameter() -> object:
    """Declare an optional query parameter that names vehicles, one each time that it is given."""
    return VehicleInQuery(
        name="vehicle",
        title="DeviceIds",
        description="A vehicle, each time.",
        max_items=MOST_DEVICES,
    )


def moment_parameter(name: str, description: str) -> object:
    """Declare an optional query parameter that `moment` reads."""
    return QueryParameter(
        name=name,
        title=MOMENT,
        description=f"{description} {MOMENT_WORDS}",
        examples=[Example(summary="RFC 3339", value="2026-01-31T12:00:00Z")],
    )


def moment(name: str, given: str | int | None) -> datetime | None:
    """Read a point in time, in UTC: RFC 3339 with an offset, or epoch milliseconds.

    Numbers that must be seconds are refused. Raises ValidationException, naming the parameter.
    """
    if given is None:
        return None
    if _looks_like_seconds(given):
        raise ValidationException(
            f'"{name}" looks like seconds, as which it is of the years 2000 to 2100:'
            f" send epoch milliseconds, {given}000"
        )
    try:
        if not isinstance(given, str) or _MILLISECONDS.fullmatch(given):
            found = _EPOCH + timedelta(milliseconds=int(given))
        else:
            # an unescaped + of an offset arrives as a space, and no RFC 3339 time has one there
            found = msgspec.convert(given[:19] + given[19:].replace(" ", "+"), _Moment)
        # in UTC it may be of a year that has no number, which nobody could read back
        return found.astimezone(UTC)
    except (msgspec.ValidationError, ValueError, OverflowError) as error:
        raise ValidationException(
            f'"{name}" must be a time with an offset, such as 2026-01-31T12:00:00Z,'
            " or epoch milliseconds, of the years 1 to 9999"
        ) from error


def number_of(what: str, given: str) -> int:
    """The number of an alert or a record in a path; what can be none is nobody's.

    Raises NotFoundException.
    """
    if _NUMBER.fullmatch(given) is None:
        raise NotFoundException(f'there is no {what} "{given}": its number is in the list')
    return int(given)


def _looks_like_seconds(given: str | int) -> bool:
    if isinstance(given, str) and not _MILLISECONDS.fullmatch(given):
        return False
    return FIRST_LIKELY_SECOND <= int(given) <= LAST_LIKELY_SECOND
