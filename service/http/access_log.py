"""One line a request: method, path, status, duration, what was stored, and a request id."""

from __future__ import annotations

import os
import re
import sys
import threading
from collections import deque
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import lru_cache
from itertools import count
from time import perf_counter, time
from typing import IO, Any

import msgspec
from litestar import Litestar

from service.http import request_target as target
from service.http.head_method import allowing_head, as_get
from service.http.proxy import Proxies

# where in the scope a request's note is
NOTE = "wattledger.note"

_FLUSH_SECONDS = 0.2
_MOST_WAITING = 200_000
_SAFE_ID = re.compile(rb"[A-Za-z0-9._:@/+=-]{1,128}")
_encode = msgspec.json.Encoder().encode

Line = tuple[float, str, str, int, float, bytes, dict[str, int | str]]


class Note:
    """What a request's line will tell; a handler may add to `facts`, such as `accepted`.

    A handler that sets `status`, and sends `request_id` as a header, spares the log from looking
    into what it sends.
    """

    __slots__ = ("facts", "request_id", "status")

    def __init__(self, request_id: bytes) -> None:
        self.request_id = request_id
        self.status = 500
        self.facts: dict[str, int | str] = {}


class AccessLog:
    """An ASGI application around another, which notes each request and writes the lines aside.

    It refuses what no application behind it should see (service.http.request_target), and asks it
    for GET where a client asks for HEAD.

    A request only appends a tuple: formatting and writing are done by a thread, some times a
    second. Where the reader of the log does not keep up, lines are left out, and counted.
    """

    def __init__(
        self,
        app: Litestar,
        hot: Mapping[str, Any],
        *,
        as_json: bool,
        slow_seconds: float,
        write: bool = True,
        stream: IO[str] | None = None,
        proxies: Proxies | None = None,
    ) -> None:
        """`hot`: applications by path that keep their note themselves, called past `app`.

        `write`: false gives requests their ids, and writes nothing.
        """
        self.app = app
        self._hot = hot
        self._proxies = proxies or Proxies(app)
        self._slow_seconds = slow_seconds
        self._write = write
        self._format = self._json if as_json else self._text
        self._stream = stream or sys.stdout
        self._waiting: deque[Line] = deque()
        self._left_out = 0
        self._prefix = os.urandom(5).hex().encode()
        self._numbers = count(1)
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._write_for_ever, name="access log", daemon=True)
        self._thread.start()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Handle a request and note it."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            if scope["type"] == "lifespan":
                self.close()
            return
        began = perf_counter()
        method: str = scope["method"]
        if method == "HEAD":
            scope, send = as_get(scope, send)
        note = scope[NOTE] = Note(self.request_id(_given_id(scope)))
        path = self._proxies.place(scope)
        hot = self._hot.get(path)
        found = target.fault(scope["raw_path"], scope["query_string"])
        try:
            if found is not None:
                await target.refuse(found, _noting(send, note))
            elif hot is not None:
                await hot(scope, receive, send)
            else:
                await self._proxies(scope, receive, _noting(send, note))
        finally:
            self.take(method, path, note, perf_counter() - began)

    def close(self) -> None:
        """Write what waits, and end."""
        self._ended.set()
        self._thread.join(timeout=5)

    def request_id(self, given: bytes | None) -> bytes:
        """The id that the client gave, if it is harmless, else a new one."""
        if given is not None and _SAFE_ID.fullmatch(given):
            return given
        return b"%s-%x" % (self._prefix, next(self._numbers))

    def take(self, method: str, path: str, note: Note, seconds: float) -> None:
        """Note a request that is answered."""
        if not self._write:
            return
        if len(self._waiting) < _MOST_WAITING:
            self._waiting.append(
                (time(), method, path, note.status, seconds, note.request_id, note.facts)
            )
        else:
            self._left_out += 1

    def _write_for_ever(self) -> None:
        while not self._ended.wait(_FLUSH_SECONDS):
            self._flush()
        self._flush()

    def _flush(self) -> None:
        lines: list[str] = []
        while self._waiting and len(lines) < _MOST_WAITING:
            lines.append(self._format(self._waiting.popleft()))
        if self._left_out:
            lines.append(f"{self._left_out} requests were left out of this log: it is not read\n")
            self._left_out = 0
        try:
            self._stream.write("".join(lines))
            self._stream.flush()
        except (OSError, ValueError):  # nobody reads it any more
            return

    def _text(self, line: Line) -> str:
        at, method, path, status, seconds, request_id, facts = line
        # what a client chose may hold line breaks and colours
        safe = path if path.isprintable() and path.isascii() else ascii(path)[1:-1]
        told = "".join([f" {name}={value}" for name, value in facts.items()])
        slow = " slow" if seconds > self._slow_seconds else ""
        return (
            f"{_moment(at)} {method} {safe} {status} {seconds * 1000:.1f}ms{told}"
            f" id={request_id.decode()}{slow}\n"
        )

    def _json(self, line: Line) -> str:
        at, method, path, status, seconds, request_id, facts = line
        document = {
            "time": _moment(at),
            "method": method,
            "path": path,
            "status": status,
            "ms": round(seconds * 1000, 1),
            **facts,
            "id": request_id.decode(),
            "slow": seconds > self._slow_seconds,
        }
        return _encode(document).decode() + "\n"


def _given_id(scope: Any) -> bytes | None:
    return next((value for name, value in scope["headers"] if name == b"x-request-id"), None)


def _noting(send: Any, note: Note) -> Any:
    """Send as before, but note the status and add the request id."""

    async def noting_send(message: Any) -> None:
        if message["type"] == "http.response.start":
            note.status = message["status"]
            message["headers"] = [
                *allowing_head(message["headers"]),
                (b"x-request-id", note.request_id),
            ]
        await send(message)

    return noting_send


@lru_cache(maxsize=4)
def _second(at: int) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%S")


def _moment(at: float) -> str:
    return f"{_second(int(at))}.{int(at % 1 * 1000):03}Z"
