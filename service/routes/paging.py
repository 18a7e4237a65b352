"""Pages of a list: each row comes with its place, and `next` is the place of a page's last row."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any, LiteralString, TypeVar

import msgspec
from litestar.params import QueryParameter

from service.database.pool import Calls
from service.keys.named import VehicleOrPlaceInQuery
from service.wire.readings import LONGEST_ID

Row = TypeVar("Row")

# of the longest id, with whatever a row is sorted by before it
_LONGEST_PLACE = 1000
_PLACE_PATTERN = r"[a-z_]+/[A-Za-z0-9_-]+"
PLACE_PATTERN = f"^{_PLACE_PATTERN}$"
PLACE_RULE = 'it is "next" of the page before, as it is'
# titles: see service.routes.parameters
Place = Annotated[
    str,
    msgspec.Meta(
        title="Place",
        description="Where a page ended in an order: only what `next` was is a place.",
        max_length=_LONGEST_PLACE,
        pattern=PLACE_PATTERN,
    ),
]
PLACE_OR_ID_PATTERN = (
    rf"^(?:{_PLACE_PATTERN}|(?!\.{{1,2}}$)[^\x00-\x1f\x7f-\x9f/]{{1,{LONGEST_ID}}}(?!\n))$"
)
PLACE_OR_ID_RULE = f"{PLACE_RULE}, or an id"

PageSize = Annotated[
    int, QueryParameter(name="limit", ge=1, le=1000, description="How many to return at most.")
]


def next_parameter() -> object:
    """Declare the optional query parameter that says where the page before ended."""
    return QueryParameter(
        name="after",
        title="Place",
        description="`next` of the page before.",
        max_length=_LONGEST_PLACE,
        pattern=PLACE_PATTERN,
    )


def place_parameter(description: str) -> object:
    """Declare the optional query parameter that says after which row a page starts."""
    return VehicleOrPlaceInQuery(
        name="after",
        title="Place or DeviceId",
        description=description,
        max_length=_LONGEST_PLACE,
        pattern=PLACE_OR_ID_PATTERN,
    )


async def page(
    database: Calls,
    row: Callable[..., Row],
    limit: int,
    query: LiteralString,
    *parameters: object,
) -> tuple[list[Row], str | None]:
    """A page of rows, and the place of its last one; None where no row follows.

    `query` takes how many rows to return as its last parameter, and gives each its `place` beside
    the columns of `row`. Raises what the database raises.
    """

    def placed(place: str, **columns: Any) -> tuple[Row, str]:
        return row(**columns), place

    # one more than asked for tells whether there is another page
    found = await database.all(placed, query, *parameters, limit + 1)
    last = found[limit - 1][1] if len(found) > limit else None
    return [one for one, _ in found[:limit]], last
