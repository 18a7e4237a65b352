"""`POST /v1/ingest`, as a bare ASGI application: the hot path."""

import logging
from http import HTTPStatus
from typing import Any

import msgspec
from litestar import asgi

from service.access_log import NOTE, Note
from service.database import DatabaseUnavailable
from service.ingest.body import BodyTimeout, ClientGone, Patience
from service.ingest.quarantine import Quarantined
from service.ingest.store import Outcome
from service.ingest.writer import QueueFull, Writer
from service.problems import MEDIA_TYPE, RETRY_AFTER_SECONDS, Problem, problem
from service.settings import Settings
from service.wire import (
    MEDIA_TYPES,
    Batch,
    BodyTooLarge,
    Decoder,
    MalformedBody,
    Refusal,
    TooManyReadings,
    UnknownEncoding,
    decode,
    raw_readings,
)

_log = logging.getLogger(__name__)

PATH = "/v1/ingest"
_JSON = b"application/json"
_PROBLEM = MEDIA_TYPE.encode()
_RETRY_AFTER = (b"retry-after", str(RETRY_AFTER_SECONDS).encode())
_encode = msgspec.json.Encoder().encode


class Receipt(msgspec.Struct, gc=False):
    """Every reading is committed and flushed to disk, or was there already, identical."""

    accepted: int
    duplicates: int


class PartialReceipt(msgspec.Struct, gc=False):
    """Some readings were refused: the rest is committed, the refused ones are in quarantine."""

    accepted: int
    duplicates: int
    rejected: list[Refusal]


class AllRefused(Problem, kw_only=True):
    """Every reading of the body was refused."""

    rejected: list[Refusal]


