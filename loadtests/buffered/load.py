"""Devices that post to a service at a rate, and remember what was acknowledged."""

from __future__ import annotations

import asyncio
import time
from collections import Counter, deque
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import msgspec
import psycopg

from loadtests.support.client import Client, Lost
from loadtests.support.stack import INGEST_PATH

# the energy of a reading, in kWh and mWh
_KWH = 0.42
_MWH = 420_000
_ACKNOWLEDGED = (201, 202)
_AGAIN_SECONDS = 0.2
# what is not acknowledged so long after the end is given up
_GIVE_UP_SECONDS = 120.0
_APART = timedelta(milliseconds=1)

Reading = tuple[str, datetime]


class Load:
    """Connections that each post for a device of their own; a failure is sent again."""

    def __init__(
        self,
        port: int,
        key: str,
        clients: int,
        rate: float,
        *,
        readings: int = 1,
        prefix: str = "M",
    ) -> None:
        """`rate`: readings a second, over all; `readings`: per request.

        `prefix`: of its meters, which no other load on the database has.
        """
        self.prefix = prefix
        # readings that were sent, once or more often
        self.posted = 0
        self.statuses: Counter[int] = Counter()
        self.acknowledged: set[Reading] = set()
        # sent, and never acknowledged: they may be stored, or not
        self.unknown: set[Reading] = set()
        self._clients = [Client(port, key) for _ in range(clients)]
        self._per_request = readings
        self._gap_seconds = clients * readings / rate
        self._ending = asyncio.Event()
        self._give_up_at = float("inf")
        self._tasks: list[asyncio.Task[None]] = []

    def start(self) -> None:
        """Begin to post."""
        self._tasks = [
            asyncio.create_task(
                self._post(f"{self.prefix}-{number}", client, number / len(self._clients))
            )
            for number, client in enumerate(self._clients)
        ]

    def end(self) -> None:
        """Have nothing new posted from now on."""
        self._ending.set()

    async def stop(self, patience_seconds: float = _GIVE_UP_SECONDS) -> None:
        """End; what was sent and not acknowledged is sent until it is, or the time is over."""
        self.end()
        self._give_up_at = time.monotonic() + patience_seconds
        await asyncio.gather(*self._tasks)
        for client in self._clients:
            client.close()

    async def _post(self, meter_id: str, client: Client, place: float) -> None:
        due = time.monotonic() + place * self._gap_seconds
        # devices of several readings per request keep them, and go on with what is new
        kept: deque[list[Reading]] = deque()
        last = datetime.now(UTC)
        while not self._ending.is_set():
            await asyncio.sleep(max(0.0, due - time.monotonic()))
            last = max(datetime.now(UTC), last + _APART)
            readings = [(meter_id, last + n * _APART) for n in range(self._per_request)]
            last = readings[-1][1]
            self.posted += len(readings)
            if not await self._send(client, readings):
                kept.append(readings)
                if self._per_request == 1:
                    await self._send_all(client, kept)
            # a device that was held up does not send all at once
            due = max(due + self._gap_seconds, time.monotonic() - 1)
        await self._send_all(client, kept)

    async def _send_all(self, client: Client, kept: deque[list[Reading]]) -> None:
        """Send until each is acknowledged, or the time is over."""
        while kept and time.monotonic() < self._give_up_at:
            if await self._send(client, kept[0]):
                kept.popleft()
            else:
                await asyncio.sleep(_AGAIN_SECONDS)
        while kept:
            self.unknown.update(kept.popleft())

    async def _send(self, client: Client, readings: Sequence[Reading]) -> bool:
        """Send readings once; whether they are acknowledged."""
        documents = [
            {"meterId": meter_id, "kwhConsumedAc": _KWH, "timestamp": ts}
            for meter_id, ts in readings
        ]
        body = msgspec.json.encode(documents if len(documents) > 1 else documents[0])
        try:
            status, _ = await client.request("POST", INGEST_PATH, body)
        except Lost:
            status = 0
        self.statuses[status] += 1
        if status not in _ACKNOWLEDGED:
            return False
        self.acknowledged.update(readings)
        return True


class Account(msgspec.Struct):
    """What became of what was acknowledged; `lost`, `doubled` and `strange` should be 0."""

    acknowledged: int
    stored: int
    lost: int
    doubled: int
    # stored, though nobody sent it
    strange: int
    # statuses of answers that nothing here explains
    unexpected: list[int]

    @property
    def holds(self) -> bool:
        """Whether each acknowledged reading is stored exactly once, and there is one."""
        return self.acknowledged > 0 and not (
            self.lost or self.doubled or self.strange or self.unexpected
        )

    def __str__(self) -> str:
        told = (
            f"acknowledged {self.acknowledged}, stored {self.stored}, lost {self.lost},"
            f" doubled {self.doubled}"
        )
        if self.strange:
            told += f", stored and never sent {self.strange}"
        if self.unexpected:
            told += f", answers that should not be {self.unexpected}"
        return told if self.acknowledged else f"{told}: nothing was acknowledged"


def account(database_url: str, load: Load, expected: Sequence[int] = (202, 503)) -> Account:
    """Compare what a database has with what was acknowledged; sums count, not only rows.

    What was answered with 503 for good may be stored, once.
    """
    with psycopg.connect(database_url) as connection:
        rows = connection.execute(
            "SELECT m.meter_id, m.ts, sum(m.energy_mwh), count(*) FROM telemetry.meter_reading AS m"
            " WHERE starts_with(m.meter_id, %s) GROUP BY m.meter_id, m.ts",
            [load.prefix],
        ).fetchall()
    stored = {(meter_id, ts) for meter_id, ts, _, _ in rows}
    return Account(
        acknowledged=len(load.acknowledged),
        stored=len(stored),
        lost=len(load.acknowledged - stored),
        doubled=sum(1 for _, _, energy, count in rows if energy != _MWH or count != 1),
        strange=len(stored - load.acknowledged - load.unknown),
        unexpected=sorted(set(load.statuses) - set(expected)),
    )
