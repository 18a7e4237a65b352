"""Events: what changes is told to a browser as it happens, as server-sent events."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from time import monotonic, perf_counter
from typing import Annotated, Any, Literal

import msgspec
from litestar import Request, Response, get
from litestar.datastructures import State
from litestar.params import HeaderParameter
from litestar.response import Stream

from service.database.errors import DatabaseUnavailable
from service.http.front import note_of
from service.http.head_method import is_head
from service.http.problem import Fault
from service.keys.guard import READ, check_again
from service.page.changes import Changes
from service.page.listener import Event
from service.routes.parameters import meter_parameter, vehicle_parameter

MEDIA_TYPE = "text/event-stream"
_HEADERS = {
    "Cache-Control": "no-store",
    # nginx would keep events until there are many
    "X-Accel-Buffering": "no",
}
# so that proxies and browsers see that the connection lives
_SILENCE_SECONDS = 15.0
_READY_SECONDS = 10.0
_RETRY_MILLISECONDS = 2000

_encode = msgspec.json.Encoder().encode
_Request = Request[Any, Any, Any]


class Ready(msgspec.Struct):
    """From now on what changes is told; `missed`: since the last event that was told, some was."""

    missed: bool


class End(msgspec.Struct):
    """No more is told: the key may not read any more, or the service is stopping or busy."""

    reason: Literal["key", "stopping", "unavailable"]


@get("/v1/events", tags=["state"], opt=READ, media_type=MEDIA_TYPE)
async def events(
    request: _Request,
    state: State,
    vehicle: Annotated[str | None, vehicle_parameter("vehicle", "What is about it alone.")] = None,
    meter: Annotated[str | None, meter_parameter("meter", "What is about it alone.")] = None,
    last_event: Annotated[
        str | None,
        HeaderParameter(name="Last-Event-ID", description="As browsers send it who come back."),
    ] = None,
) -> Response[Any]:
    """What changes, as server-sent events, until the client or the service hangs up.

    The event `ready` comes first, and again where some was not told (`missed`): then what is shown
    is to be asked for anew. The event `changed` says whose latest reading is newer, within about a
    second, what happened to alerts, and that charging is kept anew. The event `end` says why it is
    the last. A key for some devices must name a vehicle, a meter, or both.
    """
    if is_head(request.scope):
        return Response(b"", media_type=MEDIA_TYPE, headers=_HEADERS)
    changes: Changes = state.changes
    changes.check_room()
    # how long somebody listens is no time that an answer took
    note_of(request.scope).answered_at = perf_counter()
    told = _told(request, changes, meter, vehicle, last_event)
    return Stream(told, media_type=MEDIA_TYPE, headers=_HEADERS)


async def _told(
    request: _Request,
    changes: Changes,
    meter: str | None,
    vehicle: str | None,
    last_event: str | None,
) -> AsyncGenerator[bytes, None]:
    yield b"retry: %d\n\n" % _RETRY_MILLISECONDS
    check_seconds: float = request.app.state.settings.key_cache_seconds
    with changes.listening(last_event) as listener:
        if not await changes.ready(_READY_SECONDS):
            yield _event("end", End("unavailable"))
            return
        yield _event("ready", Ready(listener.missed))
        listener.missed = False
        checked = said = monotonic()
        while True:
            numbered = await listener.next(min(check_seconds, _SILENCE_SECONDS))
            now = monotonic()
            if now - checked >= check_seconds:
                checked = now
                if not await _may_still_read(request):
                    yield _event("end", End("key"))
                    return
            if listener.missed:
                listener.missed = False
                said = now
                yield _event("ready", Ready(missed=True))
            if numbered is not None:
                event = numbered.event
                if meter or vehicle:
                    event = event.about(meter, vehicle)
                if event != Event():
                    said = now
                    yield _event("changed", event, numbered.number)
            elif listener.ended:
                yield _event("end", End("stopping"))
                return
            if now - said >= _SILENCE_SECONDS:
                said = now
                yield b": nothing new\n\n"


async def _may_still_read(request: _Request) -> bool:
    """Whether the request would be let in now, as far as that can be known."""
    try:
        await check_again(request, request.route_handler)
    except DatabaseUnavailable:
        return True
    except Fault:
        return False
    return True


def _event(name: str, data: msgspec.Struct, number: str | None = None) -> bytes:
    about = f"id: {number}\n" if number else ""
    return f"{about}event: {name}\ndata: ".encode() + _encode(data) + b"\n\n"


HANDLERS = [events]
