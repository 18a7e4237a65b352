"""Bodies of requests that are one JSON object: read within bounds, and strictly."""

from __future__ import annotations

import json
from collections.abc import Sequence
from http import HTTPStatus
from typing import Any, TypeVar

import msgspec
from litestar import Request
from litestar.exceptions import ValidationException

from service.http.body import BodyRules, Patience, announced
from service.http.problem import Fault
from service.keys.guard import check_body
from service.settings import Settings
from service.wire import JSON, MalformedBody, signatures
from service.wire.bodies import syntax_fault

Document = TypeVar("Document", bound=msgspec.Struct)

_MEDIA_TYPES = frozenset({JSON})


async def read(request: Request[Any, Any, Any], kind: type[Document]) -> Document:
    """The body of a request as a struct, whose ids the request's key covers.

    Raises Fault, ValidationException, DatabaseUnavailable.
    """
    document = _decoded(await _received(request), kind)
    await check_body(request, document)
    return document


async def _received(request: Request[Any, Any, Any]) -> bytes:
    settings: Settings = request.app.state.settings
    patience: Patience = request.app.state.patience
    rules = BodyRules(_MEDIA_TYPES, settings.max_body_bytes)
    body = announced(request.scope["headers"], rules)
    try:
        return await patience.read(request.receive, body, rules)
    except MalformedBody as error:
        raise _malformed(str(error)) from error


def _decoded(body: bytes, kind: type[Document]) -> Document:
    if not body or body.isspace():
        raise _malformed("the body is empty: send a JSON object")
    try:
        document = msgspec.json.decode(body, type=kind)
        names = [name for name, _ in json.loads(body, object_pairs_hook=_pairs)]
    except msgspec.ValidationError as error:
        sentence, _, path = str(error).partition(" - at `$")
        raise ValidationException(
            extra=[{"key": path.strip("`.") or "data", "message": sentence}]
        ) from error
    except RecursionError as error:
        raise _malformed("the body is nested too deeply") from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        detail = signatures.instead_of_json(body) or _surrogate_fault(body) or syntax_fault(error)
        raise _malformed(f"the body is not valid JSON: {detail}") from error
    for name in names:
        if names.count(name) > 1:
            raise _malformed(f'field "{name}" is given twice')
    return document


def _malformed(detail: str) -> Fault:
    return Fault(HTTPStatus.BAD_REQUEST, detail)


def _surrogate_fault(body: bytes) -> str | None:
    try:
        json.dumps(json.loads(body), ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return "a string has half of a surrogate pair"
    except (ValueError, RecursionError):
        return None
    return None


def _pairs(pairs: Sequence[tuple[str, Any]]) -> Sequence[tuple[str, Any]]:
    return pairs
