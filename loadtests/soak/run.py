"""Run of a soak: history, the highest rate, everything at once at a share of it, upkeep again."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine
from typing import Any, LiteralString

import psycopg

from loadtests.soak import beside, history, retention
from loadtests.soak.calls import Caller, Calls, every
from loadtests.soak.check import Finding, compare
from loadtests.soak.fleet import Fleet
from loadtests.soak.jobs import Jobs
from loadtests.soak.plan import Plan
from loadtests.soak.retention import Retention
from loadtests.support import ledgers
from loadtests.support.client import Client
from loadtests.support.place import Place

_MEASURED_SECONDS = 15.0
_TOLD_SECONDS = 10.0
_BI_SECONDS = 0.5
_LOOK_SECONDS = 2.0
_LINK_SECONDS = 0.5
_DEADLOCKS = "SELECT d.deadlocks FROM pg_stat_database AS d WHERE d.datname = current_database()"


class Soak:
    """A soak of a service at a port, on a place; `tell` is called with a line about each step."""

    def __init__(self, place: Place, port: int, plan: Plan, tell: Callable[[str], None]) -> None:
        self.plan = plan
        self.fleet = Fleet(port, place.key, plan.devices, plan.clients)
        self.calls = Calls()
        self.filled = 0
        # readings per second at most; None where it was not measured
        self.full_rate: float | None = None
        self._place = place
        self._tell = tell
        self._ending = asyncio.Event()
        self._links = Client(port, place.key)
        self._callers: list[Caller] = []
        self._dba: LiteralString = "wattledger_dba"
        admin = self._caller(None)
        self.jobs = Jobs(admin)
        count = max(1, round(plan.seconds / plan.retention_seconds))
        self.retention = Retention(
            self._caller(self._dba),
            self._caller(None),
            self.fleet,
            retention.steps(count, plan.history_days),
        )
        self._deadlocks_before = 0

    def prepare(self) -> None:
        """Fill the history."""
        plan = self.plan
        self._tell(f"filling {plan.history_days} days of {plan.devices} devices")
        with self._connect() as connection:
            self.filled = history.fill(
                connection, self.fleet.devices, plan.history_days, plan.history_minutes
            )
        self._deadlocks_before = self.deadlocks()

    async def load(self) -> None:
        """Find the highest rate unless one is given, then do everything at once, and stop."""
        self.fleet.start()
        if self.plan.rate is None:
            await self._measure()
        else:
            self.fleet.rate = self.plan.rate
        self.fleet.live_ms = type(self.fleet.live_ms)("f")
        async with asyncio.TaskGroup() as group:
            for one in self._beside():
                group.create_task(one)
            await self._tell_now_and_then()
            self._ending.set()
        await self.fleet.pause()

    async def settle(self) -> None:
        """Let upkeep run once more, and refresh what is late."""
        self._tell("the load is over: upkeep once more")
        await self.jobs.run_once_more()
        dba, admin = self._caller(self._dba), self._caller(None)
        with self._connect() as connection:
            await asyncio.to_thread(ledgers.settle, connection)
        await dba.call("ops.maintain", beside.MAINTAIN)
        await retention.refresh_all(dba, admin)
        await self.retention.look()

    async def close(self) -> None:
        """End all connections."""
        await self.fleet.stop()
        self._links.close()
        for caller in self._callers:
            await caller.close()

    def check(self, connection: psycopg.Connection[Any]) -> list[Finding]:
        """Compare what is stored with what was acknowledged, when nothing writes any more."""
        self._tell("comparing raw readings, hours and days with what was acknowledged")
        least_days = {
            "raw readings": self.retention.least_readings_days,
            "hours": self.retention.least_hours_days,
        }
        return compare(connection, self.fleet.devices, least_days)

    def deadlocks(self) -> int:
        """How many the database has ended since the history was filled."""
        with self._connect() as connection:
            row = connection.execute(_DEADLOCKS).fetchone()
        assert row is not None
        return row[0] - self._deadlocks_before

    def deadlocks_in_log(self) -> int | None:
        """How many the server's log tells of; None where its log is not ours to read."""
        if self._place.logs is None:
            return None
        return sum(
            file.read_text(errors="replace").count("deadlock detected")
            for file in self._place.logs.iterdir()
        )

    def _beside(self) -> list[Coroutine[Any, Any, None]]:
        """Everything that goes on beside the load, each with a session of its own."""
        plan, ending, devices = self.plan, self._ending, self.fleet.devices
        seconds = plan.refresh_seconds
        return [
            self.jobs.run(ending),
            self.retention.run(plan.retention_seconds, ending),
            beside.ask(self._caller("wattledger_bi"), devices, _BI_SECONDS, ending),
            beside.look(self._caller(self._dba), _LOOK_SECONDS, ending),
            beside.link(self._links, devices, self.fleet.answers, _LINK_SECONDS, ending),
            beside.compress(self._caller(self._dba), seconds * 4, ending),
            *(
                beside.repeat(self._caller(self._dba), name, query, every_seconds, ending)
                for name, query, every_seconds in (
                    ("ops.refresh", beside.REFRESH, seconds),
                    ("ops.maintain", beside.MAINTAIN, seconds * 4 / 3),
                    ("ops.verify", beside.VERIFY, seconds * 2),
                )
            ),
        ]

    async def _measure(self) -> None:
        """Find the highest rate, as faults' load does, and go on at a share of it."""
        await asyncio.sleep(2)
        before = self.fleet.readings
        await asyncio.sleep(_MEASURED_SECONDS)
        self.full_rate = (self.fleet.readings - before) / _MEASURED_SECONDS
        self.fleet.rate = self.plan.share * self.full_rate
        # what waits in the service's queue until now is not a live post at that rate
        await asyncio.sleep(2)
        self._tell(
            f"{self.full_rate:,.0f} readings/s at most, so {self.fleet.rate:,.0f} from now on"
        )

    async def _tell_now_and_then(self) -> None:
        began = time.monotonic()
        while (left := began + self.plan.seconds - time.monotonic()) > 0:
            await every(min(left, _TOLD_SECONDS), self._ending)
            failed = sum(self.calls.failures.values())
            self._tell(
                f"{time.monotonic() - began:5.0f} s: {self.fleet.readings:,} readings,"
                f" {sum(self.calls.count.values()):,} calls, {failed} failed,"
                f" {self.jobs.runs} runs of jobs, {sum(self.jobs.failures.values())} failed,"
                f" {self.retention.dropped} chunks dropped"
            )

    def _caller(self, role: LiteralString | None) -> Caller:
        made = Caller(self._place.admin_url, role, self.calls)
        self._callers.append(made)
        return made

    def _connect(self) -> psycopg.Connection[Any]:
        return psycopg.connect(self._place.admin_url, autocommit=True)
