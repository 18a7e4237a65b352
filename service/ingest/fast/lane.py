"""The lane below ASGI: the usual request to `POST /v1/ingest`, with little around it.

Under load nearly all requests are alike: one read with a short head and a whole body, of which
every reading is good. Those are decoded, stored and answered here. Whatever is not of that kind
goes, not a byte of it used, to the ASGI application, which takes all (service.ingest.endpoint).
"""

from __future__ import annotations

from time import perf_counter
from typing import Any, cast

from service.database.pool import DatabaseUnavailable
from service.http.access_log import AccessLog, Note
from service.http.connection import Connection
from service.ingest.answers import (
    PATH,
    Answer,
    encode,
    failure,
    receipt,
    with_refused,
)
from service.ingest.fast.head import heads_of
from service.ingest.store import Outcome
from service.ingest.writer import Writer
from service.keys.credential import Credential
from service.keys.grant import Grant
from service.keys.keyring import Keyring
from service.settings import Settings
from service.wire import Batch, WireError, decode

_FIRST_LINE = f"POST {PATH} HTTP/1.1\r\n".encode()
_END_OF_HEAD = b"\r\n\r\n"
# of requests sent ahead, before the one before them is answered
_MOST_AHEAD_BYTES = 64 * 1024


class Lane(Connection):
    """A connection whose usual requests to ingest readings go past the ASGI application."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._log = cast("AccessLog", self.config.loaded_app)  # pyright: ignore[reportUnknownMemberType]
        self._state = self._log.app.state
        self._settings: Settings = self._state.settings
        self._heads = heads_of(self._settings)
        # the request that is being stored, if any
        self._note: Note | None = None
        self._batch: Batch | None = None
        self._body = b""
        self._media_type = ""
        self._key_id: str | None = None
        self._began = 0.0
        # when the newest answer was written
        self._answered = 0.0
        self._ahead = b""
        # the request whose key is being looked up, if any
        self._asking: bytes | None = None
        self._stopping = self._lost = False

    def connection_lost(self, exc: Exception | None) -> None:
        """The client left; what it sent is stored all the same."""
        self._lost = True
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Take a usual request, or give what came to the application."""
        if self._note is not None or self._asking is not None:
            self._ahead += data
            if len(self._ahead) > _MOST_AHEAD_BYTES:
                self.flow.pause_reading()
        elif not (data.startswith(_FIRST_LINE) and self._is_idle() and self._take(data)):
            super().data_received(data)

    def timeout_keep_alive_handler(self) -> None:
        """Hang up where nothing came for long; usual requests, which are many, leave the timer."""
        silent = perf_counter() - self._answered
        if self._note is not None or self._asking is not None:
            silent = 0.0
        if silent >= self.timeout_keep_alive:
            super().timeout_keep_alive_handler()
        else:
            self.timeout_keep_alive_task = self.loop.call_later(
                self.timeout_keep_alive - silent, self.timeout_keep_alive_handler
            )

    def shutdown(self) -> None:
        """Stop in good order: after the answer that is due, if one is."""
        if self._note is None and self._asking is None:
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
        """Begin to store a request; false where it is not of the usual kind."""
        began = perf_counter()
        end = data.find(_END_OF_HEAD) + len(_END_OF_HEAD)
        head = self._heads.parsed(data[:end])
        if head is None or len(data) - end != head.length:
            return False
        keyring: Keyring | None = self._state.keyring
        grant: Grant | None = None
        if keyring is not None:
            if head.credential is None:
                return False
            grant = keyring.known(head.credential)
            if grant is None:
                return may_ask and self._ask(keyring, head.credential, data)
            if grant.denial("ingest") is not None:
                return False
        body = data[end:]
        writer: Writer = self._state.writer
        batch = None
        answer: Answer | None = None
        try:
            writer.admit(len(body))
            batch = decode(body, head.media_type, self._settings.max_readings)
            if batch.refused:
                return False
            if not (
                grant is None
                or grant.every_device
                or grant.covers(batch.meter_ids(), batch.vehicle_ids())
            ):
                return False
            writer.queue(batch, len(body), self._stored)
            if grant is not None:
                grant.charge(batch.size)
        except WireError:
            return False
        except Exception as error:
            # not the error itself: this frame and its body would live on in its traceback
            answer = failure(error)
        self._note = Note(self._log.request_id(head.given_id))
        self._key_id = None if grant is None else grant.key_id
        if grant is not None:
            self._note.facts["key"] = grant.key_id
        self._batch, self._body, self._media_type, self._began = batch, body, head.media_type, began
        if answer is not None:
            self._respond(answer)
        return True

    def _ask(self, keyring: Keyring, credential: Credential, data: bytes) -> bool:
        """Put a request off until it is known what its key may do."""
        self._asking = data
        try:
            keyring.ask(credential, self._known)
        except DatabaseUnavailable:
            self._asking = None
            return False
        return True

    def _known(self, _: Grant | Exception) -> None:
        data, self._asking = self._asking, None
        assert data is not None  # noqa: S101  see _ask
        if self._lost or self.transport.is_closing():
            return
        if not self._take(data, may_ask=False):
            super().data_received(data)
            if self._stopping:
                super().shutdown()
        if self._note is None and self._ahead:
            self._go_on()

    def _stored(self, told: Outcome | Exception) -> None:
        assert self._note is not None and self._batch is not None  # noqa: S101, PT018  see _take
        if not isinstance(told, Outcome):
            self._respond(failure(told))
        elif told.refused:
            # the server waits for its tasks before it stops
            task = self.loop.create_task(self._conclude(told))
            task.add_done_callback(self.tasks.discard)
            self.tasks.add(task)
        else:
            self._respond(receipt(self._batch, told, self._note.facts))

    async def _conclude(self, outcome: Outcome) -> None:
        assert self._note is not None and self._batch is not None  # noqa: S101, PT018  see _take
        try:
            answer = await with_refused(
                self._state.writer,
                self._batch,
                outcome,
                self._body,
                self._media_type,
                self._key_id,
                self._note.facts,
            )
        except Exception as error:
            answer = failure(error)
        self._respond(answer)

    def _respond(self, answer: Answer) -> None:
        note = self._note
        assert note is not None  # noqa: S101  see _take
        self._note = self._batch = None
        self._body = b""
        note.status = answer.status
        self._answered = perf_counter()
        self._log.take("POST", PATH, note, self._answered - self._began)
        if self._lost or self.transport.is_closing():
            return
        headers = [(b"x-request-id", note.request_id), *answer.headers]
        if self._stopping:
            headers.append((b"connection", b"close"))
        self.write_answer(answer.status, answer.media_type, encode(answer.document), headers)
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
