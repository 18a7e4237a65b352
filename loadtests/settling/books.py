"""Looks into the ledger's books: what waits, what was posted, what refreshes cost."""

from __future__ import annotations

import asyncio
import time
from datetime import datetime
from typing import Any, LiteralString

import psycopg

# a share of the fleet is due later, for its anchors alone
_DUE = (
    "SELECT count(*) FROM telemetry.settle_queue AS q WHERE q.device_id LIKE %s AND q.due_at <= %s"
)
_COUNTS = (
    "SELECT count(*) FILTER (WHERE m.entry = 0), count(*) FILTER (WHERE m.entry > 0)"
    " FROM telemetry.meter_reading AS m WHERE m.meter_id LIKE %s"
)
_NO_JOBS = """
SELECT a.job_id
FROM timescaledb_information.jobs AS j
CROSS JOIN LATERAL public.alter_job(j.job_id, scheduled => FALSE) AS a
WHERE j.job_id >= 1000
"""
_REFRESH: LiteralString = "CALL public.refresh_continuous_aggregate(%s, %s, %s)"
_RELATIONS: tuple[tuple[LiteralString, LiteralString], ...] = (
    ("bi.meter_energy_hourly", "hour"),
    ("bi.meter_energy_daily", "day"),
)
_LOOK_SECONDS = 0.1


class Books:
    """The ledger of a place, read by its superuser."""

    def __init__(self, admin_url: str) -> None:
        self._connection = psycopg.connect(admin_url, autocommit=True)

    def close(self) -> None:
        """End the session."""
        self._connection.close()

    def has_refreshes(self) -> bool:
        """Whether rollups are refreshed on this edition; stops the jobs that do it."""
        (found,) = self._one("SELECT telemetry.has_policies()")
        if found:
            self._connection.execute(_NO_JOBS)
        return bool(found)

    def refresh(self, since: datetime, until: datetime) -> float:
        """Refresh hours and days of meters in a window; return how many seconds that took."""
        began = time.monotonic()
        for relation, unit in _RELATIONS:
            window = self._one(
                "SELECT date_trunc(u.unit, u.since, 'UTC'), date_trunc(u.unit, u.until, 'UTC')"
                " FROM (SELECT %s, %s::timestamptz, %s::timestamptz) AS u (unit, since, until)",
                [unit, since, until],
            )
            self._connection.execute(_REFRESH, [relation, *window])
        return time.monotonic() - began

    def counts(self, devices: str) -> tuple[int, int]:
        """Readings and entries of devices by a pattern of their ids."""
        readings, entries = self._one(_COUNTS, [devices])
        return readings, entries

    async def settled(self, devices: str) -> float:
        """Wait until what is due of these devices now is settled; return how many seconds it took.

        Not for what comes due meanwhile: of many devices the end of some day always does.
        """
        began = time.monotonic()
        await asyncio.to_thread(self._wait_until_settled, devices)
        return time.monotonic() - began

    def _wait_until_settled(self, devices: str) -> None:
        (until,) = self._one("SELECT now()")
        while self._one(_DUE, [devices, until])[0]:
            time.sleep(_LOOK_SECONDS)

    def _one(self, query: LiteralString, parameters: list[Any] | None = None) -> tuple[Any, ...]:
        row = self._connection.execute(query, parameters).fetchone()
        assert row is not None
        return row
