"""Plain account of what readings explain: when the energy of each flowed, and whether it was idle.

It is the judge of telemetry.explained, so it is written from the rules alone: slow, whole, and
without a database. Energy is in whole milliwatt-hours, as it is stored.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date, datetime, timedelta
from fractions import Fraction
from itertools import groupby, pairwise
from typing import NamedTuple

from tests.support.fold import HOUR, MICROSECOND, Reading, Rules, fold

IDLE_BELOW_KW = Fraction(1, 10)
PAUSE = timedelta(minutes=30)
STEP = timedelta(seconds=60)
# a counter that stands for longer is idle, however coarse it is
LOOKED_AT = HOUR


class Span(NamedTuple):
    """What a reading explains: the time in which its energy flowed; None: it explains nothing."""

    since: datetime | None
    ts: datetime
    mwh: int
    idle: bool
    edge: bool
    # nobody knows when in it the flow began, or ended
    blurred: bool
    session: str | None
    resolution: int | None

    def part(self, since: datetime, until: datetime) -> int:
        """What of the energy flowed between two moments."""
        return self._before(until) - self._before(since)

    def _before(self, moment: datetime) -> int:
        assert self.since is not None
        span = min(max(moment, self.since), self.ts) - self.since
        return self.mwh * (span // MICROSECOND) // ((self.ts - self.since) // MICROSECOND)


def is_idle(mwh: int, span: timedelta) -> bool:
    """Whether the mean power is that of nothing but standby."""
    return Fraction(mwh, 10**6) < IDLE_BELOW_KW * Fraction(span // MICROSECOND, HOUR // MICROSECOND)


def is_long(since: datetime, until: datetime) -> bool:
    """Whether what flows in it is cut at the hours, and told by nobody to be even."""
    return until - since > Rules().cut_above


def explain(
    readings: Iterable[Reading], rules: Rules | None = None, step: timedelta | None = None
) -> list[Span]:
    """What each reading of a device explains; its step, where a DBA has told it."""
    ordered = sorted(readings)
    rules = rules or Rules()
    energies = defaultdict[datetime, int](int)
    for piece in fold(ordered, rules=rules).pieces:
        energies[piece.ts] += piece.mwh
    days = _days(ordered, energies, step)
    spans: list[Span] = []
    previous = None
    for one in ordered:
        mwh, day = energies[one.ts], days[one.ts.date()]
        usual = day.step
        # many report less often while nothing flows; what is told of a step of flow is not nothing
        if previous and is_idle(mwh, min(one.ts - previous.ts, day.idle_step or timedelta.max)):
            usual = max(usual, day.idle_step or usual)
        since = _since(one, mwh, previous, usual, rules)
        # it counts from zero, and nobody knows since when
        begun = (
            previous is not None
            and one.start is None
            and one.ts - previous.ts > usual * 1.5
            and _is_new(one, previous)
        )
        spans.append(Span(since, one.ts, mwh, True, False, begun, one.session, day.resolution))
        previous = one
    return _with_edges(_with_idle(spans))


class _Day(NamedTuple):
    """How often a device reports in a day while energy flows and while it is idle, and the least
    that it counts.
    """

    step: timedelta
    idle_step: timedelta | None
    resolution: int | None


def _days(
    ordered: Sequence[Reading], energies: Mapping[datetime, int], set_step: timedelta | None
) -> dict[date, _Day]:
    days: dict[date, _Day] = {}
    for day, found in groupby(ordered, lambda one: one.ts.date()):
        ones = list(found)
        gaps = [(b.ts - a.ts, energies[b.ts]) for a, b in pairwise(ones)]
        idle = [gap for gap, mwh in gaps if is_idle(mwh, gap)]
        flowing = [gap for gap, mwh in gaps if not is_idle(mwh, gap)]
        step = set_step or _median(flowing) or _median([gap for gap, _ in gaps]) or STEP
        told = [_resolution(one, energies[one.ts]) for one in ones if energies[one.ts] > 0]
        days[day] = _Day(step, _median(idle), min(told, default=None))
    return days


def _median(gaps: Sequence[timedelta]) -> timedelta | None:
    return sorted(gaps)[(len(gaps) - 1) // 2] if len(gaps) >= 5 else None


def _resolution(one: Reading, mwh: int) -> int:
    if one.kind != "difference":
        return mwh
    digit = 1
    while digit < 10**6 and mwh % (digit * 10) == 0:
        digit *= 10
    return digit


def _is_new(one: Reading, previous: Reading) -> bool:
    return one.kind == "session_counter" and one.session != previous.session


def _since(
    one: Reading,
    mwh: int,
    previous: Reading | None,
    step: timedelta,
    rules: Rules,
) -> datetime | None:
    if one.start is not None:
        return max(one.start, one.ts - rules.from_within, previous.ts if previous else one.start)
    if previous is None:
        return one.ts - step if one.kind == "difference" else None
    if one.ts - previous.ts <= step * 1.5:
        return previous.ts
    # a new one counts from zero, whenever that was
    if _is_new(one, previous):
        return one.ts - step
    # what it lost meanwhile is not told again, unless it is more than can flow in one step
    if one.kind == "difference" and rules.plausible(mwh, step):
        return one.ts - step
    return previous.ts


def _with_idle(spans: Sequence[Span]) -> Iterator[Span]:
    """Say which are idle; a coarse counter stands for a while also where power flows."""
    stood_until, stood_for = None, timedelta(0)
    for stands, found in groupby(spans, lambda span: span.mwh <= 0):
        run = list(found)
        if stands:
            stood_until = run[-1].ts
            stood_for = stood_until - (run[0].since or run[0].ts)
            told = [span.resolution for span in run if span.resolution is not None]
            # one that never counts in its day is no coarse one
            coarse = min(max(told, default=0), int(IDLE_BELOW_KW * 10**6))
            for span in run:
                yield span._replace(idle=span.since is None or is_idle(coarse, stood_for))
            continue
        for place, span in enumerate(run):
            assert span.since is not None
            assert span.resolution is not None
            lasted = span.ts - span.since
            if place == 0 and span.mwh <= span.resolution and stood_until == span.since:
                lasted += min(stood_for, LOOKED_AT)
            yield span._replace(idle=is_idle(span.mwh, lasted))


def _with_edges(judged: Iterable[Span]) -> list[Span]:
    """Say with which of them flow starts or ends."""
    spans = list(judged)
    found: list[Span] = []
    for place, span in enumerate(spans):
        edge = turns = False
        before = spans[place - 1] if place else None
        after = spans[place + 1] if place + 1 < len(spans) else None
        if not span.idle:
            assert span.since is not None
            starts = before is None or before.idle or span.since - before.ts >= PAUSE
            ends = after is None or after.idle or (after.since or after.ts) - span.ts >= PAUSE
            edge = starts or ends
        elif span.mwh > (span.resolution or 0):
            # a silence in which a flow began, or ended
            turns = any(other is not None and not other.idle for other in (before, after))
        blurred = (edge or turns) and span.since is not None and is_long(span.since, span.ts)
        found.append(span._replace(edge=edge, blurred=span.blurred or blurred))
    return found
