"""Service of a demonstration: started beside it, and posted to over HTTP as devices do."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from email.message import Message
from typing import Any, Self
from urllib.error import HTTPError, URLError
from urllib.parse import quote
from urllib.request import Request, urlopen

from service.demo.document import document
from service.demo.posting import Refused
from service.demo.simulation import Hour, Link
from service.embedded import ports

# ends with what started it, also where that is killed: then its input ends
_CHILD = """
import os, signal, sys, threading
def watch():
    # not by sys.stdin, whose lock would end a service that fails without its reason
    while os.read(0, 1):
        pass
    os.kill(os.getpid(), signal.SIGTERM)
threading.Thread(target=watch, daemon=True).start()
from service.cli import main
main()
"""
# of another service's address and database there
_NOT_OURS = ("READ_DATABASE_URL", "WATTLEDGER_ROOT_PATH", "WATTLEDGER_TRUSTED_PROXIES")
_HOST = "127.0.0.1"
_START_SECONDS = 60
_STOP_SECONDS = 40
_PATIENCE_SECONDS = 120
# per request: each device reports once in a while, so most need one
_GROUP = 1000


class Failed(Exception):
    """The service did not start, or does not answer; the message says what it said itself."""


class Service:
    """A service in a process of its own; use it as a context manager.

    `base` is its URL. Port 0: one that is free.
    """

    def __init__(self, database_url: str, key: str, port: int) -> None:
        self._database_url = database_url
        self._headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
        self._port = port or ports.free_port()
        self.base = f"http://{_HOST}:{self._port}"

    def __enter__(self) -> Self:
        environment = {name: value for name, value in os.environ.items() if name not in _NOT_OURS}
        environment |= {
            "DATABASE_URL": self._database_url,
            "WATTLEDGER_HOST": _HOST,
            "WATTLEDGER_PORT": str(self._port),
            "WATTLEDGER_WORKERS": "1",
        }
        # what it logs is for when it fails
        self._log = tempfile.TemporaryFile()
        self._process = subprocess.Popen(
            [sys.executable, "-c", _CHILD, "serve"],
            env=environment,
            stdin=subprocess.PIPE,
            stdout=self._log,
            stderr=self._log,
            # Ctrl-C is for the demonstration, which stops it when it has posted
            start_new_session=True,
        )
        try:
            self._await_ready()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        process = self._process
        process.terminate()
        try:
            process.communicate(timeout=_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()
        self._log.close()

    def post(self, hour: Hour) -> None:
        """Post an hour's links, then its readings. Raises Failed, Refused."""
        for link in hour.links:
            self._send("PUT", f"/v1/links/{quote(link.vehicle_id, safe='')}", _said(link))
        readings = [document(sent) for sent in (*hour.meters, *hour.vehicles)]
        for group in (readings[at : at + _GROUP] for at in range(0, len(readings), _GROUP)):
            answer = self._send("POST", "/v1/ingest", group)
            for entry in answer.get("rejected", ()):
                raise Refused(f"{group[entry['index']]}: {entry}")

    def _await_ready(self) -> None:
        deadline = time.monotonic() + _START_SECONDS
        while True:
            try:
                with urlopen(f"{self.base}/health/ready", timeout=5):  # noqa: S310  http
                    return
            except OSError as error:
                self._check_alive()
                if time.monotonic() > deadline:
                    raise Failed(f"the service is not ready: {error}; {self._words()}") from error
            time.sleep(0.1)

    def _send(self, method: str, path: str, content: object) -> dict[str, Any]:
        """Send a document until it is taken; the answer."""
        data = json.dumps(content).encode()
        request = Request(self.base + path, data, self._headers, method=method)  # noqa: S310  http
        deadline = time.monotonic() + _PATIENCE_SECONDS
        while True:
            try:
                with urlopen(request, timeout=30) as answer:  # noqa: S310  http
                    return json.load(answer)
            except HTTPError as error:
                told, wait = error.read(), _seconds(error.headers)
                if error.code == 400 and b'"rejected"' in told:
                    return json.loads(told)
                reason = f"{error.code}: {told.decode(errors='replace')}"
                if error.code < 500 and error.code != 429:
                    raise Refused(f"{method} {path}: {reason}") from error
            except (URLError, OSError) as error:
                reason, wait = str(error), 1.0
            # sending it again is safe
            self._check_alive()
            if time.monotonic() > deadline:
                raise Failed(f"the service does not take {method} {path}: {reason}")
            time.sleep(wait)

    def _check_alive(self) -> None:
        if self._process.poll() is not None:
            raise Failed(f"the service ended: {self._words()}")

    def _words(self) -> str:
        self._log.seek(0)
        lines = self._log.read().decode(errors="replace").strip().splitlines()
        return "; ".join(lines[-3:]) or "it said nothing"


def check_free(port: int) -> None:
    """Raises Failed where a port, which is not 0, cannot be listened on."""
    if (obstacle := ports.obstacle(port)) is not None:
        raise Failed(
            f"port {port} of {_HOST} cannot be had: {obstacle.strerror}; name another by --port"
        )


def _said(link: Link) -> dict[str, object]:
    since, until = link.since.isoformat(), link.until.isoformat()
    return {"meterId": link.meter_id, "from": since, "to": until, "replace": True}


def _seconds(headers: Message) -> float:
    try:
        return min(10.0, float(headers.get("Retry-After", 1)))
    except ValueError:
        return 1.0
