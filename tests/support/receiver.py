"""A receiver of webhooks: a real server on a port of its own, that answers as a test tells it."""

from __future__ import annotations

import os
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from tests.support.packages import command


class Received(NamedTuple):
    """A request as it came."""

    line: str
    headers: dict[str, str]
    body: bytes
    at: float

    @property
    def message(self) -> dict[str, Any]:
        """What its body says."""
        return msgspec.json.decode(self.body)


Answer = Callable[[Received, socket.socket], None]


def answers(status: int, body: bytes = b"", *headers: str) -> Answer:
    """A whole answer."""
    head = [f"HTTP/1.1 {status} X", f"Content-Length: {len(body)}", *headers]
    return says("\r\n".join(head).encode() + b"\r\n\r\n" + body)


def says(data: bytes) -> Answer:
    """These bytes, and then the end."""

    def answer(_: Received, peer: socket.socket) -> None:
        peer.sendall(data)

    return answer


def drips(data: bytes, every_seconds: float) -> Answer:
    """A byte now and then, for ever."""

    def answer(_: Received, peer: socket.socket) -> None:
        peer.sendall(data)
        while True:
            peer.sendall(b"x")
            time.sleep(every_seconds)

    return answer


class Receiver:
    """What came, and how the next request is answered."""

    def __init__(self, tls: ssl.SSLContext | None) -> None:
        self.received: list[Received] = []
        self.answer: Answer = answers(204)
        self._tls = tls
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._socket.getsockname()[1]
        self.url = f"{'https' if tls else 'http'}://127.0.0.1:{self.port}/hook"
        self.connections = 0
        self.at_once = self.most_at_once = 0
        self._lock = threading.Lock()
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        """Take no more."""
        self._socket.close()

    def wait_for(self, count: int, seconds: float = 15) -> list[Received]:
        """What came, once that is so much. Fails where it does not come."""
        deadline = time.monotonic() + seconds
        while len(self.received) < count:
            assert time.monotonic() < deadline, f"{len(self.received)} of {count} came"
            time.sleep(0.01)
        return self.received

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                peer, _ = self._socket.accept()
                self.connections += 1
                threading.Thread(target=self._serve, args=(peer,), daemon=True).start()

    def _serve(self, peer: socket.socket) -> None:
        with suppress(OSError), peer:
            peer.settimeout(30)
            if self._tls is None:
                self._talk(peer)
            else:
                with self._tls.wrap_socket(peer, server_side=True) as secure:
                    self._talk(secure)

    def _talk(self, peer: socket.socket) -> None:
        data = b""
        while b"\r\n\r\n" not in data:
            if not (more := peer.recv(65536)):
                return
            data += more
            if not data.startswith(b"POST"[: len(data)]):
                # as servers do with TLS where they expect none
                peer.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")
                return
        head, _, body = data.partition(b"\r\n\r\n")
        line, *lines = head.decode().split("\r\n")
        headers = {name.lower(): value for name, value in (one.split(": ", 1) for one in lines)}
        while len(body) < int(headers["content-length"]):
            body += peer.recv(65536)
        request = Received(line, headers, body, time.time())
        with self._lock:
            self.received.append(request)
            self.at_once += 1
            self.most_at_once = max(self.most_at_once, self.at_once)
        try:
            self.answer(request, peer)
        finally:
            with self._lock:
                self.at_once -= 1


@contextmanager
def receiving(tls: ssl.SSLContext | None = None) -> Iterator[Receiver]:
    """Start a receiver, of HTTP or of HTTPS; stop it at the end."""
    receiver = Receiver(tls)
    try:
        yield receiver
    finally:
        receiver.close()


def certified(place: Path, name: str) -> tuple[ssl.SSLContext, Path]:
    """TLS of a server with a new certificate for `name`, and that certificate to be trusted.

    `name` is like DNS:example.org or IP:127.0.0.1.
    """
    stem = name.replace(":", "_")
    config, key, made = place / "openssl.cnf", place / f"{stem}.key", place / f"{stem}.crt"
    config.write_text("[req]\ndistinguished_name = name\n[name]\n")
    subprocess.run(
        [
            *command("openssl", "usr/bin/openssl"),
            *("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"),
            *("-days", "2", "-subj", "/CN=receiver", "-addext", f"subjectAltName={name}"),
            *("-keyout", key, "-out", made),
        ],
        env={**os.environ, "OPENSSL_CONF": str(config)},
        check=True,
        capture_output=True,
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(made, key)
    return context, made
