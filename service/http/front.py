"""Front of the service: the layers around its application, one concern per layer."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping
from itertools import count
from time import perf_counter
from typing import Any

from service.http.access_log import AccessLog, Note
from service.http.answer import Answer
from service.http.counts import Requests
from service.http.head_method import WithHead
from service.http.problem import Fault, answer_to
from service.http.proxy import Proxies
from service.http.request_target import check_target
from service.metrics.families import OTHER
from service.traces import traceparent

# where in the scope a request's note is
_NOTE = "wattledger.note"
# ids of requests that are harmless wherever they are written
REQUEST_ID_PATTERN = r"[A-Za-z0-9._:@/+=-]{1,128}"

_SAFE_ID = re.compile(REQUEST_ID_PATTERN.encode())


class Front:
    """An ASGI application around another: each request goes through the layers to it.

    A hot path's application is called past the layers that look into what the other sends: it
    answers by `respond`, which does the same at once.
    """

    def __init__(
        self,
        app: Any,
        hot: Mapping[str, Any],
        log: AccessLog,
        proxies: Proxies,
        requests: Requests,
        stopping: Callable[[], None],
    ) -> None:
        """`hot`: applications by path; `proxies` is around `app`.

        `stopping` is called once no more requests come, so that those which go on and on end.
        """
        self.app = app
        self.log = log
        self.requests = requests
        self.stopping = stopping
        self.request_ids = RequestIds()
        layers = _Noted(WithHead(proxies))
        layers = _HotPaths(layers, hot)
        layers = _CheckedTarget(layers)
        layers = _Placed(layers, proxies)
        layers = _Identified(layers, self.request_ids)
        self._layers = _Logged(layers, self)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Handle a request, or the application's start and stop."""
        if scope["type"] == "http":
            await self._layers(scope, receive, send)
            return
        await self.app(scope, receive, send)
        if scope["type"] == "lifespan":
            self.log.close()

    def finished(self, method: str, path: str, note: Note, seconds: float) -> None:
        """Log and count a request that is answered."""
        self.log.take(method, path, note, seconds)
        self.requests.count(method, note.route, note.status, seconds)


class RequestIds:
    """Ids of requests, by which an answer is found in the log: the clients' own, or new ones."""

    def __init__(self) -> None:
        self._prefix = os.urandom(5).hex().encode()
        self._numbers = count(1)

    def chosen(self, given: bytes | None) -> bytes:
        """The id that the client gave, if it is harmless, else a new one."""
        if given is not None and _SAFE_ID.fullmatch(given):
            return given
        return b"%s-%x" % (self._prefix, next(self._numbers))


def note_of(scope: Any) -> Note:
    """What is noted of a request; of one that came past the front, nothing that is kept."""
    return scope.get(_NOTE) or Note()


async def respond(answer: Answer, scope: Any, send: Any) -> None:
    """Send an answer, and note it."""
    note = note_of(scope)
    note.status = answer.status
    headers = answer.all_headers((b"x-request-id", note.request_id))
    await send({"type": "http.response.start", "status": answer.status, "headers": headers})
    await send({"type": "http.response.body", "body": answer.body})


class _Logged:
    """Starts the note of a request, and has it logged and counted once all is done."""

    def __init__(self, app: Any, front: Front) -> None:
        self._app = app
        self._front = front

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        began = perf_counter()
        note = scope[_NOTE] = Note()
        try:
            await self._app(scope, receive, send)
        finally:
            ended = note.answered_at or perf_counter()
            self._front.finished(scope["method"], note.path, note, ended - began)


class _Identified:
    """Gives a request its id, and notes the trace that it belongs to."""

    def __init__(self, app: Any, ids: RequestIds) -> None:
        self._app = app
        self._ids = ids

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        given = (value for name, value in scope["headers"] if name == b"x-request-id")
        note = note_of(scope)
        note.request_id = self._ids.chosen(next(given, None))
        note.trace = traceparent.sent(scope["headers"])
        await self._app(scope, receive, send)


class _Placed:
    """Puts a request below the path prefix that it came by."""

    def __init__(self, app: Any, proxies: Proxies) -> None:
        self._app = app
        self._proxies = proxies

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        note_of(scope).path = self._proxies.place(scope)
        await self._app(scope, receive, send)


class _CheckedTarget:
    """Refuses what no application behind it should see."""

    def __init__(self, app: Any) -> None:
        self._app = app

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        try:
            check_target(scope["raw_path"], scope["query_string"])
        except Fault as fault:
            await respond(answer_to(fault), scope, send)
        else:
            await self._app(scope, receive, send)


class _HotPaths:
    """Calls the application of a hot path past all that is around the other."""

    def __init__(self, app: Any, hot: Mapping[str, Any]) -> None:
        self._app = app
        self._hot = hot

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        note = note_of(scope)
        app = self._hot.get(note.path)
        if app is not None:
            note.route = note.path
        await (app or self._app)(scope, receive, send)


class Routed:
    """Notes by which of its routes an application answers."""

    def __init__(self, app: Any) -> None:
        self._app = app

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Handle a request; the framework puts the route into the scope."""
        try:
            await self._app(scope, receive, send)
        finally:
            note_of(scope).route = scope.get("path_template", OTHER)


class _Noted:
    """Notes the status of what the application sends, and adds the request's id."""

    def __init__(self, app: Any) -> None:
        self._app = app

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        note = note_of(scope)

        async def noting_send(message: Any) -> None:
            if message["type"] == "http.response.start":
                note.status = message["status"]
                mine = (b"x-request-id", note.request_id)
                headers = [*message["headers"], mine, *note.headers]
                message = {**message, "headers": headers}
            await send(message)

        await self._app(scope, receive, noting_send)
