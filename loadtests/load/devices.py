"""Devices that post the generic form, and a check that each reading was stored, and once."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator
from itertools import cycle
from typing import Any, Protocol

from locust import FastHttpUser, events

from loadtests.load.process import number_of, options_of
from loadtests.support import keys


class Fleet:
    """This process's share of the devices of one kind; two processes never post for the same."""

    def __init__(self, kind: str, devices: int) -> None:
        self._kind = kind
        self._devices = devices
        self._last_ms: dict[int, int] = {}
        self._turns: Iterator[int] = iter(())

    def share(self, number: int, processes: int) -> None:
        """Take the devices that are process `number`'s."""
        mine = list(range(number, self._devices, processes))
        random.shuffle(mine)
        self._turns = cycle(mine)

    def reading(self) -> dict[str, Any]:
        """A reading of the next device, of now, or a millisecond after its last."""
        device = next(self._turns)
        moment = max(int(time.time() * 1000), self._last_ms.get(device, 0) + 1)
        self._last_ms[device] = moment
        return {
            "type": self._kind,
            "id": f"{self._kind}_{device}",
            "value1": round(random.uniform(0.1, 1.0), 3),
            "value2": round(random.uniform(20, 40), 1),
            "timestamp": moment,
        }


class Shared(Protocol):
    """Anything that is parted among processes."""

    def share(self, number: int, processes: int) -> None:
        """Take what is process `number`'s."""


def shared(*fleets: Shared) -> None:
    """Part fleets among locust's processes, once each knows its number."""

    @events.test_start.add_listener
    def _(environment: Any, **_: Any) -> None:
        options = options_of(environment)
        for fleet in fleets:
            fleet.share(number_of(environment, options), options.processes)


class Device(FastHttpUser):
    """A user that posts without pause; locust's faster client."""

    abstract = True
    connection_timeout = 10.0
    network_timeout = 30.0

    def post(self, fleet: Fleet, name: str) -> None:
        """Post one reading of a fleet's next device."""
        self.post_reading(fleet.reading(), name)

    def post_reading(self, reading: dict[str, Any], name: str) -> None:
        """Post one reading; anything but its being stored is a failure."""
        with self.client.post(
            "/v1/ingest",
            json=reading,
            headers=keys.headers(),
            name=name,
            catch_response=True,
        ) as response:
            if response.status_code != 201:
                response.failure(f"{response.status_code}: {(response.text or '')[:200]}")
            elif response.json() != {"accepted": 1, "duplicates": 0}:
                response.failure(f"not stored: {response.text}")
