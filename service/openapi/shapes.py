"""Schemas of the OpenAPI document, derived from the structs that are read and written."""

from __future__ import annotations

import inspect
import math
import sys
from collections.abc import Iterable
from typing import Any, cast

import msgspec
from litestar.openapi.spec import Reference, Schema

_PLACE = "#/components/schemas/{name}"
_MOST = sys.float_info.max

Described = dict[str, Any]


def reference(name: str) -> Reference:
    """A schema of the document, by name."""
    return Reference(_PLACE.format(name=name))


def of_structs(*structs: type[msgspec.Struct]) -> dict[str, Described]:
    """The schemas of structs, and of those that they contain, by name.

    A field whose type has a title is a reference to the schema of that name. There are no other
    fields than a struct's, and what it leaves out where it is None is never null.
    """
    _, found = msgspec.json.schema_components(structs, ref_template=_PLACE)
    for struct in structs:
        if struct.__struct_config__.omit_defaults:
            fields = found[struct.__name__]["properties"]
            for field in msgspec.structs.fields(struct):
                if field.default is None:
                    fields[field.encode_name] = never_null(fields[field.encode_name])
    return {
        name: {
            **_plain(schema, top=True),
            "description": inspect.cleandoc(schema["description"]),
            "additionalProperties": False,
        }
        for name, schema in found.items()
    }


def of_types(*types: Any) -> dict[str, Described]:
    """The schemas of annotated types, by the title that each has."""
    found = [msgspec.json.schema(one) for one in types]
    return {schema["title"]: schema for schema in found}


def never_null(schema: Described) -> Described:
    """The schema of a field that is not null where it is there."""
    rest = {name: value for name, value in schema.items() if name not in ("anyOf", "default")}
    kinds = [kind for kind in schema.get("anyOf", ()) if kind != {"type": "null"}]
    if len(kinds) == 1:
        return {**kinds[0], **rest}
    return {**rest, "anyOf": kinds} if kinds else schema


def components(schemas: dict[str, Described]) -> dict[str, Schema]:
    """Derived schemas as the document takes them: its writer passes plain ones on as they are."""
    return cast("dict[str, Schema]", schemas)


def _plain(schema: Any, *, top: bool = False) -> Any:
    """A schema whose named parts are references, without bounds that only infinity is beyond."""
    if isinstance(schema, list):
        return [_plain(part) for part in cast("Iterable[Any]", schema)]
    if not isinstance(schema, dict):
        return schema
    described = cast("Described", schema)
    title = described.get("title")
    if isinstance(title, str) and not top:
        return {"$ref": _PLACE.format(name=title)}
    return {name: _plain(part) for name, part in described.items() if not _is_unbounded(part)}


def _is_unbounded(part: Any) -> bool:
    return isinstance(part, float) and math.fabs(part) == _MOST
