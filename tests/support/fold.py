"""Plain fold of one device's readings and records: what its ledger must come to.

It is the judge of the ledger's own fold, so it is written from the rules alone: slow, whole, and
without a database. Energy is in whole milliwatt-hours, as it is stored.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from typing import Literal, NamedTuple

Kind = Literal["difference", "lifetime_register", "session_counter"]
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
MICROSECOND = timedelta(microseconds=1)
NEVER = datetime.min.replace(tzinfo=UTC)


class Reading(NamedTuple):
    """What a device reported: a difference's energy, or the level of a counter."""

    ts: datetime
    mwh: int
    kind: Kind = "lifetime_register"
    start: datetime | None = None
    session: str | None = None


class Exchange(NamedTuple):
    """A register that was replaced by another."""

    ts: datetime
    final: int
    initial: int


class Correction(NamedTuple):
    """What the reading of a time should have reported; None: it is taken back."""

    ts: datetime
    mwh: int | None


class Booking(NamedTuple):
    """Energy that a record added, or took, in an interval; without a start in the hour of ts."""

    ts: datetime
    mwh: int
    start: datetime | None = None


Record = Exchange | Correction | Booking


class Rules(NamedTuple):
    """The rules as they are from the start, for any device."""

    step: timedelta = timedelta(minutes=1)
    silence: timedelta = timedelta(minutes=90)
    cut_above: timedelta = timedelta(seconds=150)
    from_within: timedelta = timedelta(days=31)
    usual_power_kw: float = 50
    max_power_kw: float = 500
    tolerance: int = 1_000_000
    glitch_within: timedelta = timedelta(minutes=60)
    glitch_readings: int = 10
    widths: Sequence[int] = (10**11, 10**12, 10**13, 2**31 * 1000, 2**32 * 1000)

    def plausible(self, step: int, span: timedelta) -> bool:
        """Whether a register may have counted so much in a span of time."""
        seconds = max(span.total_seconds(), 60)
        return step <= round(self.max_power_kw / 3600 * seconds * 1e6) + self.tolerance

    def fits_one_step(self, mwh: int) -> bool:
        """Whether it flows in one step of the device at its usual power."""
        return mwh <= round(self.usual_power_kw / 3600 * self.step.total_seconds() * 1e6)


class Event(NamedTuple):
    """What a register did beside counting."""

    ts: datetime
    event: str
    before: int | None
    reported: int | None
    booked: int
    explained: int
    final: bool


class Piece(NamedTuple):
    """Energy of the reading or record of a time, in one hour."""

    ts: datetime
    hour: datetime
    mwh: int
    is_cut: bool


@dataclass(frozen=True)
class State:
    """How it stands after a reading or record."""

    read_at: datetime | None = None
    level: int | None = None
    level_at: datetime = NEVER
    # of a counter per session: which one, and the one before with its last level
    session: str | None = None
    earlier: tuple[str, int] | None = None
    # since the level was reported
    differences: int = 0


class Midnight(NamedTuple):
    """How it stands at the end of a UTC day: the register is at the level and what was carried."""

    level: int | None
    differences: int
    carried: int
    jitters: int
    session: str | None

    @property
    def register(self) -> int | None:
        """The register's level; None where the device has none."""
        return None if self.level is None else self.level + self.differences + self.carried


