"""Fleets that post over HTTP at a rate, and what service and database use meanwhile."""

from __future__ import annotations

import asyncio
import json
import time
from typing import NamedTuple

import psycopg

from loadtests.load.played import Device
from loadtests.sizing.model import Point
from loadtests.support import cpu
from loadtests.support.client import Client
from loadtests.support.stack import Server
from service.embedded import Cluster

_CLIENTS = 64
_WAL = "SELECT (pg_current_wal_insert_lsn() - '0/0'::pg_lsn)::float8"
_SESSIONS = "SELECT count(*) FROM pg_stat_activity AS a WHERE a.usename = 'wattledger_service'"
_RAW = """
SELECT sum(public.hypertable_size(h.h))::float8
FROM (VALUES ('telemetry.meter_reading'::regclass), ('telemetry.vehicle_reading')) AS h (h)
"""
# connections, plans, and the first readings of all
_WARM_UP_SECONDS = 5.0


class Fleet(NamedTuple):
    """How many devices post, how many for each request, and readings per second in all."""

    devices: int
    batch: int
    rate: float


class Used:
    """What is used up to now; the difference of two is what was used between them."""

    def __init__(self, cluster: Cluster, service: Server) -> None:
        self._cluster = cluster
        self._service = service

    def now(self) -> dict[str, float]:
        """Processor seconds, bytes of WAL and of raw readings on disk, since ever."""
        with psycopg.connect(self._cluster.url(), autocommit=True) as connection:
            wal, raw = (self._number(connection, query) for query in (_WAL, _RAW))
        return {
            "service": cpu.seconds(self._service.pid),
            "database": cpu.seconds(self._cluster.postmaster_pid()),
            "wal": wal,
            "raw": raw,
        }

    def sessions(self) -> int:
        """How many connections the service has."""
        with psycopg.connect(self._cluster.url(), autocommit=True) as connection:
            return int(self._number(connection, _SESSIONS))

    def _number(self, connection: psycopg.Connection, query: str) -> float:
        row = connection.execute(query.encode()).fetchone()
        return float(row[0]) if row and row[0] is not None else 0.0


def idle(used: Used, seconds: float) -> dict[str, float]:
    """What a second takes in which nothing is posted."""
    before = used.now()
    began = time.monotonic()
    time.sleep(seconds)
    wall = time.monotonic() - began
    return {name: (value - before[name]) / wall for name, value in used.now().items()}


async def post(
    name: str, fleet: Fleet, used: Used, port: int, key: str, seconds: float, base: dict[str, float]
) -> Point:
    """Have a fleet post for some seconds; what that took beyond what nothing takes."""
    devices = [
        Device(name, number // 2, is_meter=number % 2 == 0) for number in range(fleet.devices)
    ]
    gateways = [devices[at : at + fleet.batch] for at in range(0, fleet.devices, fleet.batch)]
    sent = 0
    began = time.monotonic() + 0.5
    ends = began + _WARM_UP_SECONDS + seconds

    async def send(number: int) -> None:
        """Post for each gateway of one connection in turn, at its share of the rate."""
        nonlocal sent
        mine = gateways[number::_CLIENTS]
        client = Client(port, key)
        step = _CLIENTS * fleet.batch / fleet.rate
        due, turn = began + step * number / _CLIENTS, 0
        while due < ends:
            await asyncio.sleep(max(0.0, due - time.monotonic()))
            readings = [one.read(int(time.time() * 1000)) for one in mine[turn % len(mine)]]
            status, answer = await client.request(
                "POST", "/v1/ingest", json.dumps(readings).encode()
            )
            if status != 201:
                raise RuntimeError(f"{status}: {answer[:300]!r}")
            sent += len(readings)
            due, turn = due + step, turn + 1
        client.close()

    tasks = [asyncio.create_task(send(number)) for number in range(min(_CLIENTS, len(gateways)))]
    await asyncio.sleep(max(0.0, began + _WARM_UP_SECONDS - time.monotonic()))
    before, counted, started = await asyncio.to_thread(used.now), sent, time.monotonic()
    await asyncio.gather(*tasks)
    after, wall = await asyncio.to_thread(used.now), time.monotonic() - started
    took = {one: after[one] - before[one] - base[one] * wall for one in after}
    return Point(fleet.devices, fleet.batch, sent - counted, wall, took)
