"""Lane below ASGI: the usual request to `POST /v1/ingest`, with little around it.

Under load nearly all requests are alike: one read with a short head and a whole body, of which
every reading is good. Those go straight to the intake, and are answered here. Whatever is not of
that kind goes, not a byte of it used, to the ASGI application (service.ingest.endpoint), which
takes all.
"""

from __future__ import annotations

from time import perf_counter
from typing import Any, cast

import msgspec

from service.database.errors import DatabaseUnavailable
from service.http.access_log import Note
from service.http.answer import Answer
from service.http.connection import Connection
from service.http.front import Front
from service.ingest.answers import PATH, failure
from service.ingest.fast.head import Head, heads_of
from service.ingest.intake import Delivery, Intake, Unusual, committed
from service.ingest.store import Outcome
from service.keys.credential import Credential
from service.keys.grant import Grant
from service.wire import WireError

_FIRST_LINE = f"POST {PATH} HTTP/1.1\r\n".encode()
_END_OF_HEAD = b"\r\n\r\n"
# of requests sent ahead, before the one before them is answered
_MOST_AHEAD_BYTES = 64 * 1024


class _KeyIsAsked(msgspec.Struct, gc=False):
    """A request that waits until it is known what its key may do; `data` is all of it."""

    data: bytes


class _IsStored(msgspec.Struct, gc=False):
    """A request whose readings are with the intake."""

    delivery: Delivery
    note: Note
    began: float


class Lane(Connection):
    """A connection whose usual requests to ingest readings go past the ASGI application."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._front = cast("Front", self.config.loaded_app)  # pyright: ignore[reportUnknownMemberType]
        self._intake: Intake = self._front.app.state.intake
        self._heads = heads_of(self._intake.bodies)
        # the request that is due to be answered here, in one of its two phases
        self._pending: _KeyIsAsked | _IsStored | None = None
        self._ahead = b""
        # when the newest answer was written
        self._answered = 0.0
        self._stopping = self._lost = False

    def connection_lost(self, exc: Exception | None) -> None:
        """The client left; what it sent is stored all the same."""
        self._lost = True
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Take a usual request, or give what came to the application."""
        if self._pending is not None:
            self._ahead += data
            if len(self._ahead) > _MOST_AHEAD_BYTES:
                self.flow.pause_reading()
        elif not (data.startswith(_FIRST_LINE) and self._is_idle() and self._take(data)):
            super().data_received(data)

    def timeout_keep_alive_handler(self) -> None:
        """Hang up where nothing came for long; usual requests, which are many, leave the timer."""
        silent = 0.0 if self._pending is not None else perf_counter() - self._answered
        if silent >= self.timeout_keep_alive:
            super().timeout_keep_alive_handler()
        else:
            self.timeout_keep_alive_task = self.loop.call_later(
                self.timeout_keep_alive - silent, self.timeout_keep_alive_handler
            )

    def shutdown(self) -> None:
        """Stop in good order: after the answer that is due, if one is."""
        if self._pending is None:
            super().shutdown()
        else:
            self._stopping = True

    def _is_idle(self) -> bool:
        """Whether the next byte begins a request, and nothing else waits for an answer."""
        return (
            not self._in_message
            and (self.cycle is None or self.cycle.response_complete)  # pyright: ignore[reportUnnecessaryComparison]
            and not self.flow.write_paused
            and not self.transport.is_closing()
        )

    def _take(self, data: bytes, *, may_ask: bool = True) -> bool:
        """Start to store a request; false where it is not of the usual kind."""
        began = perf_counter()
        end = data.find(_END_OF_HEAD) + len(_END_OF_HEAD)
        head = self._heads.parsed(data[:end])
        if head is None or len(data) - end != head.length:
            return False
        grant: Grant | None = None
        if self._intake.keyring is not None:
            if head.credential is None:
                return False
            grant = self._intake.keyring.known(head.credential)
            if grant is None:
                return may_ask and self._ask(head.credential, data)
            if grant.denial("ingest") is not None:
                return False
        return self._deliver(
            Delivery(grant, head.media_type, data[end:], trace=head.trace), head, began
        )

    def _deliver(self, delivery: Delivery, head: Head, began: float) -> bool:
        """Give the readings to the intake; false where it wants them by the other way."""
        answer: Answer | None = None
        try:
            self._intake.admit(delivery, len(delivery.body))
            self._intake.take(delivery, self._stored, if_usual=True)
        except (WireError, Unusual):
            return False
        except Exception as error:
            # not the error itself: this frame and its body would live on in its traceback
            answer = failure(error)
        note = Note(self._front.request_ids.chosen(head.given_id), head.trace)
        note.route = PATH
        if delivery.key_id is not None:
            note.facts["key"] = delivery.key_id
        self._pending = _IsStored(delivery, note, began)
        if answer is not None:
            self._respond(answer)
        return True

    def _ask(self, credential: Credential, data: bytes) -> bool:
        """Put a request off until it is known what its key may do."""
        assert self._intake.keyring is not None  # noqa: S101  see _take
        self._pending = _KeyIsAsked(data)
        try:
            self._intake.keyring.ask(credential, self._known)
        except DatabaseUnavailable:
            self._pending = None
            return False
        return True

    def _known(self, _: Grant | Exception) -> None:
        asked, self._pending = self._pending, None
        assert isinstance(asked, _KeyIsAsked)  # noqa: S101  see _ask
        if self._lost or self.transport.is_closing():
            return
        if not self._take(asked.data, may_ask=False):
            super().data_received(asked.data)
            if self._stopping:
                super().shutdown()
        if self._pending is None and self._ahead:
            self._go_on()

    def _stored(self, told: Outcome | Exception) -> None:
        stored = self._pending
        assert isinstance(stored, _IsStored)  # noqa: S101  see _deliver
        if not isinstance(told, Outcome):
            self._respond(failure(told))
        elif told.refused:
            # the server waits for its tasks before it stops
            task = self.loop.create_task(self._conclude(stored, told))
            task.add_done_callback(self.tasks.discard)
            self.tasks.add(task)
        else:
            self._respond(committed(stored.delivery, told, stored.note.facts))

    async def _conclude(self, stored: _IsStored, outcome: Outcome) -> None:
        try:
            answer = await self._intake.conclude(stored.delivery, outcome, stored.note.facts)
        except Exception as error:
            answer = failure(error)
        self._respond(answer)

    def _respond(self, answer: Answer) -> None:
        stored, self._pending = self._pending, None
        assert isinstance(stored, _IsStored)  # noqa: S101  see _deliver
        note = stored.note
        note.status = answer.status
        self._answered = perf_counter()
        self._front.finished("POST", PATH, note, self._answered - stored.began)
        if self._lost or self.transport.is_closing():
            return
        if self._stopping:
            answer.headers = (*answer.headers, (b"connection", b"close"))
        self.write_answer(answer, (b"x-request-id", note.request_id))
        self.server_state.total_requests += 1
        if self._stopping:
            self.transport.close()
        elif self._ahead:
            self._go_on()

    def _go_on(self) -> None:
        """Take what was sent ahead."""
        self.flow.resume_reading()
        data, self._ahead = self._ahead, b""
        self.data_received(data)
