"""Plain account of charging: what flowed at a meter, matched in time, and the sessions of it.

It is the judge of telemetry.charging_parts and of sessions, so it is written from the rules alone:
it walks over time from moment to moment, slow, whole, and without a database. Energy is in whole
milliwatt-hours, as it is stored.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import pairwise
from typing import NamedTuple

from tests.support.explaining import PAUSE, Span, is_long
from tests.support.fold import HOUR, MICROSECOND, floor_hour


class Link(NamedTuple):
    """When a vehicle was at the meter."""

    vehicle: str
    since: datetime
    until: datetime


class Slice(NamedTuple):
    """A stretch of time in which nothing begins or ends."""

    since: datetime
    until: datetime
    link: Link | None
    name: str | None
    flows: bool
    sums: Counter[str]


@dataclass
class Session:
    """A charge."""

    started_at: datetime
    ended_at: datetime
    link: Link | None
    name: str | None
    sums: Counter[str] = field(default_factory=Counter[str])

    @property
    def vehicle(self) -> str:
        """Which vehicle charged; empty: none is known."""
        return self.link.vehicle if self.link else ""


class Charging:
    """What flowed at a meter in a window of whole hours."""

    def __init__(
        self,
        meter: Sequence[Span],
        links: Sequence[Link],
        vehicles: Mapping[str, Sequence[Span]],
        since: datetime,
        until: datetime,
    ) -> None:
        self.meter = meter
        self.links = links
        self.vehicles = vehicles
        self.samples = Counter(span.ts for span in meter)
        self.samples_of = {
            vehicle: Counter(span.ts for span in spans) for vehicle, spans in vehicles.items()
        }
        moments = {since + n * HOUR for n in range((until - since) // HOUR + 1)}
        moments |= _ends(meter, since, until)
        for link in links:
            moments |= {link.since, link.until}
            moments |= _ends(vehicles[link.vehicle], link.since, link.until)
        inside = sorted(moment for moment in moments if since <= moment <= until)
        self.slices = [self._slice(a, b) for a, b in pairwise(inside)]

    def parts(self) -> dict[tuple[datetime, str], Counter[str]]:
        """Sums by hour and vehicle of those that have any."""
        found = defaultdict[tuple[datetime, str], Counter[str]](Counter)
        for one in self.slices:
            vehicle = one.link.vehicle if one.link else ""
            found[floor_hour(one.since), vehicle].update(one.sums)
        return {key: sums for key, sums in found.items() if any(sums.values())}

    def sessions(self) -> list[Session]:
        """Charges in order of time."""
        found: list[Session] = []
        current: Session | None = None
        # what was between two times of flow is part of it; what is after the last is not
        between = Counter[str]()
        for one in self.slices:
            if current and one.link != current.link:
                current = None
            if not one.flows:
                between.update(one.sums)
                continue
            if current and (
                one.since - current.ended_at >= PAUSE
                or (one.name and current.name and one.name != current.name)
            ):
                current = None
            if current is None:
                current = Session(one.since, one.until, one.link, one.name)
                found.append(current)
            else:
                current.sums.update(between)
            between.clear()
            current.sums.update(one.sums)
            current.ended_at = one.until
            current.name = current.name or one.name
        return found

    def _slice(self, a: datetime, b: datetime) -> Slice:
        link = next((link for link in self.links if link.since <= a < link.until), None)
        ac = _at(self.meter, a)
        of_vehicle = self.vehicles[link.vehicle] if link else ()
        dc = _at(of_vehicle, a)
        sums = Counter[str]()
        sums["meter_samples"] = self.samples[a]
        sums["vehicle_samples"] = self.samples_of[link.vehicle][a] if link else 0
        span_us = (b - a) // MICROSECOND
        ac_mwh = ac.part(a, b) if ac else 0
        dc_mwh = dc.part(a, b) if dc else 0
        sums["dc_mwh"] = dc_mwh
        blurred = any(_is_blurred(span, link) for span in (ac, dc) if span)
        if ac and ac.idle and not blurred:
            sums["dc_standing_mwh"] = dc_mwh
        if ac and ac.idle:
            sums.update(standby_mwh=ac_mwh, standby_us=span_us)
        elif ac:
            sums.update(ac_mwh=ac_mwh, active_us=span_us)
            if dc and not blurred:
                sums.update(ac_matched_mwh=ac_mwh, dc_matched_mwh=dc_mwh, matched_us=span_us)
                # a coarse counter stands between its steps too
                if dc.mwh == 0 and dc.idle:
                    sums["ac_standing_mwh"] = ac_mwh
                assert link is not None
                if ac.edge or _is_cut(ac, link):
                    sums["edge_mwh"] = max(ac_mwh, dc_mwh)
        named_by = [(side, span.session) for side, span in (("meter", ac), ("vehicle", dc)) if span]
        names = [f"{side} {session}" for side, session in named_by if session]
        flows = any(span and not span.idle for span in (ac, dc))
        return Slice(a, b, link, names[0] if names else None, flows, sums)


def _ends(spans: Sequence[Span], since: datetime, until: datetime) -> set[datetime]:
    """When spans begin and end, in a window."""
    ends = {moment for span in spans for moment in (span.since or span.ts, span.ts)}
    return {moment for moment in ends if since <= moment <= until}


def _is_cut(span: Span, link: Link | None) -> bool:
    """Whether the link begins or ends in a span that is partly in it."""
    assert span.since is not None
    return link is not None and (span.since < link.since or span.ts > link.until)


def _is_blurred(span: Span, link: Link | None) -> bool:
    """Whether nobody knows how much of a span flowed where, so that it is not matched."""
    assert span.since is not None
    return span.blurred or (_is_cut(span, link) and is_long(span.since, span.ts))


def _at(spans: Sequence[Span], moment: datetime) -> Span | None:
    """What explains the time from a moment on."""
    place = bisect_right(spans, moment, key=lambda span: span.ts)
    if place == len(spans):
        return None
    since = spans[place].since
    return spans[place] if since is not None and since <= moment else None
