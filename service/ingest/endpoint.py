"""`POST /v1/ingest`, as a bare ASGI application: any request, however it comes in."""

from http import HTTPStatus
from typing import Any

from litestar import asgi

from service.database.pool import DatabaseUnavailable
from service.http.access_log import NOTE, Note
from service.http.body import BodyTimeout, ClientGone, Patience
from service.ingest.answers import PATH, Answer, encode, failure, receipt, refusal, with_refused
from service.ingest.quarantine import Quarantined
from service.ingest.store import Outcome
from service.ingest.writer import QueueFull, Writer
from service.keys.grant import Grant
from service.keys.guard import OPEN
from service.keys.keyring import Keyring
from service.settings import Settings
from service.wire import (
    MEDIA_TYPES,
    Batch,
    BodyTooLarge,
    Decoder,
    MalformedBody,
    TooManyReadings,
    UndecodableBody,
    UnknownEncoding,
    charset_fault,
    decode,
    media_type_of,
)


class _Refused(Exception):
    """An answer decided before anything was stored."""

    def __init__(self, status: int, detail: str, *headers: Any, hint: str | None = None) -> None:
        super().__init__(detail)
        self.answer = refusal(status, detail, *headers, hint=hint)


def _announced(scope: Any, settings: Settings) -> tuple[int | None, Decoder | None, str]:
    """What the headers say of the body: length, encoding and media type. Raises _Refused."""
    media_type = "application/json"
    encoding = b"identity"
    length = None
    for name, value in scope["headers"]:
        if name == b"content-type":
            media_type = media_type_of(value)
            if fault := charset_fault(value):
                raise _Refused(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, fault)
        elif name == b"content-encoding":
            encoding = value.strip().lower()
        elif name == b"content-length":
            length = int(value)
            if length > settings.max_body_bytes:
                raise _too_large(settings)
    if media_type not in MEDIA_TYPES:
        raise _Refused(
            HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
            f'the content type "{media_type}" is not known',
            hint=f"Send one of {', '.join(sorted(MEDIA_TYPES))}.",
        )
    if encoding in (b"identity", b""):
        return length, None, media_type
    try:
        return length, Decoder(encoding.decode("latin-1"), settings.max_body_bytes), media_type
    except UnknownEncoding as error:
        raise _Refused(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, str(error)) from error


def _too_large(settings: Settings) -> _Refused:
    return _Refused(
        HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
        f"the body is larger than {settings.max_body_bytes} bytes",
        hint="Send the readings in smaller batches.",
    )


async def _decode(
    scope: Any, receive: Any, state: Any, grant: Grant | None
) -> tuple[Batch, bytes, str]:
    """Read and decode the body: the batch, the body and its media type.

    The first token is charged before, so that a body costs one whatever it turns out to be.
    Raises _Refused, QueueFull, DatabaseUnavailable, RuleViolation.
    """
    writer: Writer = state.writer
    patience: Patience = state.patience
    settings: Settings = state.settings
    length, decoder, media_type = _announced(scope, settings)
    try:
        writer.admit(length or 0)
    except (QueueFull, DatabaseUnavailable):
        if grant is not None:
            grant.give_back(1)
        raise
    try:
        body = await patience.read(receive, length, decoder, settings.max_body_bytes)
    except BodyTooLarge as error:
        raise _too_large(settings) from error
    except BodyTimeout as error:
        raise _Refused(
            HTTPStatus.REQUEST_TIMEOUT,
            f"the body was not complete after {settings.body_timeout_seconds:g} seconds",
            (b"connection", b"close"),
        ) from error
    except UndecodableBody as error:
        if error.sent:
            kind = f"{media_type}; content-encoding={error.encoding}"
            refused = Quarantined(None, "malformed", str(error), kind, error.sent)
            await writer.keep([refused], _key_id(grant))
        raise _Refused(HTTPStatus.BAD_REQUEST, str(error)) from error
    try:
        return decode(body, media_type, settings.max_readings), body, media_type
    except TooManyReadings as error:
        raise _Refused(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, str(error)) from error
    except MalformedBody as error:
        if body:
            refused = Quarantined(None, "malformed", str(error), media_type, body)
            await writer.keep([refused], _key_id(grant))
        raise _Refused(HTTPStatus.BAD_REQUEST, str(error)) from error


def _key_id(grant: Grant | None) -> str | None:
    return None if grant is None else grant.key_id


async def _answer(scope: Any, receive: Any, note: Note) -> Answer:
    """Read, decode and store a request. Raises ClientGone, Denied, and what storing raises."""
    state = scope["litestar_app"].state
    writer: Writer = state.writer
    keyring: Keyring | None = state.keyring
    grant: Grant | None = None
    if keyring is not None:
        grant = await keyring.admit(scope["headers"], "ingest")
        note.facts["key"] = grant.key_id
        grant.charge(1)
    if scope["method"] != "POST":
        return refusal(
            HTTPStatus.METHOD_NOT_ALLOWED, "readings are sent by POST", (b"allow", b"POST")
        )
    try:
        batch, body, media_type = await _decode(scope, receive, state, grant)
    except _Refused as refused:
        return refused.answer
    if keyring is not None and grant is not None:
        grant.charge(batch.size - 1)
        await keyring.check_devices(grant, batch.meter_ids(), batch.vehicle_ids())
    if len(batch.refused) == batch.size:
        outcome = Outcome(0, batch.refused, {})
    else:
        try:
            outcome = await writer.submit(batch, len(body))
        except QueueFull:
            if grant is not None:
                grant.give_back(batch.size - 1)
            raise
    if not outcome.refused:
        return receipt(batch, outcome, note.facts)
    return await with_refused(writer, batch, outcome, body, media_type, _key_id(grant), note.facts)


async def ingest(scope: Any, receive: Any, send: Any) -> None:
    """Take readings and answer when they are committed, or say which were not and why."""
    note: Note = scope.get(NOTE) or Note(b"")
    try:
        answer = await _answer(scope, receive, note)
    except ClientGone:
        return
    except Exception as error:
        answer = failure(error)
    body = encode(answer.document)
    note.status = answer.status
    await send(
        {
            "type": "http.response.start",
            "status": answer.status,
            "headers": [
                (b"content-type", answer.media_type),
                (b"content-length", b"%d" % len(body)),
                (b"x-request-id", note.request_id),
                *answer.headers,
            ],
        }
    )
    await send({"type": "http.response.body", "body": body})


# it asks for a key by itself
route = asgi(PATH, copy_scope=False, opt=OPEN)(ingest)
