"""Read a request's body as it streams in, within bounds of size and time."""

import asyncio
from typing import Any

from service.wire import BodyTooLarge, Decoder


class BodyTimeout(Exception):
    """The client took too long to send its body."""


class ClientGone(Exception):
    """The client left before its body was complete."""


async def read_body(receive: Any, decoder: Decoder | None, max_bytes: int, seconds: float) -> bytes:
    """Receive a body; `decoder` undoes its content encoding, null where it has none.

    Raises BodyTooLarge, BodyTimeout, ClientGone, and what the decoder raises.
    """
    message = await receive()
    # nearly every body comes in one piece, and needs no timer
    if decoder is None and not message.get("more_body") and message["type"] == "http.request":
        body: bytes = message["body"]
        if len(body) > max_bytes:
            raise BodyTooLarge(max_bytes)
        return body
    try:
        async with asyncio.timeout(seconds):
            return await _read_pieces(message, receive, decoder, max_bytes)
    except TimeoutError as error:
        raise BodyTimeout from error


async def _read_pieces(
    message: dict[str, Any], receive: Any, decoder: Decoder | None, max_bytes: int
) -> bytes:
    pieces: list[bytes] = []
    received = 0
    while message["type"] == "http.request":
        piece: bytes = message["body"]
        received += len(piece)
        if received > max_bytes:
            raise BodyTooLarge(max_bytes)
        if decoder is None:
            pieces.append(piece)
        else:
            decoder.feed(piece)
        if not message.get("more_body"):
            return b"".join(pieces) if decoder is None else decoder.finish()
        message = await receive()
    raise ClientGone
