"""Histories that devices may have: readings as they send them, rightly or wrongly."""

from __future__ import annotations

from datetime import datetime, timedelta
from random import Random
from typing import NamedTuple

from hypothesis import strategies as st

from tests.support.fold import Booking, Correction, Exchange, Reading, Record, Rules
from tests.support.ledger import START

KWH = 10**6
MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)


class History(NamedTuple):
    """What one device sent, what DBAs said of it, and the rules that hold for it."""

    readings: list[Reading]
    records: list[Record]
    rules: Rules


class Settings(NamedTuple):
    """What ops.set_device_rules is told of a device; None: as for all."""

    step: timedelta | None = None
    usual_power_kw: float | None = None
    max_power_kw: float | None = None
    tolerance_kwh: float | None = None
    width_kwh: float | None = None

    def rules(self) -> Rules:
        """The rules as these change them."""
        rules = Rules()
        if self.step is not None:
            rules = rules._replace(step=self.step)
        if self.usual_power_kw is not None:
            rules = rules._replace(usual_power_kw=self.usual_power_kw)
        if self.max_power_kw is not None:
            rules = rules._replace(max_power_kw=self.max_power_kw)
        if self.tolerance_kwh is not None:
            rules = rules._replace(tolerance=round(self.tolerance_kwh * KWH))
        if self.width_kwh is not None:
            rules = rules._replace(widths=[round(self.width_kwh * KWH)])
        return rules


SETTINGS = st.one_of(
    st.just(Settings()),
    st.builds(
        Settings,
        step=st.sampled_from([None, 15 * MINUTE, 60 * MINUTE]),
        usual_power_kw=st.sampled_from([None, 11.0]),
        max_power_kw=st.sampled_from([None, 60.0]),
        tolerance_kwh=st.sampled_from([None, 0.05, 0.0]),
        width_kwh=st.sampled_from([None, 1000.0]),
    ),
)

# a minute, around what is cut, around what a difference explains, and days
GAPS = st.one_of(
    st.just(MINUTE),
    st.integers(1, 300).map(lambda seconds: timedelta(seconds=seconds)),
    st.sampled_from([timedelta(seconds=150), timedelta(seconds=151), 15 * MINUTE, 60 * MINUTE]),
    st.sampled_from([90 * MINUTE, timedelta(minutes=90, microseconds=1), timedelta(hours=20)]),
    st.integers(1, 10**10).map(lambda microseconds: timedelta(microseconds=microseconds)),
    st.integers(1, 40).map(lambda hours: timedelta(hours=hours)),
)
# what it does, the usual more often
DEEDS = st.sampled_from(
    ["count"] * 6
    + ["stand", "jitter", "edge", "zero", "low", "high", "stay low", "reset", "jump", "top"]
    + ["difference", "difference since", "session", "old session", "lifetime", "named", "align"]
)


