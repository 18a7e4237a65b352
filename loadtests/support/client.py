"""HTTP connection that is kept alive, and opened again where it was lost."""

from __future__ import annotations

import asyncio
import re

_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_PATIENCE_SECONDS = 40.0


class Lost(Exception):
    """No answer came: the connection broke, or could not be made."""


class Client:
    """Sends requests one after another, with a key."""

    def __init__(self, port: int, key: str) -> None:
        self._port = port
        self._key = key
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def request(self, method: str, path: str, body: bytes) -> tuple[int, bytes]:
        """Send a request; return the answer's status and body. Raises Lost."""
        try:
            async with asyncio.timeout(_PATIENCE_SECONDS):
                return await self._request(method, path, body)
        except (OSError, asyncio.IncompleteReadError, TimeoutError) as error:
            self.close()
            raise Lost from error

    def close(self) -> None:
        """Close the connection, if it is open."""
        if self._streams is not None:
            self._streams[1].close()
            self._streams = None

    async def _request(self, method: str, path: str, body: bytes) -> tuple[int, bytes]:
        if self._streams is None:
            self._streams = await asyncio.open_connection("127.0.0.1", self._port)
        reader, writer = self._streams
        head = (
            f"{method} {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {self._key}\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        writer.write(head.encode() + body)
        head_of_answer = await reader.readuntil(b"\r\n\r\n")
        length = _LENGTH.search(head_of_answer)
        answer = await reader.readexactly(int(length[1])) if length else b""
        if b"connection: close" in head_of_answer.lower():
            self.close()
        return int(head_of_answer[9:12]), answer
