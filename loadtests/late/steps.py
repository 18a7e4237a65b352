"""Measurements, in an order in which each finds what it needs."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from statistics import median
from typing import LiteralString

from loadtests.late.backlog import Backlog
from loadtests.late.cost import Cost, Meter, Statement

HOURS: tuple[LiteralString, ...] = ("bi.meter_energy_hourly", "bi.vehicle_energy_hourly")
DAYS: tuple[LiteralString, ...] = ("bi.meter_energy_daily", "bi.vehicle_energy_daily")
_REFRESH: LiteralString = "CALL public.refresh_continuous_aggregate(%s, %s, %s)"
_READS: dict[str, LiteralString] = {
    "a meter's 24 hours": (
        "SELECT * FROM bi.meter_energy_hourly"
        " WHERE meter_id = 'M-1' AND bucket >= %(since)s AND bucket < %(until)s"
    ),
    "a vehicle's performance in 24 hours": (
        "SELECT * FROM api.performance('V-1', %(since)s, %(until)s)"
    ),
    "the fleet's 24 hours": (
        "SELECT sum(energy_mwh) FROM bi.meter_energy_hourly"
        " WHERE bucket >= %(since)s AND bucket < %(until)s"
    ),
}
_READ_TIMES = 5


def refresh(
    relations: tuple[LiteralString, ...], since: datetime, until: datetime
) -> list[Statement]:
    """Refreshes of both sides in a window."""
    return [(_REFRESH, [relation, since, until]) for relation in relations]


class Steps:
    """Measures a fleet whose history ends at a whole hour; `tell` gets each name and cost."""

    def __init__(
        self, meter: Meter, backlog: Backlog, until: datetime, tell: Callable[[str, Cost], None]
    ) -> None:
        self._meter = meter
        self._backlog = backlog
        self._until = until
        self._today = until.replace(hour=0)
        # whole days
        self._since = self._today - timedelta(days=2)
        self._tell = tell

    def covered(self, hours: int) -> None:
        """Backlog that is later than what is refreshed so far; then the first refresh of that."""
        start = self._until - timedelta(hours=hours)
        self._run("the first refresh of all before", refresh(HOURS, self._since, start))
        self._late(hours)
        self._run("hours, backlog within the lag", refresh(HOURS, self._since, start))

    def reads(self) -> dict[str, float]:
        """Milliseconds of reads over the last 24 hours."""
        parameters = {"since": self._until - timedelta(hours=24), "until": self._until}
        found: dict[str, float] = {}
        for name, query in _READS.items():
            taken: list[float] = []
            for _ in range(_READ_TIMES):
                cost = self._meter.work(lambda by, q=query: by.execute(q, parameters).fetchall())
                taken.append(cost.seconds * 1000)
            found[name] = median(taken)
        return found

    def first(self, hours: int) -> None:
        """The hours that the lag had left, stored for the first time."""
        start = self._until - timedelta(hours=hours)
        cost = self._meter.statements(refresh(HOURS, start, self._until))
        self._tell("hours, an hour of all devices for the first time", cost / hours)

    def bursts(self, hours: int, times: int) -> None:
        """Refreshes of the hours after a burst of backlog, and after several."""
        whole = refresh(HOURS, self._since, self._until)
        self._run("hours, nothing late", whole)
        self._tell(f"the uploads of {hours} hours themselves", self._late(hours))
        self._run(f"hours, {hours} hours late", whole)
        self._late(1)
        self._run("hours, 1 hour late", whole)
        for _ in range(times):
            self._late(hours)
        self._run(f"hours, {hours} hours late {times} times, one refresh", whole)
        self._late(hours)
        starts = [self._until - timedelta(hours=hour) for hour in range(hours + 1, 0, -1)]
        pieces = [
            one for start in starts for one in refresh(HOURS, start, start + timedelta(hours=1))
        ]
        self._run(f"hours, {hours} hours late, refreshed in one call per hour", pieces)

    def days(self, hours: int) -> None:
        """Refreshes after backlog of yesterday, which the days have too."""
        self._late(hours, self._today - timedelta(hours=1))
        self._run(f"hours, {hours} hours of yesterday", refresh(HOURS, self._since, self._until))
        self._run("days, the same", refresh(DAYS, self._since, self._today))

    def groups(self) -> None:
        """Two readings of one day, far apart: stored by one call, and by two."""
        times = [self._today - timedelta(hours=hour, minutes=1) for hour in (20, 9)]
        whole = refresh(HOURS, self._since, self._until)
        with self._meter.connect() as connection:
            self._backlog.store(connection, 1, times)
            self._run("hours, two readings 11 hours apart, stored by one call", whole)
            for at in times:
                self._backlog.store(connection, 1, [at + timedelta(milliseconds=1)])
            self._run("hours, the same by two calls", whole)

    def _late(self, hours: int, until: datetime | None = None) -> Cost:
        return self._meter.work(lambda by: self._backlog.upload(by, until or self._until, hours))

    def _run(self, name: str, statements: list[Statement]) -> None:
        self._tell(name, self._meter.statements(statements))
