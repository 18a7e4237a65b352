"""The body of a request that is one JSON object: read within bounds, and strictly."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, TypeVar

import msgspec
from litestar import Request
from litestar.exceptions import ClientException, HTTPException, ValidationException

from service.http.body import BodyTimeout, ClientGone, Patience
from service.keys.guard import check_body
from service.settings import Settings
from service.wire import BodyTooLarge, Decoder, MalformedBody, UnknownEncoding, signatures
from service.wire.bodies import JSON, charset_fault, media_type_of, syntax_fault

Document = TypeVar("Document", bound=msgspec.Struct)


class _Timeout(HTTPException):
    status_code = 408


class _TooLarge(HTTPException):
    status_code = 413


class _UnsupportedMediaType(HTTPException):
    status_code = 415


async def read(request: Request[Any, Any, Any], kind: type[Document]) -> Document:
    """The body of a request as a struct, whose ids the request's key covers.

    Raises HTTPException, saying what to fix, Denied, DatabaseUnavailable.
    """
    document = _decoded(await _received(request), kind)
    await check_body(request, document)
    return document


async def _received(request: Request[Any, Any, Any]) -> bytes:
    settings: Settings = request.app.state.settings
    patience: Patience = request.app.state.patience
    content_type = request.headers.get("content-type", JSON).encode("latin-1")
    if (media_type := media_type_of(content_type)) != JSON:
        raise _UnsupportedMediaType(f'the content type "{media_type}" is not known: send {JSON}')
    if fault := charset_fault(content_type):
        raise _UnsupportedMediaType(fault)
    encoding = request.headers.get("content-encoding", "").strip().lower()
    most = settings.max_body_bytes
    try:
        decoder = Decoder(encoding, most) if encoding not in ("", "identity") else None
        return await patience.read(request.receive, None, decoder, most)
    except UnknownEncoding as error:
        raise _UnsupportedMediaType(str(error)) from error
    except MalformedBody as error:
        raise ClientException(str(error)) from error
    except BodyTooLarge as error:
        raise _TooLarge(f"the body is larger than {most} bytes") from error
    except BodyTimeout as error:
        raise _Timeout(
            f"the body was not complete after {settings.body_timeout_seconds:g} seconds",
            headers={"Connection": "close"},
        ) from error
    except ClientGone as error:
        raise ClientException("the client left before the body was complete") from error


def _decoded(body: bytes, kind: type[Document]) -> Document:
    if not body or body.isspace():
        raise ClientException("the body is empty: send a JSON object")
    try:
        document = msgspec.json.decode(body, type=kind)
        names = [name for name, _ in json.loads(body, object_pairs_hook=_pairs)]
    except msgspec.ValidationError as error:
        sentence, _, path = str(error).partition(" - at `$")
        raise ValidationException(
            extra=[{"key": path.strip("`.") or "data", "message": sentence}]
        ) from error
    except RecursionError as error:
        raise ClientException("the body is nested too deeply") from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        detail = signatures.instead_of_json(body) or _surrogate_fault(body) or syntax_fault(error)
        raise ClientException(f"the body is not valid JSON: {detail}") from error
    for name in names:
        if names.count(name) > 1:
            raise ClientException(f'field "{name}" is given twice')
    return document


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
