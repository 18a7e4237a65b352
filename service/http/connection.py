"""Connection of HTTP: uvicorn's, with bounds on what a client may make it hold and wait for."""

from __future__ import annotations

import asyncio
import math
from http import HTTPStatus
from typing import Any, cast

import httptools
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from service.http.answer import Answer, Header
from service.http.counts import Requests
from service.http.problem import RETRY_LATER, Fault, answer_to

MOST_CONNECTIONS = 10_000
MOST_HEAD_BYTES = 64 * 1024
HEAD_SECONDS = 15.0
# of a body that is still on its way when its request is answered already
MOST_DRAINED_BYTES = 32 * 1024 * 1024
DRAIN_SECONDS = 5.0
# in which a client may read nothing of what is written to it
UNREAD_SECONDS = 30.0

# the header that offers another protocol, and the one that comes with h2c
_OFFER = frozenset({b"upgrade", b"http2-settings"})

_STATUS_LINES = {
    status.value: f"HTTP/1.1 {status.value} {status.phrase}\r\n".encode() for status in HTTPStatus
}


class Connection(HttpToolsProtocol):
    """A connection that bounds a request's head, and what comes after its answer.

    uvicorn bounds neither in bytes nor in time, nor how long a client may be silent before its
    first request, or not read an answer. A body that nobody wants is read on for a while, since a
    client that is cut off would miss the answer.
    """

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.parser = self._new_parser()
        # of the front; another application may count nothing
        app = cast("Any", self.config.loaded_app)  # pyright: ignore[reportUnknownMemberType]
        self._requests: Requests | None = getattr(app, "requests", None)
        # the head of a request that offers another protocol, without the offer
        self._offer: bytes | None = None
        self._in_head, self._in_message = True, False
        self._head_bytes = self._drained_bytes = 0
        self._deadline: asyncio.TimerHandle | None = None
        self._unread: asyncio.TimerHandle | None = None
        # after the answer, since the client asked for that
        self._hangs_up = False

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Take a client in, or turn it away where there are too many."""
        super().connection_made(transport)
        if len(self.connections) > MOST_CONNECTIONS:
            self._turn_away(
                HTTPStatus.SERVICE_UNAVAILABLE,
                "too many connections are open: try again later",
                RETRY_LATER,
            )
            return
        self.timeout_keep_alive_task = self.loop.call_later(
            self.timeout_keep_alive, self.timeout_keep_alive_handler
        )

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget what was waited for."""
        self._forget_deadline()
        if self._unread is not None:
            self._unread.cancel()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Parse what came, and see that neither a head nor an unwanted body goes on for ever."""
        if self._in_head:
            self._head_bytes += len(data)
        self._unset_keepalive_if_required()
        self._parse(data)
        if not self._in_message or self.transport.is_closing():
            return
        if not self._in_head:
            if self.cycle.response_complete:
                self._drained_bytes += len(data)
                if self._drained_bytes > MOST_DRAINED_BYTES:
                    self.transport.close()
        elif self._head_bytes > MOST_HEAD_BYTES:
            self._turn_away(
                HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE,
                f"the request's head is larger than {MOST_HEAD_BYTES} bytes",
            )
        elif self._deadline is None:
            self._deadline = self.loop.call_later(HEAD_SECONDS, self._head_overdue)

    def _parse(self, data: bytes) -> None:
        """Parse what came. An offer of another protocol is passed over, as RFC 9110 allows.

        The parser takes what follows such a head for the other protocol. So another one gets the
        head once more, without the offer, and then the rest.
        """
        rest = memoryview(data)
        try:
            while True:
                try:
                    self.parser.feed_data(rest)
                except httptools.HttpParserUpgrade as pause:
                    if self._offer is None:  # turned away
                        return
                    rest = rest[pause.args[0] :]
                    self.parser = self._new_parser()
                    head, self._offer = self._offer, None
                    self.parser.feed_data(head)
                else:
                    return
        except httptools.HttpParserError:
            self.send_400_response("")

    def _new_parser(self) -> httptools.HttpRequestParser:
        parser = httptools.HttpRequestParser(self)
        # as uvicorn has it: a client may send more behind "Connection: close"
        parser.set_dangerous_leniencies(lenient_data_after_close=True)
        return parser

    def on_message_begin(self) -> None:
        """A request starts."""
        super().on_message_begin()
        self._in_message = True

    def on_headers_complete(self) -> None:
        """A request's head is complete."""
        self._in_head = False
        self._forget_deadline()
        if self.parser.should_upgrade():
            if self.parser.get_method() == b"CONNECT":
                self._turn_away(HTTPStatus.BAD_REQUEST, "CONNECT is for proxies, and this is none")
            else:
                self._offer = self._head_without_offer()
            return
        super().on_headers_complete()
        if not self.cycle.keep_alive:
            # uvicorn would hang up with the answer, which a client that still sends would miss
            self.cycle.keep_alive = True
            self._hangs_up = True

    def on_message_complete(self) -> None:
        """A request is complete: what comes next is a head."""
        if self._offer is not None or self.transport.is_closing():
            return
        super().on_message_complete()
        self._in_head, self._in_message = True, False
        self._head_bytes = self._drained_bytes = 0
        self._forget_deadline()
        if self._hangs_up and self.cycle.response_complete:
            self.transport.close()

    def on_response_complete(self) -> None:
        """A request is answered: what is left of its body may still come, for a while."""
        super().on_response_complete()
        if not self.cycle.response_complete or self.transport.is_closing():
            return
        if self._in_message and not self._in_head:
            self._deadline = self.loop.call_later(DRAIN_SECONDS, self.transport.close)
        elif self._hangs_up:
            self.transport.close()

    def shutdown(self) -> None:
        """The service stops: what has no end of its own ends, all else is answered."""
        app = cast("Any", self.config.loaded_app)  # pyright: ignore[reportUnknownMemberType]
        getattr(app, "stopping", lambda: None)()
        super().shutdown()

    def pause_writing(self) -> None:
        """More is written than the client reads: it has some time to go on."""
        super().pause_writing()
        self._look_again_at_unread()

    def resume_writing(self) -> None:
        """The client reads again."""
        super().resume_writing()
        if self._unread is not None:
            self._unread.cancel()

    def _look_again_at_unread(self, before: float = math.inf) -> None:
        """Hang up where no more of what waits to be read was read since the last look."""
        waiting = self.transport.get_write_buffer_size()
        if waiting >= before:
            self.transport.abort()
        else:
            self._unread = self.loop.call_later(UNREAD_SECONDS, self._look_again_at_unread, waiting)

    def _head_without_offer(self) -> bytes:
        """The head that was just parsed, without what only who takes the offer looks at."""
        lines = [
            b"%s %s HTTP/%s"
            % (self.parser.get_method(), self.url, self.parser.get_http_version().encode())
        ]
        for name, value in self.headers:
            if name == b"connection":
                tokens = [token.strip() for token in value.split(b",")]
                value = b", ".join(token for token in tokens if token.lower() not in _OFFER)
            if value and name not in _OFFER:
                lines.append(b"%s: %s" % (name, value))
        return b"\r\n".join([*lines, b"", b""])

    def send_400_response(self, msg: str) -> None:
        """Answer what is not HTTP, and hang up."""
        self._turn_away(HTTPStatus.BAD_REQUEST, "the request is not valid HTTP/1.1")

    def _head_overdue(self) -> None:
        self._turn_away(
            HTTPStatus.REQUEST_TIMEOUT,
            f"the request's head was not complete after {HEAD_SECONDS:g} seconds",
        )

    def _forget_deadline(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _turn_away(self, status: HTTPStatus, detail: str, *headers: Header) -> None:
        """Answer without the application, and hang up, unless that was done already."""
        if self.transport.is_closing():
            return
        fault = Fault(status, detail, headers=(*headers, (b"connection", b"close")))
        if self._requests is not None:
            self._requests.turned_away(fault.status)
        self.write_answer(answer_to(fault))
        self.transport.close()

    def write_answer(self, answer: Answer, *headers: Header) -> None:
        """Write a whole answer, with `headers` before its own."""
        lines = [b"%s: %s\r\n" % header for header in self.server_state.default_headers]
        more = [b"%s: %s\r\n" % header for header in (*headers, *answer.headers)]
        # spelled out, not all_headers(): nearly every answer of a busy service comes by here
        self.transport.write(
            b"%s%scontent-type: %s\r\ncontent-length: %d\r\n%s\r\n%s"
            % (
                _STATUS_LINES[answer.status],
                b"".join(lines),
                answer.media_type,
                len(answer.body),
                b"".join(more),
                answer.body,
            )
        )
