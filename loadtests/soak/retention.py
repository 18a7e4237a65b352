"""Retention that is shortened and lengthened in turns, and each time shorter than before."""

from __future__ import annotations

import asyncio
from typing import NamedTuple

from loadtests.soak.calls import Caller, every
from loadtests.soak.fleet import Fleet

_LEAST_DAYS = 4.0
# of the history, at the first time
_FIRST_SHARE = 0.7
_LENGTHENED_DAYS = 6.0
# hours are kept a week longer than raw readings at least
_HOURS_MORE_DAYS = 8.0

_SET = (
    "SELECT count(*) FROM ops.set_retention("
    "%s::text, make_interval(hours => %s::integer), confirm => true)"
)
_EDGE = (
    "SELECT (extract(EPOCH FROM greatest(m.oldest, v.oldest)) * 1000)::bigint"
    " FROM telemetry.acceptance('meter_reading') AS m"
    " CROSS JOIN telemetry.acceptance('vehicle_reading') AS v"
)
_CHUNKS = """
SELECT c.chunk_schema || '.' || c.chunk_name
FROM telemetry.dataset_hypertable() AS h
INNER JOIN timescaledb_information.chunks AS c
    ON c.hypertable_schema = h.hypertable_schema AND c.hypertable_name = h.hypertable_name
"""
_SIDES = ("meter", "vehicle")


# since when all raw readings are there, on both sides; a part of a day is not refreshed by hand
_RAW_SINCE = "SELECT telemetry.ceiling_day(h.raw_since) FROM telemetry.horizon AS h"


async def refresh_all(dba: Caller, admin: Caller) -> None:
    """Bring the rollups up to date by hand, as far back as that is allowed."""
    for (since,) in await admin.call("telemetry.horizon", _RAW_SINCE):
        await dba.call("ops.refresh", "CALL ops.refresh(%s::timestamptz, now())", [since])


class Step(NamedTuple):
    """For how many days readings and hours are kept, and whether that is shorter than before."""

    readings_days: float
    hours_days: float
    shorter: bool


def steps(count: int, history_days: int) -> list[Step]:
    """So many steps, shorter and longer in turns, and each time shorter than before."""
    times = (count + 1) // 2
    first = max(_LEAST_DAYS, _FIRST_SHARE * history_days)
    found: list[Step] = []
    for time in range(times):
        short = first - (first - _LEAST_DAYS) * (time / (times - 1) if times > 1 else 1)
        found.append(Step(short, short + _HOURS_MORE_DAYS, shorter=True))
        longer = short + _LENGTHENED_DAYS
        found.append(Step(longer, longer + 2 * _HOURS_MORE_DAYS, shorter=False))
    return found[:count]


class Retention:
    """Takes the steps, and tells the fleet each time which is the oldest time accepted."""

    def __init__(self, dba: Caller, admin: Caller, fleet: Fleet, planned: list[Step]) -> None:
        # the least that was ever to be kept, in days
        self.least_readings_days = float("inf")
        self.least_hours_days = float("inf")
        self._seen: set[str] = set()
        self._present: set[str] = set()
        self._dba = dba
        self._admin = admin
        self._fleet = fleet
        self._planned = planned

    async def run(self, seconds: float, ending: asyncio.Event) -> None:
        """Take a step every so many seconds, the first at once."""
        await self.look()
        for step in self._planned:
            await self._take(step)
            if not await every(seconds, ending):
                return

    async def look(self) -> None:
        """Look which chunks there are."""
        rows = await self._admin.call("timescaledb_information.chunks", _CHUNKS)
        self._present = {row[0] for row in rows}
        self._seen |= self._present

    @property
    def dropped(self) -> int:
        """How many chunks were there at one look, and not at the last."""
        return len(self._seen - self._present)

    async def _take(self, step: Step) -> None:
        self.least_readings_days = min(self.least_readings_days, step.readings_days)
        self.least_hours_days = min(self.least_hours_days, step.hours_days)
        name = "ops.set_retention, shorter" if step.shorter else "ops.set_retention, longer"
        # what is finer is never kept as long as what is built from it, on the way neither
        order = [("reading", step.readings_days), ("energy_hourly", step.hours_days)]
        for dataset, days in order if step.shorter else reversed(order):
            for side in _SIDES:
                await self._dba.call_until_allowed(
                    name, _SET, [f"{side}_{dataset}", round(days * 24)], self._refresh
                )
        await self._tell_edge()
        await self.look()

    async def _refresh(self) -> None:
        """What a refusal says is to be done first: the rollups lack readings that would go."""
        await refresh_all(self._dba, self._admin)

    async def _tell_edge(self) -> None:
        for (oldest_ms,) in await self._admin.call("telemetry.acceptance", _EDGE):
            self._fleet.move_edge(oldest_ms)
