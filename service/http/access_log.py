"""Access log: one line per request, with method, path, status, duration, counts and an id."""

from __future__ import annotations

import sys
import threading
from collections import deque
from datetime import UTC, datetime
from functools import lru_cache
from time import time, time_ns
from typing import IO, TYPE_CHECKING

import msgspec

from service.http.answer import Header
from service.metrics.families import OTHER
from service.traces.spans import RequestSpan
from service.traces.traceparent import Traceparent

if TYPE_CHECKING:
    from service.traces.tracing import Tracing

_FLUSH_SECONDS = 0.2
_MOST_WAITING = 200_000
_encode = msgspec.json.Encoder().encode

Line = tuple[float, str, str, int, float, bytes, Traceparent | None, dict[str, int | str]]


class Note:
    """What a request's line will tell; a handler may add to `facts`, such as `accepted`.

    `headers` are those that a handler adds to the answer, whatever that will be. `answered_at` is
    when an answer that goes on and on started, by perf_counter: it took no longer than that.
    """

    __slots__ = (
        *("answered_at", "facts", "headers", "path"),
        *("request_id", "route", "status", "trace"),
    )

    def __init__(self, request_id: bytes = b"", trace: Traceparent | None = None) -> None:
        self.request_id = request_id
        self.trace = trace
        # below the prefix, as it came: the framework changes the scope's own
        self.path = ""
        # the template of the path, of those that the application has
        self.route = OTHER
        self.status = 500
        self.facts: dict[str, int | str] = {}
        self.headers: tuple[Header, ...] = ()
        self.answered_at: float | None = None


class AccessLog:
    """Writes the lines of requests aside.

    A request only appends a tuple: a thread formats and writes, several times per second. Where
    the reader of the log does not keep up, lines are left out, and counted.
    """

    def __init__(
        self,
        *,
        as_json: bool,
        slow_seconds: float,
        write: bool = True,
        stream: IO[str] | None = None,
        traces: Tracing | None = None,
    ) -> None:
        """`write`: false writes nothing; `stream`: standard output unless given.

        `traces` are told of slow requests.
        """
        self._traces = traces
        self._slow_seconds = slow_seconds
        self._write = write
        self._format = self._json if as_json else self._text
        self._stream = stream or sys.stdout
        self._waiting: deque[Line] = deque()
        self._left_out = 0
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._write_for_ever, name="access log", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Write what waits, and end."""
        self._ended.set()
        self._thread.join(timeout=5)

    def take(self, method: str, path: str, note: Note, seconds: float) -> None:
        """Note a request that is answered."""
        if self._traces is not None and seconds > self._slow_seconds:
            ended = time_ns()
            began = ended - int(seconds * 1e9)
            id_ = note.request_id.decode()
            route = "" if note.route == OTHER else note.route
            self._traces.take_request(
                RequestSpan(method, route, note.status, id_, note.trace, began, ended)
            )
        if not self._write:
            return
        if len(self._waiting) < _MOST_WAITING:
            id_, trace = note.request_id, note.trace
            self._waiting.append(
                (time(), method, path, note.status, seconds, id_, trace, note.facts)
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
        at, method, path, status, seconds, request_id, trace, facts = line
        # what a client chose may hold line breaks and colours
        safe = path if path.isprintable() and path.isascii() else ascii(path)[1:-1]
        told = "".join([f" {name}={value}" for name, value in facts.items()])
        of_trace = "" if trace is None else f" trace={trace.trace_id}"
        slow = " slow" if seconds > self._slow_seconds else ""
        return (
            f"{_moment(at)} {method} {safe} {status} {seconds * 1000:.1f}ms{told}"
            f"{of_trace} id={request_id.decode()}{slow}\n"
        )

    def _json(self, line: Line) -> str:
        at, method, path, status, seconds, request_id, trace, facts = line
        document = {
            "time": _moment(at),
            "method": method,
            "path": path,
            "status": status,
            "ms": round(seconds * 1000, 1),
            **facts,
            **({} if trace is None else {"trace": trace.trace_id}),
            "id": request_id.decode(),
            "slow": seconds > self._slow_seconds,
        }
        return _encode(document).decode() + "\n"


@lru_cache(maxsize=4)
def _second(at: int) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%S")


def _moment(at: float) -> str:
    return f"{_second(int(at))}.{int(at % 1 * 1000):03}Z"
