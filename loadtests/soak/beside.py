"""Work of analysts, DBAs and operators while readings come in."""

from __future__ import annotations

import asyncio
import json
import random
from collections import Counter
from typing import LiteralString

from loadtests.soak.calls import Caller, every
from loadtests.soak.devices import Device
from loadtests.support.client import Client, Lost

_BI: dict[str, LiteralString] = {
    "bi: a meter's hours": (
        "SELECT * FROM bi.meter_energy_hourly"
        " WHERE meter_id = %(meter)s AND bucket >= now() - INTERVAL '24 hours'"
    ),
    "bi: a vehicle's days": "SELECT * FROM bi.vehicle_energy_daily WHERE vehicle_id = %(vehicle)s",
    "bi: the fleet's hours": (
        "SELECT bucket, sum(energy_kwh) FROM bi.meter_energy_hourly"
        " WHERE bucket >= now() - INTERVAL '48 hours' GROUP BY bucket"
    ),
    "bi: the fleet's months": (
        "SELECT month, sum(energy_kwh) FROM bi.meter_energy_monthly GROUP BY month"
    ),
    "bi: a vehicle's efficiency": (
        "SELECT * FROM bi.charging_efficiency_daily WHERE vehicle_id = %(vehicle)s"
    ),
    "bi: the fleet's efficiency": (
        "SELECT * FROM bi.fleet_efficiency_daily WHERE bucket >= now() - INTERVAL '72 hours'"
    ),
}
_LOOKS: dict[str, LiteralString] = {
    "ops.freshness": "SELECT * FROM ops.freshness",
    "ops.jobs": "SELECT * FROM ops.jobs",
    "ops.policies": "SELECT * FROM ops.policies",
    "ops.storage": "SELECT * FROM ops.storage",
}
# what waits for others has a session of its own
REFRESH: LiteralString = "CALL ops.refresh(now() - INTERVAL '72 hours', now())"
MAINTAIN: LiteralString = "CALL ops.maintain()"
VERIFY: LiteralString = "SELECT * FROM ops.verify()"
_COMPRESS: LiteralString = (
    "SELECT ops.set_compression(%s, make_interval(hours => %s::integer))"
    " WHERE EXISTS (SELECT FROM ops.policies AS p WHERE p.compress_after IS NOT NULL)"
)


async def ask(bi: Caller, devices: list[Device], seconds: float, ending: asyncio.Event) -> None:
    """Ask the questions of analysts, one after another."""
    chance = random.Random(0)
    questions = list(_BI.items())
    while await every(seconds, ending):
        name, query = chance.choice(questions)
        number = chance.randrange(len(devices) // 2) * 2
        ids = {"meter": devices[number].id, "vehicle": devices[number + 1].id}
        await bi.call(name, query, ids)


async def look(dba: Caller, seconds: float, ending: asyncio.Event) -> None:
    """Look at what DBAs look at, all of it in turn."""
    while await every(seconds, ending):
        for name, query in _LOOKS.items():
            await dba.call(name, query)


async def repeat(
    dba: Caller, name: str, query: LiteralString, seconds: float, ending: asyncio.Event
) -> None:
    """Make one call again and again."""
    while await every(seconds, ending):
        await dba.call(name, query)


async def compress(dba: Caller, seconds: float, ending: asyncio.Event) -> None:
    """Have chunks compressed after two days and after three in turns, where they are at all."""
    days = 2
    while True:
        for dataset in ("meter_reading", "vehicle_reading"):
            await dba.call("ops.set_compression", _COMPRESS, [dataset, days * 24])
        days = 5 - days
        if not await every(seconds, ending):
            return


async def link(
    client: Client,
    devices: list[Device],
    answers: Counter[tuple[str, str]],
    seconds: float,
    ending: asyncio.Event,
) -> None:
    """Put vehicles on meters, others in turns, and take them off again."""
    chance = random.Random(1)
    vehicles = [device.id for device in devices if not device.is_meter]
    meters = [device.id for device in devices if device.is_meter]
    while await every(seconds, ending):
        path = f"/v1/links/{chance.choice(vehicles)}"
        body = json.dumps({"meterId": chance.choice(meters), "replace": True}).encode()
        requests = [("PUT", path, body)] + [("DELETE", path, b"")] * (chance.random() < 0.3)
        for method, place, sent in requests:
            try:
                status, _ = await client.request(method, place, sent)
            except Lost:
                status = 0
            answers[f"{method} link", str(status or "no answer")] += 1
