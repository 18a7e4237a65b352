"""Jobs of TimescaleDB, made to run all the time, and what became of them."""

from __future__ import annotations

import asyncio
import re
from collections import Counter

from loadtests.soak.calls import Caller, every

_EVERY_SECONDS = 10
_WINDOW = re.compile(r"\[[^]]*\]")
_PATIENCE_SECONDS = 120

# ours; TimescaleDB's own have lower numbers
_HASTEN = """
SELECT count(a.job_id)
FROM timescaledb_information.jobs AS j
CROSS JOIN LATERAL public.alter_job(
    j.job_id, schedule_interval => make_interval(secs => %s::integer), next_start => now()
) AS a
WHERE j.job_id >= 1000 AND j.schedule_interval <> make_interval(secs => %s::integer)
"""
_FAILED = """
SELECT e.job_id, e.start_time::text, coalesce(e.proc_name, ''), e.sqlerrcode, e.err_message
FROM timescaledb_information.job_errors AS e
WHERE e.job_id >= 1000
"""
_RUNS = """
SELECT s.job_id, coalesce(s.total_runs, 0)
FROM timescaledb_information.job_stats AS s
INNER JOIN timescaledb_information.jobs AS j USING (job_id)
WHERE s.job_id >= 1000 AND j.scheduled
"""


class Jobs:
    """The jobs of an installation; there are none where TimescaleDB has no policies."""

    def __init__(self, admin: Caller) -> None:
        # by procedure and message
        self.failures: Counter[tuple[str, str]] = Counter()
        self.runs = 0
        self._admin = admin
        self._seen: set[tuple[int, str]] = set()
        self._runs_of: dict[int, int] = {}

    async def run(self, ending: asyncio.Event) -> None:
        """Have every job run every ten seconds, those that are made meanwhile too."""
        while True:
            await self._hasten(_EVERY_SECONDS)
            await self._look()
            if not await every(_EVERY_SECONDS, ending):
                return

    async def run_once_more(self) -> None:
        """Return when every job has run since now, or has had time enough for it."""
        before = await self._counts()
        await self._hasten(_EVERY_SECONDS)
        for _ in range(_PATIENCE_SECONDS):
            now = await self._counts()
            if all(now.get(job, 0) > runs for job, runs in before.items()):
                break
            await asyncio.sleep(1)
        # from now on they keep out of the way
        await self._hasten(24 * 3600)
        await self._look()

    async def _hasten(self, seconds: int) -> None:
        await self._admin.call("alter_job", _HASTEN, [seconds, seconds])

    async def _look(self) -> None:
        for job, started_at, procedure, code, message in await self._admin.call(
            "timescaledb_information.job_errors", _FAILED
        ):
            if (job, started_at) not in self._seen:
                self._seen.add((job, started_at))
                # the same with another window is the same
                told = _WINDOW.sub("[…]", f"{code}: {message}")
                self.failures[procedure, told] += 1
        for job, runs in (await self._counts()).items():
            self.runs += max(0, runs - self._runs_of.get(job, 0))
            self._runs_of[job] = runs

    async def _counts(self) -> dict[int, int]:
        return dict(await self._admin.call("timescaledb_information.job_stats", _RUNS))
