"""Devices that post live, gateways that upload a backlog, and devices that come back."""

from __future__ import annotations

import asyncio
import json
import random
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from typing import Any

from loadtests.support.client import Client, Lost
from loadtests.support.paced import Paced, Request

MINUTE_MS = 60_000
_AGAIN_SECONDS = 0.2
_STORED = (201, 207)


class Refused(Exception):
    """Readings that were to be stored were refused; the answer says why."""


class Device:
    """A meter with a lifetime register, or one that sends differences."""

    def __init__(self, name: str, number: int) -> None:
        self.is_register = number % 2 == 0
        self.id = f"{name}-{number}"
        self._level_mwh = 1_000_000_000 + number

    def next(self, at_ms: int, energy_mwh: int) -> dict[str, Any]:
        """Count so much, and report it as of a time."""
        self._level_mwh += energy_mwh
        reading = {"meterId": self.id, "timestamp": at_ms, "voltage": 230.5}
        if self.is_register:
            return reading | {"kwhTotalAc": self._level_mwh / 1_000_000}
        return reading | {"kwhConsumedAc": energy_mwh / 1_000_000}


class Live(Paced):
    """Devices that post what they count at the moment, one reading per request."""

    def __init__(self, port: int, key: str, devices: int, clients: int, rate: float) -> None:
        super().__init__(port, key, clients)
        self.rate = rate
        # of each request that was stored at the first attempt
        self.taken_seconds: list[float] = []
        devices = max(devices, clients)
        self._devices = [Device("LIVE", number) for number in range(devices)]
        self._next = list(range(clients))
        self._last_ms = [0] * devices

    def choose(self, client: int, chance: random.Random) -> Request:
        """The next reading of one of the client's devices."""
        number = self._next[client]
        self._next[client] = (
            number + self._clients if number + self._clients < len(self._devices) else client
        )
        at = self._last_ms[number] = max(int(time.time() * 1000), self._last_ms[number] + 1)
        reading = self._devices[number].next(at, 1000 * chance.randint(1, 50))
        return 1, lambda by: self._post(by, reading)

    async def _post(self, client: Client, reading: dict[str, Any]) -> None:
        began = time.monotonic()
        if await post(client, [reading]) == 1:
            self.taken_seconds.append(time.monotonic() - began)


async def post(client: Client, readings: Sequence[dict[str, Any]]) -> int:
    """Send a request until it is stored; return how many attempts that took. Raises Refused."""
    body = json.dumps(readings).encode()
    attempts = 1
    while True:
        try:
            status, answer = await client.request("POST", "/v1/ingest", body)
        except Lost:
            status, answer = 0, b""
        if status == 400 or (status in _STORED and b'"rejected":[{' in answer):
            raise Refused(answer[:500].decode(errors="replace"))
        if status in _STORED:
            return attempts
        attempts += 1
        await asyncio.sleep(_AGAIN_SECONDS)


def kept_readings(device: Device, until_ms: int, minutes: int) -> list[dict[str, Any]]:
    """What a device kept while its gateway was cut off: one reading per minute."""
    chance = random.Random(device.id)
    shift = chance.randrange(MINUTE_MS)
    return [
        # at night, and between charges, it counts nothing
        device.next(
            until_ms - minute * MINUTE_MS + shift,
            1000 * chance.randint(20, 180) if minute // 180 % 3 else 0,
        )
        for minute in range(minutes, 0, -1)
    ]


class Gateway:
    """Devices whose readings a gateway kept for days, and uploads in a process of its own.

    So the one that posts live readings, and takes their time, has no other work.
    """

    def __init__(self, name: str, devices: int, days: int, until_ms: int) -> None:
        self._kept = name, devices, days * 1440, until_ms
        self._process = ProcessPoolExecutor(1, mp_context=get_context("spawn"))

    async def prepare(self) -> None:
        """Start the process, and have all readings there."""
        await self._do(_keep, *self._kept)

    async def upload(self, port: int, key: str, size: int, *, newest_first: bool) -> None:
        """Send each device's queue, a request of so many readings at a time, by turns; end."""
        try:
            await self._do(_upload, port, key, size, newest_first)
        finally:
            self._process.shutdown()

    async def _do(self, work: Callable[..., None], *arguments: object) -> None:
        await asyncio.get_running_loop().run_in_executor(self._process, work, *arguments)


# of the gateway's process
_queues: list[list[dict[str, Any]]] = []


def _keep(name: str, devices: int, minutes: int, until_ms: int) -> None:
    _queues[:] = [
        kept_readings(Device(name, number), until_ms, minutes) for number in range(devices)
    ]


def _upload(port: int, key: str, size: int, newest_first: bool) -> None:
    asyncio.run(upload(port, key, _queues, size, newest_first=newest_first))


async def upload(
    port: int, key: str, queues: Sequence[list[dict[str, Any]]], size: int, *, newest_first: bool
) -> None:
    """Send each device's queue, a request of so many readings at a time, device after device."""
    client = Client(port, key)
    try:
        longest = max(len(queue) for queue in queues)
        for start in range(0, longest, size):
            for queue in queues:
                ordered = queue[::-1] if newest_first else queue
                if piece := ordered[start : start + size]:
                    await post(client, piece)
    finally:
        client.close()


async def report_once(
    port: int, key: str, devices: Sequence[Device], at_ms: int, energy_mwh: int, size: int = 500
) -> None:
    """A reading of each device, of about the same time, by one gateway."""
    client = Client(port, key)
    chance = random.Random(at_ms)
    try:
        readings = [
            device.next(at_ms - chance.randrange(MINUTE_MS), energy_mwh) for device in devices
        ]
        for start in range(0, len(readings), size):
            await post(client, readings[start : start + size])
    finally:
        client.close()
