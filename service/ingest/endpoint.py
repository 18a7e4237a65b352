"""`POST /v1/ingest`, as a bare ASGI application: any request, however it comes in."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

from litestar import asgi

from service.http.access_log import Note
from service.http.answer import Answer
from service.http.body import ClientGone, Patience, announced
from service.http.front import note_of, respond
from service.http.problem import Fault
from service.ingest.answers import PATH, failure
from service.ingest.intake import Intake
from service.keys.guard import OPEN
from service.wire import UndecodableBody


async def _answer(scope: Any, receive: Any, note: Note) -> Answer:
    """Read a request, and have its readings taken. Raises ClientGone, and what the intake does."""
    state = scope["litestar_app"].state
    intake: Intake = state.intake
    patience: Patience = state.patience
    facts = note.facts
    delivery = await intake.delivery(scope["headers"], facts)
    delivery.trace = note.trace
    if scope["method"] != "POST":
        raise Fault(
            HTTPStatus.METHOD_NOT_ALLOWED,
            "readings are sent by POST",
            headers=[(b"allow", b"POST")],
        )
    body = announced(scope["headers"], intake.bodies)
    delivery.media_type = body.media_type
    intake.admit(delivery, body.length or 0)
    try:
        delivery.body = await patience.read(receive, body, intake.bodies)
    except UndecodableBody as error:
        raise await intake.set_aside(delivery, error) from error
    return await intake.answer(delivery, facts)


async def ingest(scope: Any, receive: Any, send: Any) -> None:
    """Take readings and answer when they are committed, or say which were not and why."""
    try:
        answer = await _answer(scope, receive, note_of(scope))
    except ClientGone as error:
        note_of(scope).status = error.status
        return
    except Exception as error:
        answer = failure(error)
    await respond(answer, scope, send)


# it asks for a key by itself
route = asgi(PATH, copy_scope=False, opt=OPEN)(ingest)
