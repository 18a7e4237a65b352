"""Fleet that posts without pause, sends again what was not acknowledged, and keeps the count.

Of each device only the number of readings and the sum of their energy is kept: that is what must
be stored in the end, to the milliwatt-hour. Of those with registers each reading is kept.
"""

from __future__ import annotations

import asyncio
import json
import random
import time
from collections import Counter, deque
from collections.abc import Iterator

from loadtests.support.client import Client, Lost
from loadtests.support.device import CountedDevice
from loadtests.support.paced import Paced, Request

# of a client's requests, in hundredths: batches, and reads; the rest are single readings
_BATCHES, _READS = 10, 3
_BATCH_READINGS = 40
_AGAIN_SECONDS = 0.1
# of one with a register, of so many readings one is sent after all others
_HELD_BACK = 8


class Device(CountedDevice):
    """A meter or a vehicle whose clock may jump: no two of its readings are of one moment.

    One with a register holds some back, and sends them late.
    """

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.clock_off_ms = 0
        self._last_ms = 0
        # readings may be of one moment where clocks jump: none twice
        self._taken_while_off: set[int] = set()
        self._held: deque[tuple[int, int]] = deque()
        self._turn = 0

    def next(self) -> tuple[int, int]:
        """The next reading: its time in epoch milliseconds, and what it measured."""
        self._turn += 1
        if self._turn % _HELD_BACK == 0 and self._held:
            return self._held.popleft()
        taken = self._take()
        if self.is_register and self._turn % _HELD_BACK == 1:
            self._held.append(taken)
            return self._take()
        return taken

    def _take(self) -> tuple[int, int]:
        now = int(time.time() * 1000)
        if self.clock_off_ms:
            at = now + self.clock_off_ms
            while at in self._taken_while_off:
                at += 1
            self._taken_while_off.add(at)
        else:
            at = self._last_ms = max(now, self._last_ms + 1)
        return at, self.measure(at)


class Fleet(Paced):
    """Clients that each post for some devices, at a rate in all, until told to stop or pause."""

    def __init__(self, port: int, key: str, devices: int, clients: int) -> None:
        super().__init__(port, key, clients)
        self.devices = [Device(number) for number in range(devices)]
        self.answers: Counter[str] = Counter()
        self.acknowledged_at = 0.0
        # the first acknowledgement after the last failure; None while requests fail
        self.well_since: float | None = None
        self._turns = [_turns(self.devices[number::clients]) for number in range(clients)]

    @property
    def readings(self) -> int:
        """How many are acknowledged."""
        return sum(device.readings for device in self.devices)

    def choose(self, client: int, chance: random.Random) -> Request:
        """A single reading, or now and then a batch or a read."""
        kind = chance.randrange(100)
        turns = self._turns[client]
        if kind >= 100 - _READS:
            return 1, lambda by: self._read(by, next(turns))
        size = _BATCH_READINGS if kind < _BATCHES else 1
        return size, lambda by: self._post(by, [next(turns) for _ in range(size)])

    async def _read(self, client: Client, device: Device) -> None:
        path = f"/v1/{'meters' if device.is_meter else 'vehicles'}/{device.id}"
        try:
            status, _ = await client.request("GET", path, b"")
        except Lost:
            status = 0
        self.answers[f"GET {status}"] += 1

    async def _post(self, client: Client, devices: list[Device]) -> None:
        """Send a reading of each device, again and again until the service has decided on all."""
        taken = [(device, *device.next()) for device in devices]
        documents = [device.document(at, energy) for device, at, energy in taken]
        body = json.dumps(documents if len(documents) > 1 else documents[0]).encode()
        while True:
            try:
                status, answer = await client.request("POST", "/v1/ingest", body)
            except Lost:
                status, answer = 0, b""
            self.answers[f"POST {status}"] += 1
            if status in (201, 202, 207, 400):
                break
            self.well_since = None
            await asyncio.sleep(_AGAIN_SECONDS)
        refused = {entry["index"]: entry["reason"] for entry in _rejected(status, answer)}
        for place, (device, at, energy) in enumerate(taken):
            if place not in refused:
                device.acknowledge(at, energy)
            else:
                self.answers[f"refused as {refused[place]}"] += 1
        self.acknowledged_at = time.monotonic()
        if self.well_since is None:
            self.well_since = self.acknowledged_at


def _turns(devices: list[Device]) -> Iterator[Device]:
    while True:
        yield from devices


def _rejected(status: int, answer: bytes) -> list[dict[str, object]]:
    return [] if status in (201, 202) else json.loads(answer)["rejected"]
