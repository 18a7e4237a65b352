"""Fleet that posts live, late, again and in conflict, and keeps the count of what is accepted."""

from __future__ import annotations

import asyncio
import json
import random
import time
from array import array
from collections import Counter

from loadtests.soak.devices import Device
from loadtests.soak.requests import Chooser, Kind, Sent
from loadtests.support.client import Client, Lost
from loadtests.support.paced import Paced, Request

_AGAIN_SECONDS = 0.2
_DECIDED = (201, 207, 400)
# of readings that are stored already, and of the time that was dropped meanwhile
_AS_IT_SHOULD_BE = {
    Kind.NEW: {"too_old"},
    Kind.AGAIN: {"too_old"},
    Kind.CONFLICTING: {"too_old", "conflict"},
}


class Fleet(Paced):
    """Clients that each post for some devices; what became of each request is counted."""

    def __init__(self, port: int, key: str, devices: int, clients: int) -> None:
        super().__init__(port, key, clients)
        self.devices = [Device(number) for number in range(devices)]
        # statuses and refusals, by what was sent
        self.answers: Counter[tuple[str, str]] = Counter()
        # answers that contradict what is stored, in words
        self.wrong: Counter[str] = Counter()
        # milliseconds of every live single reading that was stored at the first attempt
        self.live_ms = array("f")
        self._choosers = [Chooser(self.devices[number::clients]) for number in range(clients)]

    @property
    def readings(self) -> int:
        """How many are acknowledged."""
        return sum(device.readings for device in self.devices)

    def move_edge(self, oldest_ms: int) -> None:
        """Say which is the oldest time that is accepted now."""
        for chooser in self._choosers:
            chooser.edge_ms = oldest_ms

    def choose(self, client: int, chance: random.Random) -> Request:
        """Single readings, batches and backlogs."""
        name, sent = self._choosers[client].choose(chance)
        return len(sent), lambda by: self._post(by, name, sent)

    async def _post(self, client: Client, name: str, sent: list[Sent]) -> None:
        """Send a request again and again until the service has decided on all of it."""
        documents = [one.device.document(one.at, one.energy_mwh) for one in sent]
        body = json.dumps(documents if len(documents) > 1 else documents[0]).encode()
        began = time.monotonic()
        attempts = 1
        while True:
            try:
                status, answer = await client.request("POST", "/v1/ingest", body)
            except Lost:
                status, answer = 0, b""
            self.answers[name, str(status or "no answer")] += 1
            if status in _DECIDED:
                break
            attempts += 1
            await asyncio.sleep(_AGAIN_SECONDS)
        if name == "live" and attempts == 1 and status == 201:
            self.live_ms.append((time.monotonic() - began) * 1000)
        self._settle(name, sent, json.loads(answer), attempts)

    def _settle(self, name: str, sent: list[Sent], answer: dict[str, object], tries: int) -> None:
        """Count what is acknowledged, and what the answer says that cannot be."""
        rejected: list[dict[str, object]] = answer.get("rejected", [])  # type: ignore[assignment]
        refused = {entry["index"]: str(entry["reason"]) for entry in rejected}
        again = 0
        for place, one in enumerate(sent):
            reason = refused.get(place)
            if reason is not None:
                self.answers[name, f"refused: {reason}"] += 1
                if reason not in _AS_IT_SHOULD_BE[one.kind]:
                    self.wrong[f"{one.kind.value} reading refused: {reason}"] += 1
            elif one.kind is Kind.NEW:
                one.device.remember(one.at, one.energy_mwh)
            elif one.kind is Kind.AGAIN:
                again += 1
            else:
                self.wrong["conflicting reading accepted"] += 1
        # what was sent before may have been stored without an answer
        if tries == 1 and answer.get("duplicates", 0) != again:
            self.wrong["accepted as new what was acknowledged before, or the reverse"] += 1
