"""Load that arrives on a fixed schedule, whether or not the answers keep up.

Latency counts from the time a request was to be sent, so that a server which stalls is charged for
all that should have arrived meanwhile (no "coordinated omission").
"""

from __future__ import annotations

import asyncio
import gc
import re
import time
from collections import deque
from collections.abc import Callable
from typing import cast

import uvloop

from loadtests.support import keys
from loadtests.support.percentiles import Latency

_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_WARM_UP_SECONDS = 1.0
_DRAIN_SECONDS = 10.0
_TICK_SECONDS = 0.001


class Outcome:
    """What one run saw; `late_ms` is how late the generator itself sent, at its 99th percentile."""

    def __init__(self, load: _Load, seconds: float) -> None:
        self.answered_per_second = len(load.latencies) / seconds
        self.latency = Latency.of(load.latencies)
        self.errors = load.errors
        self.late_ms = Latency.of(load.lateness).p99 if load.lateness else 0.0


class _Connection(asyncio.Protocol):
    """One keep-alive connection with at most one request under way."""

    def __init__(self, load: _Load) -> None:
        self._load = load
        self._received = b""
        self._transport: asyncio.WriteTransport
        self.intended: float | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports are none of asyncio's classes
        self._transport = cast("asyncio.WriteTransport", transport)

    def send(self, request: bytes, intended: float) -> None:
        """Send a request that was due at `intended`."""
        self.intended = intended
        self._transport.write(request)

    def close(self) -> None:
        """Close it; what is under way is lost."""
        self._transport.close()

    def data_received(self, data: bytes) -> None:
        received = self._received + data if self._received else data
        end = received.find(b"\r\n\r\n")
        length = _LENGTH.search(received, 0, end + 2) if end >= 0 else None
        if length is None or len(received) < end + 4 + int(length[1]):
            self._received = received
            return
        self._received = b""
        intended, self.intended = self.intended, None
        good = received.startswith(b"HTTP/1.1 201") and received.endswith(b'"duplicates":0}')
        # a buffer knows no duplicates
        good = good or received.startswith(b"HTTP/1.1 202")
        self._load.answered(self, intended or 0.0, good)

    def connection_lost(self, _: Exception | None) -> None:
        self._load.lost(self)


class _Load:
    """Connections, the schedule, and what came of it."""

    def __init__(self, request: Callable[[], bytes], rate: float | None, seconds: float) -> None:
        self._request = request
        self._rate = rate
        self._idle: list[_Connection] = []
        self._all: list[_Connection] = []
        self._due: deque[float] = deque()
        self._seconds = seconds
        self._count_from = self._end = 0.0
        self._closing = False
        self.latencies: list[float] = []
        self.lateness: list[float] = []
        self.errors = 0

    async def run(self, port: int, connections: int) -> None:
        """Send for as long as told, then wait for what is under way."""
        loop = asyncio.get_running_loop()
        for _ in range(connections):
            _, connection = await loop.create_connection(
                lambda: _Connection(self), "127.0.0.1", port
            )
            self._all.append(connection)
        self._idle = list(self._all)
        began = time.perf_counter()
        self._count_from = began + _WARM_UP_SECONDS
        self._end = self._count_from + self._seconds
        if self._rate is None:
            while self._idle:
                self._send(self._idle.pop(), time.perf_counter())
            await asyncio.sleep(self._end - time.perf_counter())
        else:
            await self._follow_schedule(began, self._rate)
        deadline = time.perf_counter() + _DRAIN_SECONDS
        while self._outstanding() and time.perf_counter() < deadline:  # noqa: ASYNC110  no hurry
            await asyncio.sleep(0.01)
        self._count_unanswered()
        self._closing = True
        for connection in self._all:
            connection.close()

    async def _follow_schedule(self, began: float, rate: float) -> None:
        sent = 0
        while (now := time.perf_counter()) < self._end:
            due = int((now - began) * rate)
            while sent < due:
                intended = began + sent / rate
                sent += 1
                if self._idle:
                    now = time.perf_counter()
                    self.lateness.append(now - intended)
                    self._send(self._idle.pop(), intended)
                else:
                    self._due.append(intended)
            await asyncio.sleep(_TICK_SECONDS)

    def _send(self, connection: _Connection, intended: float) -> None:
        connection.send(self._request(), intended)

    def answered(self, connection: _Connection, intended: float, good: bool) -> None:
        """Note an answer, and give the connection what is due."""
        now = time.perf_counter()
        if not good:
            self.errors += 1
        if intended >= self._count_from:
            self.latencies.append(now - intended)
        if self._due:
            self._send(connection, self._due.popleft())
        elif self._rate is None and now < self._end:
            self._send(connection, now)
        else:
            self._idle.append(connection)

    def lost(self, connection: _Connection) -> None:
        """Note a connection that the server closed."""
        if not self._closing:
            self.errors += 1
            self._all.remove(connection)
            if connection in self._idle:
                self._idle.remove(connection)

    def _outstanding(self) -> bool:
        return bool(self._due) or len(self._idle) < len(self._all)

    def _count_unanswered(self) -> None:
        """What never came is an error, and no faster than the time we waited for it."""
        now = time.perf_counter()
        under_way = [one.intended for one in self._all if one.intended is not None]
        for intended in [*under_way, *self._due]:
            self.errors += 1
            self.latencies.append(now - intended)


def run(
    port: int, request: Callable[[], bytes], connections: int, rate: float | None, seconds: float
) -> Outcome:
    """Send what `request` makes at `rate` per second; None for as fast as answers come."""
    load = _Load(request, rate, seconds)
    gc.collect()
    gc.disable()  # a collection of ours would count as the server's latency
    try:
        uvloop.run(load.run(port, connections))
    finally:
        gc.enable()
    return Outcome(load, seconds)


def requests(path: str, shape: str, devices: int, first_ms: int) -> Callable[[], bytes]:
    """A maker of HTTP requests with one reading each, in the form `shape` (json or generic)."""
    around = [_around(shape, device) for device in range(devices)]
    lines = ["Host: 127.0.0.1", "Content-Type: application/json"]
    lines += [f"{name}: {value}" for name, value in keys.headers().items()]
    head = "\r\n".join([f"POST {path} HTTP/1.1", *lines, ""])
    heads = [f"{head}Content-Length: {len(text) + 14}\r\n\r\n{text}".encode() for text in around]
    turn = 0

    def make() -> bytes:
        nonlocal turn
        round_, device = divmod(turn, devices)
        turn += 1
        return b"%b%d}" % (heads[device], first_ms + round_)  # 13 digits and a brace

    return make


def _around(shape: str, device: int) -> str:
    """What stands before the time in a device's reading."""
    kind = "vehicle" if device % 2 else "meter"
    value = (device % 97 + 1) / 100
    if shape == "generic":
        return (
            f'{{"type":"{kind}","id":"{kind}_{device}","value1":{value},"value2":21.5,"timestamp":'
        )
    if kind == "meter":
        return (
            f'{{"type":"meter","meterId":"M-{device}","kwhConsumedAc":{value},"voltage":231.2,'
            '"timestamp":'
        )
    return (
        f'{{"type":"vehicle","vehicleId":"V-{device}","soc":81.5,"kwhDeliveredDc":{value},'
        '"batteryTemp":31.2,"timestamp":'
    )