class _Device:
    """A device that counts, and says so."""

    def __init__(self, level: int, rules: Rules, random: Random) -> None:
        self.level = level
        self.rules = rules
        self.random = random
        # names of its sessions, the newest last, with their levels; none: a lifetime register
        self.sessions: list[tuple[str, int]] = []
        self.in_session = False
        self.low = 0

    def reading(self, ts: datetime, deed: str, gap: timedelta) -> Reading:
        random, rules = self.random, self.rules
        said = None
        match deed:
            case "count" | "named" | "align":
                self.level += random.choice([100_000, random.randint(0, 3 * KWH)])
            case "jitter":
                said = self.level - random.randint(0, rules.tolerance)
            case "edge":
                step = int(rules.max_power_kw / 3600 * max(gap.total_seconds(), 60) * 1e6)
                said = self.level + random.choice([-1, 1]) * rules.tolerance
                said += random.choice([0, step]) + random.choice([-1, 0, 1])
            case "zero":
                said = random.choice([0, random.randint(0, KWH)])
            case "low" | "stay low":
                if deed == "low" or not self.low:
                    self.low = random.randint(0, self.level)
                said = self.low + random.randint(0, rules.tolerance // 3)
            case "high":
                said = self.level + random.randint(10 * KWH, 60_000 * KWH)
            case "reset":
                self.level = random.choice([0, random.randint(0, KWH), random.randint(0, 10**9)])
            case "jump":
                self.level += random.randint(1000 * KWH, 100_000 * KWH)
            case "top":
                # about to go over its width
                self.level = random.choice(list(rules.widths)) - random.randint(0, KWH)
            case "difference" | "difference since":
                # never more than the door takes after a minute
                most = int(rules.max_power_kw / 60 * 1e6) + rules.tolerance
                energy = random.randint(0, most)
                self.level += random.choice([0, energy])
                start = None
                if deed == "difference since":
                    start = ts - random.choice([gap, gap / 2, gap * 2])
                    start = max(start, START - timedelta(days=2))
                return Reading(ts, energy, "difference", start, random.choice([None, "D"]))
            case "session":
                if self.in_session and self.sessions:
                    self.sessions[-1] = (self.sessions[-1][0], self.level)
                self.sessions.append((f"S{len(self.sessions)}", 0))
                self.in_session = True
                self.level = random.randint(0, KWH)
            case "old session" if len(self.sessions) > 1 and self.in_session:
                newest = (self.sessions[-1][0], self.level)
                before = self.sessions[-2]
                self.sessions[-2:] = [newest, before]
                self.level = before[1] + random.randint(-KWH // 10, KWH)
                self.level = max(0, self.level)
            case "lifetime" if self.in_session:
                self.in_session = False
                self.level += random.randint(0, 500 * KWH)
            case _:
                pass
        # as much as the door takes of a register
        self.level = min(self.level, 10**13)
        said = min(max(0, self.level if said is None else said), 10**13)
        if self.in_session:
            return Reading(ts, said, "session_counter", session=self.sessions[-1][0])
        return Reading(ts, said, session="T" if deed == "named" else None)


@st.composite
def histories(draw: st.DrawFn, settings: Settings, most: int = 14) -> list[Reading]:
    """Readings of a device over some days, in order of time."""
    rules = settings.rules()
    deeds = draw(st.lists(st.tuples(GAPS, DEEDS), max_size=most))
    start = draw(st.sampled_from([0, 10**9, 99_999 * KWH, rules.widths[0] - 200_000]))
    device = _Device(start, rules, draw(st.randoms(use_true_random=False)))
    ts = START + draw(st.integers(0, 24 * 60)) * MINUTE
    readings: list[Reading] = []
    for gap, deed in deeds:
        if ts + gap >= START + timedelta(days=7):
            break
        before, ts = ts, ts + gap
        if deed == "align":
            hour = ts.replace(minute=0, second=0, microsecond=0)
            ts = hour if hour > before else ts
        readings.append(device.reading(ts, deed, ts - before))
    return readings


@st.composite
def corrections(draw: st.DrawFn, readings: list[Reading]) -> Correction:
    """What one of the readings should have reported, or that it is taken back."""
    reading = draw(st.sampled_from(readings))
    most = 5 * KWH if reading.kind == "difference" else 10**13
    value = draw(
        st.one_of(
            st.none(),
            st.integers(-5 * KWH, 5 * KWH).map(lambda change: reading.mwh + change),
            st.integers(0, 2 * 10**9),
            st.sampled_from(readings).map(lambda other: other.mwh),
        )
    )
    return Correction(reading.ts, None if value is None else min(max(0, value), most))


@st.composite
def records(draw: st.DrawFn, readings: list[Reading]) -> list[Record]:
    """What people say of a device: few things, at any time."""
    made: list[Record] = []
    for _ in range(draw(st.integers(0, 3))):
        ts = START + draw(st.integers(0, 7 * 24 * 60 - 1)) * MINUTE
        kind = draw(st.sampled_from(["booking", "exchange", "correction", "correction"]))
        if kind == "correction":
            if readings:
                made.append(draw(corrections(readings)))
        elif kind == "booking":
            start = draw(st.sampled_from([None, 5 * MINUTE, 50 * MINUTE, 30 * HOUR]))
            mwh = draw(st.integers(1, 10 * KWH)) * draw(st.sampled_from([1, -1]))
            made.append(Booking(ts, mwh, start and ts - start))
        elif not any(isinstance(record, Exchange) and record.ts == ts for record in made):
            final, initial = draw(st.tuples(st.integers(0, 10**10), st.integers(0, 10**9)))
            made.append(Exchange(ts, final, initial))
    return made


def transaction(minutes: float, mwh: int, session: str) -> Reading:
    """Reading of a counter per transaction, so long after the start of a day."""
    return Reading(START + minutes * MINUTE, mwh, "session_counter", session=session)


# two transactions, which both go on after another counter came between
BEFORE = [transaction(840, 5_000_000, "S0"), transaction(898, 3_280_896_060, "S1")]
AFTER = [transaction(958, 4_262, "S1"), transaction(960.52, 241_833, "S0")]
BETWEEN = START + 942 * MINUTE
EXCHANGED = (Settings(), BEFORE + AFTER, [Exchange(BETWEEN, 41_789_475, 11_112)])
LIFETIME_BETWEEN = (Settings(), [*BEFORE, Reading(BETWEEN, 99_999), *AFTER], list[Record]())
