"""Read a request's body as it streams in, within bounds of size and time."""

from __future__ import annotations

import asyncio
import time
from typing import Any

from service.wire import BodyTooLarge, Decoder


class BodyTimeout(Exception):
    """The client took too long to send its body."""


class ClientGone(Exception):
    """The client left before its body was complete."""


class Patience:
    """Ends the reading of bodies that take too long, by a look at all of them now and then.

    A timer for each request would cost more than reading nearly every body does.
    """

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._reading: dict[asyncio.Task[Any], float] = {}
        self._overdue: set[asyncio.Task[Any]] = set()
        self._watch: asyncio.Task[None] | None = None

    async def read(
        self, receive: Any, length: int | None, decoder: Decoder | None, max_bytes: int
    ) -> bytes:
        """Receive a body of `length` bytes, null where the client did not say.

        `decoder` undoes its content encoding, null where it has none. Raises BodyTooLarge,
        BodyTimeout, ClientGone, and what the decoder raises, which is UndecodableBody only when
        all has come.
        """
        task = asyncio.current_task()
        assert task is not None  # noqa: S101  a request is handled in a task
        self._reading[task] = time.monotonic() + self._seconds
        if self._watch is None:
            self._watch = asyncio.create_task(self._watch_all())
        try:
            return await _receive(receive, length, decoder, max_bytes)
        except asyncio.CancelledError:
            if task not in self._overdue:
                raise
            task.uncancel()
            raise BodyTimeout from None
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
    receive: Any, length: int | None, decoder: Decoder | None, max_bytes: int
) -> bytes:
    pieces: list[bytes] = []
    received = 0
    while True:
        message = await receive()
        if message["type"] != "http.request":
            raise ClientGone
        piece: bytes = message["body"]
        received += len(piece)
        if received > max_bytes:
            raise BodyTooLarge(max_bytes)
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
