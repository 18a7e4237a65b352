"""Delay from the post of a reading until it is in the ledger, beside load at a rate."""

from __future__ import annotations

import asyncio
import time
from concurrent.futures import ProcessPoolExecutor
from datetime import UTC, datetime
from typing import NamedTuple

import msgspec
import psycopg

from loadtests.benchmark import open_loop
from loadtests.support import wrk
from loadtests.support.client import Client
from loadtests.support.percentiles import Latency
from loadtests.support.stack import INGEST_PATH, Server

_PROBES = 4
_PAUSE_SECONDS = 0.02
_LOOK_SECONDS = 0.001
_LOST_SECONDS = 60.0
_CONNECTIONS = 100
_VISIBLE = "SELECT 1 FROM telemetry.meter_reading AS m WHERE m.meter_id = %s AND m.ts = %s"


class Delay(NamedTuple):
    """What probes saw, in milliseconds: until the answer, and until the ledger has the reading."""

    answered: Latency
    visible: Latency
    probes: int
    # of the load beside them
    rate: float
    errors: int


def delay(server: Server, key: str, database_url: str, rate: float, seconds: float) -> Delay:
    """Post to a service at a rate, and follow single readings into the ledger beside that."""
    with ProcessPoolExecutor(1) as beside:
        load = beside.submit(_load, server.port, rate, seconds)
        answered, visible = asyncio.run(_probe_all(server.port, key, database_url, seconds))
        outcome = load.result()
    return Delay(
        Latency.of(answered),
        Latency.of(visible),
        len(visible),
        outcome.answered_per_second,
        outcome.errors,
    )


def _load(port: int, rate: float, seconds: float) -> open_loop.Outcome:
    request = open_loop.requests(INGEST_PATH, "json", wrk.DEVICES, wrk.Times().take())
    return open_loop.run(port, request, _CONNECTIONS, rate, seconds)


async def _probe_all(
    port: int, key: str, database_url: str, seconds: float
) -> tuple[list[float], list[float]]:
    answered: list[float] = []
    visible: list[float] = []
    # the load warms up meanwhile
    await asyncio.sleep(2)
    end = time.monotonic() + seconds - 2

    async def probe(number: int) -> None:
        client = Client(port, key)
        connection = await psycopg.AsyncConnection.connect(database_url, autocommit=True)
        meter_id = f"PROBE-{port}-{number}"
        while time.monotonic() < end:
            ts = datetime.now(UTC)
            reading = {"meterId": meter_id, "kwhConsumedAc": 0.1, "timestamp": ts}
            body = msgspec.json.encode(reading)
            began = time.perf_counter()
            status, _ = await client.request("POST", INGEST_PATH, body)
            if status not in (201, 202):
                raise RuntimeError(f"a single reading was answered with {status}")
            answered.append(time.perf_counter() - began)
            while not await (await connection.execute(_VISIBLE, [meter_id, ts])).fetchone():
                if time.perf_counter() - began > _LOST_SECONDS:
                    raise RuntimeError("a reading that was acknowledged is not in the ledger")
                await asyncio.sleep(_LOOK_SECONDS)
            visible.append(time.perf_counter() - began)
            await asyncio.sleep(_PAUSE_SECONDS)
        client.close()
        await connection.close()

    await asyncio.gather(*(probe(number) for number in range(_PROBES)))
    return answered, visible
