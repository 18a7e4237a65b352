"""Bodies of requests: what the headers say of one, and how it is read within size and time."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable
from email.message import Message
from http import HTTPStatus
from typing import Any

import msgspec

from service.http.answer import Header
from service.http.problem import Fault
from service.wire import JSON, BodyTooLarge, Decoder, UnknownEncoding, printable


class BodyRules(msgspec.Struct, frozen=True):
    """Which bodies a route takes."""

    media_types: frozenset[str]
    max_bytes: int
    # what to do about a body that is larger
    cure: str | None = None

    def too_large(self) -> Fault:
        """The fault of a body that is larger, as sent or decompressed."""
        return Fault(
            HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
            f"the body is larger than {self.max_bytes} bytes",
            self.cure,
        )

    def unknown_type(self, media_type: str) -> Fault:
        """The fault of a body of another media type."""
        detail, hint = f'the content type "{media_type}" is not known', None
        if len(self.media_types) == 1:
            detail += f": send {next(iter(self.media_types))}"
        else:
            hint = f"Send one of {', '.join(sorted(self.media_types))}."
        return Fault(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, detail, hint)


class Announced(msgspec.Struct):
    """What a request's headers say of its body.

    `length` is None where they do not say, `decoder` where there is no encoding to undo.
    """

    media_type: str
    length: int | None
    decoder: Decoder | None


class ClientGone(Fault):
    """The client left before its body was complete."""

    def __init__(self) -> None:
        super().__init__(HTTPStatus.BAD_REQUEST, "the client left before the body was complete")


def announced(headers: Iterable[Header], rules: BodyRules) -> Announced:
    """Read what the headers say of a body. Raises Fault where the route does not take it."""
    media_type = JSON
    encoding = b""
    length = None
    for name, value in headers:
        if name == b"content-type":
            media_type = _media_type_of(value)
            _check_charset(value)
        elif name == b"content-encoding":
            encoding = value.strip().lower()
        elif name == b"content-length":
            length = int(value)
            if length > rules.max_bytes:
                raise rules.too_large()
    if media_type not in rules.media_types:
        raise rules.unknown_type(media_type)
    if encoding in (b"identity", b""):
        return Announced(media_type, length, None)
    try:
        decoder = Decoder(encoding.decode("latin-1"), rules.max_bytes)
    except UnknownEncoding as error:
        raise Fault(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, str(error)) from error
    return Announced(media_type, length, decoder)


def _media_type_of(content_type: bytes) -> str:
    """The media type that a Content-Type header names, without its parameters."""
    return content_type.partition(b";")[0].strip().lower().decode("latin-1")


def _check_charset(content_type: bytes) -> None:
    """See that the charset that a Content-Type header may name is UTF-8. Raises Fault."""
    if b"charset" not in content_type.lower():
        return
    named = Message()
    named["Content-Type"] = content_type.decode("latin-1")
    charset = str(named.get_param("charset") or "utf-8").lower()
    # every body of ASCII is one of UTF-8
    if charset not in ("utf-8", "utf8", "us-ascii", "ascii"):
        raise Fault(
            HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
            f'the charset "{printable(charset)}" is not known: send UTF-8',
        )


class Patience:
    """Ends the reading of bodies that take too long, by a look at all of them now and then.

    A timer for each request would cost more than reading nearly every body does.
    """

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._reading: dict[asyncio.Task[Any], float] = {}
        self._overdue: set[asyncio.Task[Any]] = set()
        self._watch: asyncio.Task[None] | None = None

    async def read(self, receive: Any, body: Announced, rules: BodyRules) -> bytes:
        """Receive a body, its encoding undone.

        Raises Fault where it is too large, too slow or the client gone, and UndecodableBody once
        all of it has come.
        """
        task = asyncio.current_task()
        assert task is not None  # noqa: S101  a request is handled in a task
        self._reading[task] = time.monotonic() + self._seconds
        if self._watch is None:
            self._watch = asyncio.create_task(self._watch_all())
        try:
            return await _receive(receive, body.length, body.decoder, rules)
        except BodyTooLarge as error:
            raise rules.too_large() from error
        except asyncio.CancelledError:
            if task not in self._overdue:
                raise
            task.uncancel()
            raise Fault(
                HTTPStatus.REQUEST_TIMEOUT,
                f"the body was not complete after {self._seconds:g} seconds",
                headers=[(b"connection", b"close")],
            ) from None
        finally:
            del self._reading[task]
            self._overdue.discard(task)

    def stop(self) -> None:
        """End the watch."""
        if self._watch is not None:
            self._watch.cancel()

    async def _watch_all(self) -> None:
        while True:
            await asyncio.sleep(min(1.0, self._seconds / 2))
            now = time.monotonic()
            for task, deadline in list(self._reading.items()):
                if now > deadline and task not in self._overdue:
                    self._overdue.add(task)
                    task.cancel()


async def _receive(
    receive: Any, length: int | None, decoder: Decoder | None, rules: BodyRules
) -> bytes:
    pieces: list[bytes] = []
    received = 0
    while True:
        message = await receive()
        if message["type"] != "http.request":
            raise ClientGone
        piece: bytes = message["body"]
        received += len(piece)
        if received > rules.max_bytes:
            raise rules.too_large()
        # the server may announce more even after the last piece, and asking for it costs a turn
        complete = received == length or not message.get("more_body")
        if decoder is not None:
            decoder.feed(piece)
        elif complete and not pieces:
            return piece
        else:
            pieces.append(piece)
        if complete:
            return b"".join(pieces) if decoder is None else decoder.finish()
