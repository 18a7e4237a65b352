"""Ids that a request names, wherever they stand: a route declares each by one of these kinds.

So the guard finds them in any route, and a key for some devices is refused where one is another's.
"""

from __future__ import annotations

import typing
from functools import cache
from typing import Any, ClassVar, Literal, NamedTuple

import msgspec
from litestar.connection import ASGIConnection
from litestar.handlers import BaseRouteHandler
from litestar.params import PathParameter, QueryParameter

Side = Literal["meter", "vehicle"]


class MeterInPath(PathParameter):
    """A part of the path that is a meter's id."""

    side: ClassVar[Side] = "meter"


class VehicleInPath(PathParameter):
    """A part of the path that is a vehicle's id."""

    side: ClassVar[Side] = "vehicle"


class MeterInQuery(QueryParameter):
    """A parameter of the query that is a meter's id."""

    side: ClassVar[Side] = "meter"


class VehicleInQuery(QueryParameter):
    """A parameter of the query that is a vehicle's id."""

    side: ClassVar[Side] = "vehicle"


class VehicleOrPlaceInQuery(VehicleInQuery):
    """A parameter of the query that is a vehicle's id, or a place in a list, which has a slash."""


class InBody(NamedTuple):
    """What marks a field of a body's struct as an id of a side."""

    side: Side


Named = dict[Side, set[str]]
# the parameter that says where a list goes on, which is no device that the list is about
AFTER = "after"
_Kind = MeterInPath | VehicleInPath | MeterInQuery | VehicleInQuery
IDS_IN_PATH = (MeterInPath, VehicleInPath)
IDS_IN_QUERY = (MeterInQuery, VehicleInQuery)


def named_by(connection: ASGIConnection[Any, Any, Any, Any], handler: BaseRouteHandler) -> Named:
    """The ids in a request's path and query, by their side."""
    found: Named = {"meter": set(), "vehicle": set()}
    for name, kind in _parameters(handler):
        found[kind.side].update(_given(connection, name, kind))
    return found


def is_about_devices(
    connection: ASGIConnection[Any, Any, Any, Any], handler: BaseRouteHandler
) -> bool:
    """Whether a request names a device that it is about: not only after which a list goes on."""
    return any(
        _given(connection, name, kind) for name, kind in _parameters(handler) if kind.name != AFTER
    )


def named_in(document: msgspec.Struct) -> Named:
    """The ids in a body, by their side."""
    found: Named = {"meter": set(), "vehicle": set()}
    for name, side in _fields(type(document)):
        value = getattr(document, name)
        if isinstance(value, str):
            found[side].add(value)
    return found


def _given(connection: ASGIConnection[Any, Any, Any, Any], name: str, kind: _Kind) -> list[str]:
    if isinstance(kind, IDS_IN_PATH):
        return [str(connection.path_params[name])]
    # all of them where a name is given more than once, since any might count
    given = connection.query_params.getall(kind.name or name, [])
    if isinstance(kind, VehicleOrPlaceInQuery):
        return [one for one in given if "/" not in one]
    return given


@cache
def _parameters(handler: BaseRouteHandler) -> list[tuple[str, _Kind]]:
    parameters = handler.parsed_fn_signature.parameters
    kinds = [(name, field.kwarg_definition) for name, field in parameters.items()]
    return [(name, kind) for name, kind in kinds if isinstance(kind, IDS_IN_PATH + IDS_IN_QUERY)]


@cache
def _fields(kind: type[msgspec.Struct]) -> list[tuple[str, Side]]:
    hints = typing.get_type_hints(kind, include_extras=True)
    marks = [(name, getattr(hint, "__metadata__", ())) for name, hint in hints.items()]
    return [
        (name, mark.side) for name, all_of in marks for mark in all_of if isinstance(mark, InBody)
    ]
