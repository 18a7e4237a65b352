"""History from before what raw readings are kept of: as if it had been sent in time."""

from __future__ import annotations

import random
from collections.abc import Sequence
from datetime import datetime, timedelta
from itertools import zip_longest

import pytest

from tests.editions.test_retention import DAY, NOON, maintain, retain
from tests.support.fold import HOUR, Reading
from tests.support.histories import Known, begin, end, import_history, known
from tests.support.kept_charging import settle_and_keep
from tests.support.ledger import Device, send
from tests.support.readings import Connection, link

MINUTE = timedelta(minutes=1)
KWH = 10**6
MIDNIGHT = NOON.replace(hour=0)
FIRST = MIDNIGHT - 24 * DAY
Fleet = dict[Device, list[Reading]]


def bound(db: Connection, dataset: str = "meter_reading") -> datetime:
    """From where on raw readings are kept."""
    (moment,) = db.execute("SELECT ops.history_bound(%s)", [dataset]).fetchone() or (None,)
    assert isinstance(moment, datetime)
    return moment


def charges(random_: random.Random, until: datetime) -> list[tuple[datetime, int]]:
    """When charges start, and how many minutes they take; also across midnights."""
    starts = [FIRST + timedelta(hours=random_.randrange(24))]
    while starts[-1] < until:
        starts.append(starts[-1] + timedelta(minutes=random_.randrange(500, 4000)))
    return [(start, random_.randrange(30, 400)) for start in starts[:-1]]


def fleet(seed: int, letter: str) -> Fleet:
    """Devices of each kind: a linked pair, registers with all that they do, and summaries."""
    random_ = random.Random(seed)
    until = MIDNIGHT - 2 * DAY
    meter: list[Reading] = []
    vehicle: list[Reading] = []
    summaries: list[Reading] = []
    counter: list[Reading] = []
    for start, minutes in charges(random_, until):
        for after in range(15, minutes, 15):
            meter.append(Reading(start + after * MINUTE, random_.randrange(KWH, 2 * KWH), "difference"))
        for after in range(7, minutes, 5):
            vehicle.append(
                Reading(start + after * MINUTE, random_.randrange(KWH // 3, KWH // 2), "difference")
            )
    for number, (start, minutes) in enumerate(charges(random_, until)):
        end = start + minutes * MINUTE
        summaries.append(Reading(end, minutes * KWH // 6, "difference", start, f"S{number}"))
        counter += [
            Reading(start + after * MINUTE, after * KWH // 10, "session_counter", None, f"S{number}")
            for after in range(0, minutes, 20)
        ]
    register: list[Reading] = []
    level = 100 * KWH
    ts = FIRST + 3 * HOUR
    while ts < until:
        register.append(Reading(ts, level))
        level += random_.randrange(0, 3 * KWH)
        what = random_.random()
        if what < 0.03:
            level = max(0, level - random_.randrange(KWH // 2, 50 * KWH))  # jitter or reset
        elif what < 0.05:
            register.append(Reading(ts + MINUTE, 0))  # glitch
        ts += random_.choice([HOUR, 15 * MINUTE, 3 * HOUR, 40 * HOUR])
    # one step goes across the moment from which on raw readings are kept
    silent = [reading for reading in register if abs(reading.ts - (MIDNIGHT - 10 * DAY)) > 2 * DAY]
    return {
        Device("meter", letter + "-pair"): meter,
        Device("vehicle", letter + "-pair"): vehicle,
        Device("meter", letter + "-summaries"): summaries,
        Device("vehicle", letter + "-counter"): counter,
        Device("meter", letter + "-register"): register,
        Device("vehicle", letter + "-silent"): silent,
    }


def link_pair(db: Connection, letter: str) -> None:
    link(db, letter + "-pair", letter + "-pair", FIRST - DAY)


def split(of: Fleet, at: datetime) -> tuple[list[tuple[Device, Sequence[Reading]]], Fleet]:
    old = [(device, [r for r in sent if r.ts < at]) for device, sent in of.items()]
    return [o for o in old if o[1]], {
        device: [r for r in sent if r.ts >= at] for device, sent in of.items()
    }


def compare(db: Connection, ordinary: Fleet, imported: Fleet) -> None:
    for one, other in zip(ordinary, imported, strict=True):
        expected, found = known(db, one), known(db, other)
        for what in Known._fields:
            rows = zip_longest(getattr(expected, what), getattr(found, what), fillvalue={})
            # where it differs, what alone
            assert [
                {name: (a.get(name), b.get(name)) for name in a | b if a.get(name) != b.get(name)}
                for a, b in rows
                if a != b
            ][:3] == [], (other, what)


def make(db: Connection, seed: int) -> tuple[Fleet, Fleet]:
    """A fleet that was sent in time and of which the older days are dropped, and its twin."""
    ordinary = fleet(seed, "A")
    link_pair(db, "A")
    for device, readings in ordinary.items():
        assert send(db, device, readings) == []
    settle_and_keep(db)
    retain(db, "8 days")
    maintain(db)
    assert bound(db) > FIRST + 10 * DAY
    link_pair(db, "B")
    return ordinary, fleet(seed, "B")


def check(db: Connection) -> None:
    assert db.execute("SELECT * FROM ops.verify('-infinity')").fetchall() == []


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.slow_on_webassembly
def test_history_is_kept_as_what_was_sent_in_time(db: Connection, seed: int) -> None:
    ordinary, imported = make(db, seed)
    before = [known(db, device) for device in ordinary]
    begin(db)
    old, new = split(imported, bound(db))
    for device, readings in new.items():
        assert send(db, device, readings) == []
    if seed:
        settle_and_keep(db)
    import_history(db, old)
    settle_and_keep(db)
    for _ in range(2):
        # late readings are refreshed in it
        maintain(db)
        assert [known(db, device) for device in ordinary] == before
        compare(db, ordinary, imported)
        check(db)
