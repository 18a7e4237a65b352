"""History of a fleet: a reading per minute of every meter and every vehicle, filled in by SQL."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, NamedTuple

import psycopg
from rich.progress import Progress

Connection = psycopg.Connection[Any]

STEP = timedelta(hours=6)

# 7 kW while charging at night, with noise that no compression can foresee; in the order of arrival
_MINUTES = """
FROM (
    SELECT
        d.number,
        m.ts + d.number %% 60 * INTERVAL '1 second' AS ts,
        extract(HOUR FROM m.ts AT TIME ZONE 'UTC') NOT BETWEEN 4 AND 19 AS charging,
        extract(EPOCH FROM m.ts)::bigint / 60 AS minute,
        hashint8(d.number * 1000003 + extract(EPOCH FROM m.ts)::bigint) & 4095 AS noise
    FROM generate_series(%(first)s::bigint, %(last)s::bigint) AS d (number)
    CROSS JOIN generate_series(
        %(since)s::timestamptz, %(until)s::timestamptz - INTERVAL '1 minute', INTERVAL '1 minute'
    ) AS m (ts)
) AS s
ORDER BY s.minute, s.number
"""
_METERS = f"""
INSERT INTO telemetry.meter_reading (meter_id, ts, energy_mwh, voltage_mv, received_at)
SELECT
    'M-' || s.number,
    s.ts,
    CASE WHEN s.charging THEN 115000 + s.noise ELSE 0 END,
    230000 + s.noise,
    s.ts + INTERVAL '2 seconds'
{_MINUTES}
"""
_VEHICLES = f"""
INSERT INTO telemetry.vehicle_reading
    (vehicle_id, ts, energy_mwh, soc_mpct, battery_temp_mc, received_at)
SELECT
    'V-' || s.number,
    s.ts,
    CASE WHEN s.charging THEN 104000 + s.noise ELSE 0 END,
    20000 + (s.minute * 100 + s.number * 997) %% 80000,
    24000 + s.noise,
    s.ts + INTERVAL '2 seconds'
{_MINUTES}
"""
_LINKS = """
SELECT count(api.put_charging_link('V-' || d.number, 'M-' || d.number, NULL, NULL))
FROM generate_series(%(first)s::bigint, %(last)s::bigint) AS d (number)
"""


class Part(NamedTuple):
    """Some vehicles with a meter each, in some time."""

    first: int
    last: int
    since: datetime
    until: datetime

    @property
    def readings(self) -> int:
        """How many readings there are of both sides."""
        minutes = (self.until - self.since) // timedelta(minutes=1)
        return 2 * minutes * (self.last - self.first + 1)


def fill(connection: Connection, parts: list[Part], progress: Progress, title: str) -> int:
    """Write the parts, one after the other; return how many readings were written."""
    task = progress.add_task(title, total=sum(part.readings for part in parts))
    written = 0
    for part in parts:
        since = part.since
        while since < part.until:
            step = part._replace(since=since, until=min(since + STEP, part.until))
            for statement in (_METERS, _VEHICLES):
                written += connection.execute(statement, step._asdict()).rowcount
            progress.update(task, completed=written)
            since = step.until
    return written


def link(connection: Connection, vehicles: int) -> None:
    """Link every vehicle to its meter, for good."""
    connection.execute(_LINKS, {"first": 1, "last": vehicles})


def settle(connection: Connection, since: datetime) -> None:
    """Bring rollups and the planner's statistics up to date, so that no job does it meanwhile."""
    row = connection.execute("SELECT telemetry.has_policies()").fetchone()
    if row and row[0]:
        connection.execute("CALL ops.refresh(%s, now())", [since])
    connection.execute("ANALYZE")
