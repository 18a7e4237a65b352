"""Charging as it is kept: have it kept, and say what the plain account has of hours of links."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from tests.support import charging_account
from tests.support.explaining import Span, explain
from tests.support.fold import HOUR, Reading, floor_hour
from tests.support.readings import NOW, Connection


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


def _explained(readings: Mapping[datetime, int]) -> list[Span]:
    return explain(Reading(ts, mwh, "difference") for ts, mwh in readings.items())


def _hours_of(spans: Iterable[Span], link: charging_account.Link) -> Iterator[datetime]:
    for span in spans:
        since, until = max(span.since or span.ts, link.since), min(span.ts, link.until)
        while since < until:
            yield floor_hour(since)
            since = floor_hour(since) + HOUR


def linked_hours(
    links: Iterable[Link],
    meters: Mapping[str, Mapping[datetime, int]],
    vehicles: Mapping[str, Mapping[datetime, int]],
) -> dict[tuple[str, str, datetime], Sums]:
    """Sums of each hour in which a link has explained time or readings, by the plain account."""
    found: dict[tuple[str, str, datetime], Sums] = {}
    at_meters = defaultdict[str, list[charging_account.Link]](list)
    for vehicle_id, meter_id, since, until in links:
        at_meters[meter_id].append(charging_account.Link(vehicle_id, since, until))
    told = {vehicle_id: _explained(readings) for vehicle_id, readings in vehicles.items()}
    for meter_id, at in at_meters.items():
        meter = _explained(meters.get(meter_id, {}))
        for link in at:
            # also where nothing flowed
            for hour in _hours_of([*meter, *told.get(link.vehicle, [])], link):
                found[link.vehicle, meter_id, hour] = Sums()
        account = charging_account.Charging(
            meter,
            at,
            {link.vehicle: told.get(link.vehicle, []) for link in at},
            floor_hour(min(link.since for link in at)),
            floor_hour(max(link.until for link in at)) + HOUR,
        )
        for (hour, vehicle_id), sums in account.parts().items():
            if vehicle_id:
                found[vehicle_id, meter_id, hour] = Sums(
                    sums["ac_mwh"] + sums["standby_mwh"],
                    sums["dc_mwh"],
                    sums["meter_samples"],
                    sums["vehicle_samples"],
                )
    return found


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