@dataclass
class Folded:
    """What the ledger comes to."""

    pieces: list[Piece] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)
    states: list[tuple[datetime, State]] = field(default_factory=list)
    jitters: list[datetime] = field(default_factory=list)

    @property
    def hours(self) -> dict[datetime, int]:
        """Energy of each hour that has any."""
        return self._sums(self.pieces)

    @property
    def cut_hours(self) -> dict[datetime, int]:
        """What of it was placed there by cutting longer intervals."""
        return self._sums(piece for piece in self.pieces if piece.is_cut)

    @staticmethod
    def _sums(pieces: Iterable[Piece]) -> dict[datetime, int]:
        sums: dict[datetime, int] = defaultdict(int)
        for piece in pieces:
            sums[piece.hour] += piece.mwh
        return {hour: mwh for hour, mwh in sums.items() if mwh}

    def midnight(self, day: date) -> Midnight:
        """How it stands at the end of a day."""
        end = datetime(day.year, day.month, day.day, tzinfo=UTC) + DAY
        state = next((s for ts, s in reversed(self.states) if ts < end), State())
        return Midnight(
            state.level,
            state.differences,
            sum(piece.mwh for piece in self.pieces if piece.ts >= end > piece.hour),
            sum(end - DAY <= ts < end for ts in self.jitters),
            state.session,
        )


def floor_hour(ts: datetime) -> datetime:
    """Start of the hour."""
    return ts.replace(minute=0, second=0, microsecond=0)


def fold(
    readings: Iterable[Reading],
    records: Iterable[Record] = (),
    rules: Rules | None = None,
    kept_since: datetime | None = None,
) -> Folded:
    """Fold one device's readings and records; each time has one reading.

    Their order does not matter, but that of corrections of one reading: the last one holds.
    """
    folding = _Folding(readings, records, rules or Rules(), kept_since)
    folding.run()
    return folding.found


