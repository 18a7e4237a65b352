"""One line a request: method, path, status, duration, what was stored, and a request id."""

from __future__ import annotations

import os
import re
import sys
import threading
import time
from collections import deque
from datetime import UTC, datetime
from itertools import count
from typing import IO, Any

import msgspec

# where in the scope a handler leaves what its line should tell, such as {"accepted": 1}
FACTS = "wattledger.facts"

_FLUSH_SECONDS = 0.2
_MOST_WAITING = 200_000
_SAFE_ID = re.compile(rb"[A-Za-z0-9._:@/+=-]{1,128}")
_encode = msgspec.json.Encoder().encode

Line = tuple[float, str, str, int, float, bytes, dict[str, int] | None]


class AccessLog:
    """An ASGI application around another, which notes each request and writes the lines aside.

    A request only appends a tuple: formatting and writing are done by a thread, some times a
    second. Where the reader of the log does not keep up, lines are left out, and counted.
    """

    def __init__(
        self, app: Any, *, as_json: bool, slow_seconds: float, stream: IO[str] | None = None
    ) -> None:
        self._app = app
        self._slow_seconds = slow_seconds
        self._format = self._json if as_json else self._text
        self._stream = stream or sys.stdout
        self._waiting: deque[Line] = deque()
        self._left_out = 0
        self._prefix = os.urandom(5).hex()
        self._numbers = count(1)
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._write_for_ever, name="access log", daemon=True)
        self._thread.start()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Handle a request and note it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            if scope["type"] == "lifespan":
                self.close()
            return
        began = time.perf_counter()
        request_id = self._request_id(scope)
        status = 500

        async def noting_send(message: Any) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message["headers"], (b"x-request-id", request_id)]
            await send(message)

        try:
            await self._app(scope, receive, noting_send)
        finally:
            if len(self._waiting) < _MOST_WAITING:
                self._waiting.append(
                    (
                        time.time(),
                        scope["method"],
                        scope["path"],
                        status,
                        time.perf_counter() - began,
                        request_id,
                        scope.get(FACTS),
                    )
                )
            else:
                self._left_out += 1

    def close(self) -> None:
        """Write what waits, and end."""
        self._ended.set()
        self._thread.join(timeout=5)

    def _request_id(self, scope: Any) -> bytes:
        for name, value in scope["headers"]:
            if name == b"x-request-id" and _SAFE_ID.fullmatch(value):
                return value
        return f"{self._prefix}-{next(self._numbers):x}".encode()

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
        told = "".join(f" {name}={value}" for name, value in facts.items()) if facts else ""
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
            **(facts or {}),
            "id": request_id.decode(),
            "slow": seconds > self._slow_seconds,
        }
        return _encode(document).decode() + "\n"


def _moment(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds")[:-6] + "Z"
