"""The HTTP server in a thread of the test's process, so that a test may look into it."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import uvicorn

from service.http.connection import Connection
from service.http.server import configuration
from tests.support.process import free_port


@contextmanager
def listening(app: Any, protocol: type[Connection], **options: Any) -> Iterator[int]:
    """Serve an ASGI application; give the port, and stop in good order at the end."""
    config = configuration(app, protocol, port=free_port(), **options)
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        deadline = time.monotonic() + 15
        while not server.started:
            assert thread.is_alive(), "the server did not start"
            assert time.monotonic() < deadline, "the server did not start in time"
            time.sleep(0.01)
        yield config.port
    finally:
        server.should_exit = True
        thread.join()


class Peer:
    """A client that decides itself which bytes go out when, and reads what answers come."""

    def __init__(self, port: int) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=15)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._read = b""

    def __enter__(self) -> Peer:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Hang up."""
        self._socket.close()

    def send(self, data: bytes) -> None:
        """Send bytes, at once."""
        self._socket.sendall(data)

    def sends_all(self, pieces: Iterable[bytes]) -> bool:
        """Send one after another; false where the server hangs up before the last."""
        try:
            for piece in pieces:
                self.send(piece)
        except (ConnectionResetError, BrokenPipeError):
            return False
        return True

    def head(self) -> tuple[int, dict[str, str]]:
        """The head of the next answer: status, headers in lower case."""
        while b"\r\n\r\n" not in self._read:
            self._more()
        head, _, self._read = self._read.partition(b"\r\n\r\n")
        first, *lines = head.decode().split("\r\n")
        headers = {name.lower(): value for name, value in (line.split(": ", 1) for line in lines)}
        return int(first.split()[1]), headers

    def answer(self) -> tuple[int, dict[str, str], bytes]:
        """The next answer: status, headers in lower case, body."""
        status, headers = self.head()
        length = int(headers["content-length"])
        while len(self._read) < length:
            self._more()
        body, self._read = self._read[:length], self._read[length:]
        return status, headers, body

    def continued(self) -> bool:
        """Whether what comes next is the go-ahead for a body."""
        while b"\r\n\r\n" not in self._read:
            self._more()
        head, _, self._read = self._read.partition(b"\r\n\r\n")
        return head == b"HTTP/1.1 100 Continue"

    def is_hung_up(self) -> bool:
        """Wait until the server ends the connection; false where it sends something instead."""
        try:
            return self._socket.recv(1) == b""
        except ConnectionResetError:
            return True

    def read(self, most: int) -> int:
        """Read some bytes and forget them; return how many."""
        received = self._socket.recv(most)
        assert received, "the server hung up"
        return len(received)

    def _more(self) -> None:
        received = self._socket.recv(65536)
        assert received, f"the server hung up after {self._read[:500]!r}"
        self._read += received
