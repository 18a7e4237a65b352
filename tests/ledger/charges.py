"""Charges that a meter and vehicles may tell of, each in its own way."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from itertools import pairwise
from random import Random
from typing import Any, Literal, NamedTuple

from hypothesis import strategies as st

from tests.support.charging_account import Link
from tests.support.charging_rows import Case
from tests.support.fold import HOUR, Kind, Reading, floor_hour
from tests.support.ledger import START

MINUTE = timedelta(minutes=1)
SECOND = timedelta(seconds=1)
# of a device in a case that is made at random
MOST_READINGS = 120


class Phase(NamedTuple):
    """For how long power flows, and whether a transaction begins with it."""

    lasts: timedelta
    kw: float
    begins: bool


class Way(NamedTuple):
    """How a device tells what flows."""

    kind: Kind
    step: timedelta
    jitter: timedelta
    quantum: int
    names: Literal["never", "sometimes", "always"]
    # while nothing flows it is silent
    sleeps: bool
    lost: float
    silent: tuple[timedelta, timedelta]
    tells_start: bool
    # between readings while nothing but standby flows; None: the same
    idle_step: timedelta | None = None


NO_SILENCE = (timedelta(0), timedelta(0))
# a register that is read each minute
STEADY = Way("lifetime_register", MINUTE, timedelta(0), 1, "never", False, 0, NO_SILENCE, False)


def told(
    start: datetime, *phases: tuple[float, float], share: float = 1, **changes: Any
) -> list[Reading]:
    """Readings of a device while so many kW flow for so many minutes, and again."""
    made = [Phase(minutes * MINUTE, kw, False) for minutes, kw in phases]
    return tell(made, start, STEADY._replace(**changes), share, Random(0))


STEPS = st.sampled_from([MINUTE, MINUTE, 5 * MINUTE, 15 * MINUTE, 60 * MINUTE, 7 * SECOND])
WAYS = st.builds(
    Way,
    kind=st.sampled_from(["difference", "lifetime_register", "session_counter"]),
    step=STEPS,
    jitter=st.sampled_from([timedelta(0), timedelta(microseconds=1), SECOND, 20 * SECOND]),
    quantum=st.sampled_from([1, 1000, 10**5, 10**5, 10**6]),
    names=st.sampled_from(["never", "sometimes", "always"]),
    sleeps=st.booleans(),
    lost=st.sampled_from([0, 0, 0.05, 0.3]),
    silent=st.tuples(
        st.integers(0, 600).map(lambda minutes: minutes * MINUTE),
        st.sampled_from([0, 0, 10, 29, 30, 45, 90, 400]).map(lambda minutes: minutes * MINUTE),
    ),
    tells_start=st.sampled_from([False, False, True]),
    idle_step=st.sampled_from([None, 5 * MINUTE, 15 * MINUTE, 60 * MINUTE]),
)
PHASES = st.lists(
    st.builds(
        Phase,
        lasts=st.one_of(
            st.sampled_from([1, 15, 29, 30, 31, 60]), st.integers(1, 150), st.just(600)
        ).map(lambda minutes: minutes * MINUTE),
        kw=st.sampled_from([0, 0, 0.02, 0.09, 0.11, 2.3, 7.4, 11, 50]),
        begins=st.booleans(),
    ),
    min_size=1,
    max_size=7,
)


def tell(phases: Sequence[Phase], start: datetime, way: Way, share: float, random: Random) -> Any:
    """Readings of a device that sees so much of what flows."""
    end = start + sum((phase.lasts for phase in phases), timedelta(0))
    readings: list[Reading] = []
    scheduled, before = start, start
    while scheduled < end:
        is_idle = _at(phases, start, scheduled + SECOND)[1] < 0.1
        step = max(way.step, way.idle_step) if is_idle and way.idle_step else way.step
        scheduled += step
        ts = scheduled + random.randint(-1, 1) * min(way.jitter, step / 3)
        flowed, _, began = _at(phases, start, ts)
        earlier, _, began_before = _at(phases, start, before)
        first = 0 if way.kind != "session_counter" else _at(phases, start, began)[0]
        levels = [round(level * share) // way.quantum * way.quantum for level in (flowed, earlier)]
        mwh = levels[0] - (levels[1] if way.kind == "difference" else round(first * share))
        is_named = way.kind == "session_counter" or way.names == "always"
        is_named |= way.names == "sometimes" and random.random() < 0.3
        is_lost = random.random() < way.lost or (way.sleeps and flowed == earlier)
        is_lost |= start + way.silent[0] <= ts < start + way.silent[0] + way.silent[1]
        if not is_lost:
            tells_start = way.tells_start and way.kind == "difference"
            readings.append(
                Reading(
                    ts,
                    max(0, mwh),
                    way.kind,
                    before if tells_start else None,
                    f"S{(began - START) // SECOND}" if is_named else None,
                )
            )
        assert began >= began_before
        before = ts
    return readings


def _at(phases: Sequence[Phase], start: datetime, ts: datetime) -> tuple[int, float, datetime]:
    """What has flowed until a moment, at which power it does, and when the transaction began."""
    flowed, since, kw, began = 0, start, 0.0, start
    for phase in phases:
        if since >= ts:
            break
        kw, began = phase.kw, since if phase.begins else began
        flowed += round(kw * 10**6 * (min(ts, since + phase.lasts) - since) / HOUR)
        since += phase.lasts
    return flowed, kw, began


@st.composite
def cases(draw: st.DrawFn) -> Case:
    """A meter and one or two vehicles that are at it in turn, or never."""
    phases = draw(PHASES)
    start = START + draw(st.integers(0, 24 * 60)) * MINUTE
    lasts = sum((phase.lasts for phase in phases), timedelta(0))
    random = Random(draw(st.integers(0, 10**6)))
    names = draw(st.sampled_from(["A", "AB"]))
    least = timedelta(seconds=lasts // SECOND // MOST_READINGS)
    ways = [draw(WAYS) for _ in range(len(names) + 1)]
    ways = [way._replace(step=max(way.step, least)) for way in ways]
    meter = tell(phases, start, ways[0], 1, random)
    vehicles = {
        name: tell(phases, start, way, 0.9, random)
        for name, way in zip(names, ways[1:], strict=True)
    }
    cuts = sorted(
        {
            # on the hour, on a reading, anywhere
            draw(
                st.one_of(
                    st.integers(-1, 12).map(lambda hours: floor_hour(start) + hours * HOUR),
                    st.sampled_from([one.ts for one in meter] or [start]),
                    st.floats(0, 1).map(lambda share: start + share * lasts),
                    # in a silence of one of them
                    st.sampled_from(ways).map(
                        lambda way: start + way.silent[0] + way.silent[1] / 2 + SECOND
                    ),
                )
            )
            for _ in range(draw(st.integers(2, 5)))
        }
    )
    links: list[Link] = []
    for since, until in pairwise(cuts):
        vehicle = draw(st.sampled_from([*names, *names, None]))
        if vehicle is not None:
            links.append(Link(vehicle, since, until))
    if not (meter or any(vehicles.values())):
        meter = [Reading(start, 0, "difference")]
    return Case(meter, vehicles, links, draw(st.sampled_from([None, None, 15 * MINUTE])))
