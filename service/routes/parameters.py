"""Path and query parameters that several routes take."""

from datetime import datetime
from typing import Annotated

import msgspec
from litestar.di import NamedDependency
from litestar.exceptions import ValidationException
from litestar.openapi.spec import Example
from litestar.params import PathParameter, QueryParameter

from service.database import Database
from service.wire.readings import LONGEST_ID

FromDatabase = NamedDependency[Database]
Moment = Annotated[datetime, msgspec.Meta(tz=True)]

DeviceId = Annotated[str, PathParameter(min_length=1, max_length=LONGEST_ID)]
PageSize = Annotated[
    int, QueryParameter(name="limit", ge=1, le=1000, description="How many to return at most.")
]


def moment_parameter(name: str, description: str) -> object:
    """Declare an optional query parameter that `moment` reads."""
    return QueryParameter(
        name=name,
        description=f"{description} RFC 3339 with an offset, or epoch milliseconds.",
        examples=[Example(summary="RFC 3339", value="2026-01-31T12:00:00Z")],
    )


def moment(name: str, text: str | None) -> datetime | None:
    """Read a point in time: RFC 3339 with an offset, or epoch milliseconds.

    Raises ValidationException, naming the parameter.
    """
    if text is None:
        return None
    # an unescaped + of an offset arrives as a space, and no RFC 3339 time has one there otherwise
    text = text[:19] + text[19:].replace(" ", "+")
    try:
        if text.removeprefix("-").isdecimal():
            return msgspec.convert(int(text) / 1000, Moment, strict=False)
        return msgspec.convert(text, Moment)
    except (msgspec.ValidationError, ValueError, OverflowError) as error:
        raise ValidationException(
            f'"{name}" must be a time with an offset, such as 2026-01-31T12:00:00Z,'
            " or epoch milliseconds"
        ) from error
