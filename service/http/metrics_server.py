"""Server of the metrics at an address of their own, in a thread.

It answers whoever reaches the address, without a key: the supervisor with what its workers would,
even while none of them does.
"""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Mapping
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socketserver import TCPServer
from typing import Any
from urllib.parse import urlsplit

from service.metrics.board import Board
from service.metrics.exposition import CHARSET, MEDIA_TYPE, text
from service.settings import SettingsError

PATH = "/metrics"
METRICS_ADDRESS = "WATTLEDGER_METRICS_ADDRESS"
# a page beside the metrics: its status and JSON, asked for in the server's thread
Page = Callable[[], tuple[HTTPStatus, bytes]]
# in which a client has to send its request, and to read the answer
_CLIENT_SECONDS = 10.0


class MetricsServer:
    """Listens from the start; answers once it is started."""

    def __init__(
        self,
        address: str,
        board: Board | None,
        *,
        setting: str = METRICS_ADDRESS,
        pages: Mapping[str, Page] | None = None,
    ) -> None:
        """`address`: host:port, given by `setting`; `pages`: what else is there, by path.

        Raises SettingsError where it cannot be listened on.
        """
        host, port = _parsed(address, setting)
        kind = _Server6 if ":" in host else _Server
        try:
            self._server = kind((host, port), _Handler)
        except OSError as error:
            raise SettingsError(
                f"cannot listen on {setting}={address}: {error.strerror}"
            ) from error
        self._server.board = board
        self._server.pages = pages or {}
        self._thread: threading.Thread | None = None

    @property
    def port(self) -> int:
        """The port that it listens on."""
        return self._server.server_address[1]

    def start(self) -> None:
        """Answer from now on."""
        self._thread = threading.Thread(
            target=self._server.serve_forever, name="metrics", daemon=True
        )
        self._thread.start()

    def close(self) -> None:
        """Answer no more."""
        if self._thread is not None:
            self._server.shutdown()
        self._server.server_close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    board: Board | None = None
    pages: Mapping[str, Page] = {}

    def server_bind(self) -> None:
        """Bind, without asking for the machine's name, which may take long."""
        TCPServer.server_bind(self)
        self.server_name, self.server_port = self.server_address[:2]  # pyright: ignore[reportAttributeAccessIssue]

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that leaves is no news."""


class _Server6(_Server):
    address_family = socket.AF_INET6


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_version = "wattledger"
    sys_version = ""
    timeout = _CLIENT_SECONDS

    def do_GET(self) -> None:
        """Answer with the metrics, or another page."""
        server = self.server
        assert isinstance(server, _Server)  # noqa: S101  it is made with this handler
        path = urlsplit(self.path).path
        if path in server.pages:
            status, body = server.pages[path]()
            self._answer(status, "application/json", body)
            return
        if path != PATH or server.board is None:
            self._answer(HTTPStatus.NOT_FOUND, "text/plain", f"{PATH} is here\n".encode())
            return
        try:
            body = text(server.board)
        except OSError as error:
            message = f"the metrics cannot be read: {error}\n".encode()
            self._answer(HTTPStatus.SERVICE_UNAVAILABLE, "text/plain", message)
        else:
            self._answer(HTTPStatus.OK, MEDIA_TYPE + CHARSET, body)

    do_HEAD = do_GET  # noqa: N815  the library's name

    def _answer(self, status: HTTPStatus, media_type: str, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", media_type)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  the library's name
        """Write no log: whoever scrapes does so again and again."""


def _parsed(address: str, setting: str) -> tuple[str, int]:
    host, colon, port = address.rpartition(":")
    if not colon or not port.isdecimal() or not 1 <= int(port) <= 65535:
        raise SettingsError(
            f"{setting}={address!r} cannot be used: give it as host:port, such as 127.0.0.1:9464"
        )
    return host.strip("[]") or "0.0.0.0", int(port)  # noqa: S104  as told
