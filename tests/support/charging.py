"""Charging as it is kept: have it kept, and say in plain Python what readings explain."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from statistics import median_low
from typing import NamedTuple

from tests.support.readings import NOW, Connection

MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)


def keep_charging(
    db: Connection,
    since: datetime = NOW - timedelta(days=10),
    until: datetime = NOW + timedelta(days=1),
) -> None:
    """Keep anew what flowed at all meters in a window, as the service does after each reading."""
    db.execute(
        "SELECT telemetry.keep_charging(m.meter_id, %(since)s::timestamptz, %(until)s::timestamptz)"
        " FROM (SELECT s.meter_id FROM telemetry.meter_state AS s"
        " UNION SELECT l.meter_id FROM telemetry.charging_link AS l) AS m ORDER BY m.meter_id",
        {"since": since, "until": until},
    )


class Link(NamedTuple):
    """When a meter feeds a vehicle."""

    vehicle_id: str
    meter_id: str
    since: datetime
    until: datetime


class Sums(NamedTuple):
    """What flowed: energies in milliwatt-hours, and how many readings there are of each side."""

    ac_mwh: int = 0
    dc_mwh: int = 0
    meter_samples: int = 0
    vehicle_samples: int = 0


def spans(readings: Mapping[datetime, int]) -> Iterator[tuple[datetime, datetime, int]]:
    """Start, end and energy of what each difference explains, none more than one step can be."""
    times = sorted(readings)
    gaps = defaultdict(list)
    for earlier, ts in pairwise(times):
        if earlier.date() == ts.date():
            gaps[ts.date()].append(ts - earlier)
    for earlier, ts in zip([None, *times], times, strict=False):
        found = gaps[ts.date()]
        step = median_low(found) if len(found) >= 5 else MINUTE
        near = earlier is not None and ts - earlier <= step * 1.5
        start = earlier if near else max(ts - step, earlier or ts - step)
        assert start is not None
        yield start, ts, readings[ts]


def _before(moment: datetime, start: datetime, end: datetime, energy: int) -> int:
    micro = timedelta(microseconds=1)
    return energy * ((moment - start) // micro) // ((end - start) // micro)


def linked_hours(
    links: Iterable[Link],
    meters: Mapping[str, Mapping[datetime, int]],
    vehicles: Mapping[str, Mapping[datetime, int]],
) -> dict[tuple[str, str, datetime], Sums]:
    """Sums of each hour in which a link has explained time or readings."""
    found: dict[tuple[str, str, datetime], list[int]] = defaultdict(lambda: [0, 0, 0, 0])
    for link in links:
        sides = (meters.get(link.meter_id, {}), vehicles.get(link.vehicle_id, {}))
        for side, readings in enumerate(sides):
            for start, end, energy in spans(readings):
                cut = [max(start, link.since), min(end, link.until)]
                while cut[0] < cut[1]:
                    hour = cut[0].replace(minute=0, second=0, microsecond=0)
                    until = min(hour + HOUR, cut[1])
                    found[link.vehicle_id, link.meter_id, hour][side] += _before(
                        until, start, end, energy
                    ) - _before(cut[0], start, end, energy)
                    cut[0] = until
            for ts in readings:
                if link.since <= ts < link.until:
                    hour = ts.replace(minute=0, second=0, microsecond=0)
                    found[link.vehicle_id, link.meter_id, hour][2 + side] += 1
    return {key: Sums(*sums) for key, sums in found.items()}


def by_bucket(
    hours: Mapping[tuple[str, str, datetime], Sums], width: str
) -> dict[tuple[str, str, datetime], Sums]:
    """Those sums by hour, UTC day or UTC month."""
    found: dict[tuple[str, str, datetime], Sums] = {}
    for (vehicle, meter, hour), sums in hours.items():
        at = hour.astimezone(UTC)
        if width != "hourly":
            at = at.replace(hour=0, day=1 if width == "monthly" else at.day)
        before = found.get((vehicle, meter, at), Sums())
        found[vehicle, meter, at] = Sums(*(a + b for a, b in zip(before, sums, strict=True)))
    return found
