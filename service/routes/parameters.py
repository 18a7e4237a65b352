"""Path and query parameters that several routes take."""

import re
from datetime import UTC, datetime, timedelta
from typing import Annotated

import msgspec
from litestar.di import NamedDependency
from litestar.exceptions import ValidationException
from litestar.openapi.spec import Example
from litestar.params import PathParameter, QueryParameter

from service.database import Database
from service.wire.readings import ID_PATTERN, LONGEST_ID

# "database": the one for reads where the request's method reads, else the one that takes changes
FromDatabase = NamedDependency[Database]
# "primary": the one that takes changes, whatever the method
FromPrimary = NamedDependency[Database]
_Moment = Annotated[datetime, msgspec.Meta(tz=True)]

DeviceId = Annotated[str, PathParameter(min_length=1, max_length=LONGEST_ID, pattern=ID_PATTERN)]
PageSize = Annotated[
    int, QueryParameter(name="limit", ge=1, le=1000, description="How many to return at most.")
]


# what the OpenAPI document calls a moment: see service.openapi
MOMENT_WORDS = "RFC 3339 with an offset, or epoch milliseconds."
_BEGIN = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECONDS = re.compile(r"-?[0-9]{1,15}")


def id_parameter(name: str, description: str) -> object:
    """Declare an optional query parameter that is a device's id."""
    return QueryParameter(
        name=name,
        description=description,
        min_length=1,
        max_length=LONGEST_ID,
        pattern=ID_PATTERN,
    )


def moment_parameter(name: str, description: str) -> object:
    """Declare an optional query parameter that `moment` reads."""
    return QueryParameter(
        name=name,
        description=f"{description} {MOMENT_WORDS}",
        examples=[Example(summary="RFC 3339", value="2026-01-31T12:00:00Z")],
    )


def moment(name: str, given: str | int | None) -> datetime | None:
    """Read a point in time, in UTC: RFC 3339 with an offset, or epoch milliseconds.

    Raises ValidationException, naming the parameter.
    """
    if given is None:
        return None
    try:
        if not isinstance(given, str) or _MILLISECONDS.fullmatch(given):
            found = _BEGIN + timedelta(milliseconds=int(given))
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