class _Answer(Exception):
    """An answer decided before anything was stored."""

    def __init__(
        self, status: int, detail: str, *headers: tuple[bytes, bytes], hint: str | None = None
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.document = problem(status, detail, hint)
        self.headers = headers


class _Exchange:
    """Sends the answer of one request, and notes it for the access log."""

    __slots__ = ("_send", "note")

    def __init__(self, scope: Any, send: Any) -> None:
        self._send = send
        self.note: Note = scope.get(NOTE) or Note(b"")

    async def respond(
        self, status: int, document: object, media_type: bytes, *headers: tuple[bytes, bytes]
    ) -> None:
        body = _encode(document)
        self.note.status = status
        await self._send(
            {
                "type": "http.response.start",
                "status": status,
                "headers": [
                    (b"content-type", media_type),
                    (b"content-length", b"%d" % len(body)),
                    (b"x-request-id", self.note.request_id),
                    *headers,
                ],
            }
        )
        await self._send({"type": "http.response.body", "body": body})


def _announced(scope: Any, settings: Settings) -> tuple[int | None, Decoder | None, str]:
    """What the headers say of the body: length, encoding and media type. Raises _Answer."""
    media_type = "application/json"
    encoding = b"identity"
    length = None
    for name, value in scope["headers"]:
        if name == b"content-type":
            media_type = value.partition(b";")[0].strip().lower().decode("latin-1")
        elif name == b"content-encoding":
            encoding = value.strip().lower()
        elif name == b"content-length":
            length = int(value)
            if length > settings.max_body_bytes:
                raise _too_large(settings)
    if media_type not in MEDIA_TYPES:
        raise _Answer(
            HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
            f'the content type "{media_type}" is not known',
            hint=f"Send one of {', '.join(sorted(MEDIA_TYPES))}.",
        )
    if encoding in (b"identity", b""):
        return length, None, media_type
    try:
        return length, Decoder(encoding.decode("latin-1"), settings.max_body_bytes), media_type
    except UnknownEncoding as error:
        raise _Answer(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, str(error)) from error


def _too_large(settings: Settings) -> _Answer:
    return _Answer(
        HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
        f"the body is larger than {settings.max_body_bytes} bytes",
        hint="Send the readings in smaller batches.",
    )


async def _decode(
    scope: Any, receive: Any, writer: Writer, patience: Patience, settings: Settings
) -> tuple[Batch, bytes, str]:
    """Read and decode the body: the batch, the body and its media type. Raises _Answer."""
    length, decoder, media_type = _announced(scope, settings)
    try:
        body = await patience.read(receive, length, decoder, settings.max_body_bytes)
    except BodyTooLarge as error:
        raise _too_large(settings) from error
    except BodyTimeout as error:
        raise _Answer(
            HTTPStatus.REQUEST_TIMEOUT,
            f"the body was not complete after {settings.body_timeout_seconds:g} seconds",
            (b"connection", b"close"),
        ) from error
    except MalformedBody as error:
        raise _Answer(HTTPStatus.BAD_REQUEST, str(error)) from error
    try:
        return decode(body, media_type, settings.max_readings), body, media_type
    except TooManyReadings as error:
        raise _Answer(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, str(error)) from error
    except MalformedBody as error:
        if body:
            await writer.keep([Quarantined(None, "malformed", str(error), media_type, body)])
        raise _Answer(HTTPStatus.BAD_REQUEST, str(error)) from error


async def _store(
    writer: Writer, batch: Batch, body: bytes, media_type: str, facts: dict[str, int]
) -> tuple[int, object, bytes]:
    """Store a batch, count in `facts`; return status, document and media type of the answer."""
    if len(batch.refused) == batch.size:
        outcome = Outcome(0, batch.refused, {})
    else:
        outcome = await writer.submit(batch, len(body))
    accepted = batch.size - outcome.duplicates - len(outcome.refused)
    facts["accepted"] = accepted
    if outcome.duplicates:
        facts["duplicates"] = outcome.duplicates
    if not outcome.refused:
        return HTTPStatus.CREATED, Receipt(accepted, outcome.duplicates), _JSON
    facts["rejected"] = len(outcome.refused)
    raws = raw_readings(body, media_type)
    refused = sorted(outcome.refused, key=lambda refusal: refusal.index)
    await writer.keep(
        [
            Quarantined(
                r.index, r.reason, r.detail, media_type, raws[r.index], outcome.decoded.get(r.index)
            )
            for r in refused
        ]
    )
    if len(refused) < batch.size:
        receipt = PartialReceipt(accepted, outcome.duplicates, refused)
        return HTTPStatus.MULTI_STATUS, receipt, _JSON
    detail = refused[0].detail if batch.size == 1 else "every reading was refused"
    document = AllRefused(title="Bad Request", status=400, detail=detail, rejected=refused)
    return HTTPStatus.BAD_REQUEST, document, _PROBLEM


async def ingest(scope: Any, receive: Any, send: Any) -> None:
    """Take readings and answer when they are committed, or say which were not and why."""
    state = scope["litestar_app"].state
    writer: Writer = state.writer
    exchange = _Exchange(scope, send)
    try:
        if scope["method"] != "POST":
            raise _Answer(
                HTTPStatus.METHOD_NOT_ALLOWED, "readings are sent by POST", (b"allow", b"POST")
            )
        batch, body, media_type = await _decode(
            scope, receive, writer, state.patience, state.settings
        )
        answer = await _store(writer, batch, body, media_type, exchange.note.facts)
        await exchange.respond(*answer)
    except _Answer as answer:
        await exchange.respond(answer.status, answer.document, _PROBLEM, *answer.headers)
    except QueueFull:
        detail = "too many readings are waiting to be stored; nothing of this request was"
        document = problem(HTTPStatus.SERVICE_UNAVAILABLE, detail, "Send it again later.")
        await exchange.respond(503, document, _PROBLEM, _RETRY_AFTER)
    except DatabaseUnavailable as error:
        detail = f"{error}: the readings may not be stored"
        document = problem(
            HTTPStatus.SERVICE_UNAVAILABLE,
            detail,
            "Send the same request again: what is stored already counts as a duplicate.",
        )
        await exchange.respond(503, document, _PROBLEM, _RETRY_AFTER)
    except ClientGone:
        return
    except Exception:
        _log.exception("a request to %s failed", PATH)
        document = problem(
            HTTPStatus.INTERNAL_SERVER_ERROR,
            "an error of the service: the readings may not be stored",
            "Send the same request again later; the service's log says more.",
        )
        await exchange.respond(500, document, _PROBLEM)


route = asgi(PATH, copy_scope=False)(ingest)
