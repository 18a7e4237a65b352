"""Devices that post to a buffered service at a rate, and remember what was acknowledged."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from datetime import UTC, datetime

import msgspec
import psycopg

from loadtests.support.client import Client, Lost
from loadtests.support.stack import INGEST_PATH

# the energy of a reading, in kWh and mWh
_KWH = 0.42
_MWH = 420_000
_ACKNOWLEDGED = (201, 202)


class Load:
    """Connections that each post for a device of their own; a failure is sent again."""

    def __init__(self, port: int, key: str, clients: int, rate: float) -> None:
        """`rate`: readings a second, over all."""
        self.statuses: Counter[int] = Counter()
        self.acknowledged: set[tuple[str, datetime]] = set()
        self._clients = [Client(port, key) for _ in range(clients)]
        self._gap_seconds = clients / rate
        self._ending = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []

    def start(self) -> None:
        """Begin to post."""
        self._tasks = [
            asyncio.create_task(self._post(f"M-{number}", client))
            for number, client in enumerate(self._clients)
        ]

    async def stop(self) -> None:
        """End; what was sent and not acknowledged is sent until it is."""
        self._ending.set()
        await asyncio.gather(*self._tasks)
        for client in self._clients:
            client.close()

    async def _post(self, meter_id: str, client: Client) -> None:
        due = time.monotonic()
        while not self._ending.is_set():
            ts = datetime.now(UTC)
            reading = {"meterId": meter_id, "kwhConsumedAc": _KWH, "timestamp": ts}
            await self._send(client, msgspec.json.encode(reading))
            self.acknowledged.add((meter_id, ts))
            due = max(due + self._gap_seconds, time.monotonic() - 1)
            await asyncio.sleep(max(0.0, due - time.monotonic()))

    async def _send(self, client: Client, body: bytes) -> None:
        """Send a body until it is acknowledged."""
        while True:
            try:
                status, _ = await client.request("POST", INGEST_PATH, body)
            except Lost:
                status = 0
            self.statuses[status] += 1
            if status in _ACKNOWLEDGED:
                return
            await asyncio.sleep(0.2)


class Account(msgspec.Struct):
    """What became of what was acknowledged; `lost` and `doubled` should be 0."""

    acknowledged: int
    stored: int
    lost: int
    doubled: int

    @property
    def holds(self) -> bool:
        """Whether each acknowledged reading is stored exactly once, and nothing else is."""
        return self.lost == self.doubled == 0 and self.stored == self.acknowledged


def account(database_url: str, acknowledged: set[tuple[str, datetime]]) -> Account:
    """Compare what a database has with what was acknowledged; sums count, not only rows."""
    with psycopg.connect(database_url) as connection:
        rows = connection.execute(
            "SELECT m.meter_id, m.ts, sum(m.energy_mwh), count(*) FROM telemetry.meter_reading AS m"
            " GROUP BY m.meter_id, m.ts"
        ).fetchall()
    stored = {(meter_id, ts) for meter_id, ts, _, _ in rows}
    doubled = sum(1 for _, _, energy, count in rows if energy != _MWH or count != 1)
    return Account(len(acknowledged), len(stored), len(acknowledged - stored), doubled)