class _Folding:
    def __init__(
        self,
        readings: Iterable[Reading],
        records: Iterable[Record],
        rules: Rules,
        kept_since: datetime | None,
    ) -> None:
        self.rules = rules
        self.kept_since = kept_since
        self.found = Folded()
        self.state = State()
        # whether nothing that comes later can change what is found
        self.final = True
        made = list(records)
        self.bookings = [record for record in made if isinstance(record, Booking)]
        exchanges = [record for record in made if isinstance(record, Exchange)]
        corrected = {record.ts: record.mwh for record in made if isinstance(record, Correction)}
        told = [
            reading if mwh == reading.mwh else reading._replace(mwh=mwh)
            for reading in readings
            if (mwh := corrected.get(reading.ts, reading.mwh)) is not None
        ]
        # a record at a reading's time comes before it
        self.items: list[Reading | Exchange] = sorted(
            [*exchanges, *told], key=lambda item: (item.ts, isinstance(item, Reading))
        )

    def run(self) -> None:
        for booking in self.bookings:
            self.book(booking)
        place = 0
        while place < len(self.items):
            place = self.judge(place)

    def judge(self, place: int) -> int:
        """Judge one item, or a run of them; return the place of the next."""
        item = self.items[place]
        if isinstance(item, Exchange):
            self.exchange(item)
        elif item.kind == "difference":
            self.difference(item)
        elif self.state.level is None:
            # whoever joins in the middle does not know when that flowed
            self.accept(item, 0, item.ts)
        elif not self.is_same_counter(item):
            self.another_counter(item)
        elif not self.is_in_range(item):
            return self.elsewhere(place)
        elif self.state.differences:
            self.after_differences(item)
        else:
            self.count(item)
        return place + 1

    # what becomes of an item

    def exchange(self, item: Exchange) -> None:
        before = self.register()
        booked = 0 if before is None else max(0, item.final - before)
        self.place(item.ts, self.state.read_at or item.ts, booked)
        explained = 0 if before is None else item.initial - before - booked
        self.note(item.ts, "exchange", item.final, booked, explained)
        self.move(
            item.ts,
            read_at=item.ts,
            level=item.initial,
            level_at=item.ts,
            session=None,
            earlier=None,
            differences=0,
        )

    def difference(self, item: Reading) -> None:
        start = self.start_of_difference(item.ts, item.mwh, item.start)
        self.place(item.ts, start, item.mwh)
        # of a device's first one it is not known since when
        is_known = item.start is not None or self.state.read_at is not None
        if is_known and not self.rules.plausible(item.mwh, item.ts - start):
            self.note(item.ts, "too_short", None, item.mwh, 0)
        self.move(
            item.ts,
            read_at=item.ts,
            differences=0 if self.state.level is None else self.state.differences + item.mwh,
        )

    def another_counter(self, item: Reading) -> None:
        state = self.state
        assert state.level is not None
        if item.kind == "lifetime_register":
            self.event(item.ts, "kind", item.mwh, 0)
            self.accept(item, 0, item.ts)
            return
        if state.earlier is not None and state.earlier[0] == item.session:
            energy = max(0, item.mwh - state.earlier[1])
            level = max(item.mwh, state.earlier[1])
        else:
            energy = level = item.mwh
        earlier = None
        if state.session is None:
            self.event(item.ts, "kind", item.mwh, energy)
        else:
            earlier = (state.session, state.level)
        self.accept(item, energy, self.start_of_difference(item.ts, energy))
        self.state = replace(self.state, level=level, earlier=earlier)
        self.move(item.ts)

    def after_differences(self, item: Reading) -> None:
        """A register that goes on after differences which it has counted too, or not."""
        level, before = self.state.level, self.register()
        assert level is not None
        assert before is not None
        # below the level it is jitter: counts again above that only
        reached = max(level, item.mwh)
        energy = max(0, item.mwh - before)
        self.note(item.ts, "kind", item.mwh, energy, reached - before - energy)
        self.accept(item, energy)
        self.state = replace(self.state, level=reached)
        self.move(item.ts)

    def count(self, item: Reading) -> None:
        assert self.state.level is not None
        if item.mwh < self.state.level:
            # jitter: counts again above the highest level only
            self.found.jitters.append(item.ts)
            self.move(item.ts, read_at=item.ts)
        else:
            self.accept(item, item.mwh - self.state.level)

    def elsewhere(self, place: int) -> int:
        """A register that left its range: what comes after tells why."""
        run: list[Reading] = []
        for item in self.items[place:]:
            if isinstance(item, Exchange) or not self.is_same_counter(item):
                break
            if self.is_in_range(item):
                for gone in run:
                    self.event(gone.ts, "glitch", gone.mwh, 0, moved=False)
                return place + len(run)
            run.append(item)
            if self.is_decided(run):
                break
        else:
            if len(run) == 1:
                self.final = False
                self.event(run[0].ts, "undecided", run[0].mwh, 0, moved=False)
                return place + 1
            self.final = False
        self.leave(run)
        return place + 1

    def is_decided(self, run: list[Reading]) -> bool:
        """Whether it cannot be a glitch any more; a single reading always can."""
        first, last = run[0], run[-1]
        if len(run) > 1 and last.mwh - first.mwh >= self.rules.tolerance:
            return True
        is_long = last.ts - first.ts > self.rules.glitch_within
        return is_long and len(run) > self.rules.glitch_readings

    def leave(self, run: list[Reading]) -> None:
        """Go on from the first reading of a run, which counts from there."""
        first, before = run[0], self.register()
        assert before is not None
        if first.mwh > before:
            self.event(first.ts, "jump", first.mwh, 0)
            self.accept(first, 0)
        elif (energy := self.over_the_top(run)) is not None:
            self.event(first.ts, "rollover", first.mwh, energy)
            self.accept(first, energy)
        else:
            energy = first.mwh if first.mwh <= self.rules.tolerance else 0
            self.event(first.ts, "reset", first.mwh, energy)
            self.accept(first, energy)

    def over_the_top(self, run: list[Reading]) -> int | None:
        """Energy of a register that went on from zero at its width; None where it did not."""
        level, span = self.register(), run[0].ts - self.state.level_at
        assert level is not None
        if len(run) > 1 and run[1].mwh < run[0].mwh:
            return None
        for width in sorted(self.rules.widths):
            within = min(span, self.rules.silence)
            if level <= width and self.rules.plausible(width - level + run[0].mwh, within):
                return width - level + run[0].mwh
        return None

    # what the rules ask

    def register(self) -> int | None:
        """The level as the register must have it, if it counted the differences since."""
        return None if self.state.level is None else self.state.level + self.state.differences

    def is_same_counter(self, item: Reading) -> bool:
        if item.kind == "lifetime_register":
            return self.state.session is None
        return item.kind == "session_counter" and self.state.session == item.session

    def is_in_range(self, item: Reading) -> bool:
        level, before = self.state.level, self.register()
        assert level is not None
        assert before is not None
        # it may have counted the differences since, or not
        return item.mwh >= level - self.rules.tolerance and self.rules.plausible(
            item.mwh - before, item.ts - self.state.level_at
        )

    def start_of_difference(
        self, ts: datetime, mwh: int, start: datetime | None = None
    ) -> datetime:
        previous = self.state.read_at
        if start is not None:
            return max(start, previous or start, ts - self.rules.from_within)
        if previous is not None:
            gap = ts - previous
            if gap <= max(self.rules.silence, self.rules.step * 1.5):
                return previous
            if not self.rules.fits_one_step(mwh):
                return previous
        return ts - self.rules.step

    # what is kept of it

    def accept(self, item: Reading, energy: int, start: datetime | None = None) -> None:
        """Go on from the item's level; its energy flowed since the previous reading, or start."""
        self.place(item.ts, start or self.state.read_at or item.ts, energy)
        self.move(
            item.ts,
            read_at=item.ts,
            level=item.mwh,
            level_at=item.ts,
            session=item.session if item.kind == "session_counter" else None,
            earlier=self.state.earlier if item.kind == "session_counter" else None,
            differences=0,
        )

    def move(self, ts: datetime, **changes: object) -> None:
        self.state = replace(self.state, **changes)  # type: ignore[arg-type]
        self.found.states.append((ts, self.state))

    def event(
        self, ts: datetime, event: str, reported: int, booked: int, *, moved: bool = True
    ) -> None:
        """Note an event; where the level moved, energy explains some of that and it the rest."""
        before = self.register()
        explained = reported - before - booked if moved and before is not None else 0
        self.note(ts, event, reported, booked, explained)

    def note(
        self, ts: datetime, event: str, reported: int | None, booked: int, explained: int
    ) -> None:
        self.found.events.append(
            Event(ts, event, self.state.level, reported, booked, explained, self.final)
        )

    def book(self, booking: Booking) -> None:
        """Put energy of a record into all hours of its interval, however short that is."""
        if booking.start is None or booking.start == booking.ts:
            self.put(booking.ts, floor_hour(booking.ts), booking.mwh, is_cut=False)
            return
        sign = -1 if booking.mwh < 0 else 1
        duration = (booking.ts - booking.start) // MICROSECOND
        before = 0
        hour = floor_hour(booking.start)
        while hour < booking.ts:
            end = min(hour + HOUR, booking.ts)
            passed = (end - booking.start) // MICROSECOND
            until = sign * (abs(booking.mwh) * passed // duration)
            self.put(max(hour, booking.start), hour, until - before, is_cut=False)
            before = until
            hour += HOUR

    def place(self, ts: datetime, start: datetime, mwh: int) -> None:
        """Put energy into the hours of its interval, in proportion to time."""
        last = floor_hour(ts)
        if ts - start <= self.rules.cut_above or floor_hour(start) == last:
            self.put(ts, last, mwh, is_cut=False)
            return
        duration = (ts - start) // MICROSECOND
        before = 0
        hour = floor_hour(start)
        while hour <= last:
            end = min(hour + HOUR, ts)
            until = mwh * ((end - start) // MICROSECOND) // duration
            self.put(ts, hour, until - before, is_cut=True)
            before = until
            hour += HOUR

    def put(self, ts: datetime, hour: datetime, mwh: int, *, is_cut: bool) -> None:
        if self.kept_since is not None:
            hour = max(hour, self.kept_since)
        if mwh:
            self.found.pieces.append(Piece(ts, hour, mwh, is_cut))
