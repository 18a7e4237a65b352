"""History from before what raw readings are kept of: as if it had been sent in time."""

from __future__ import annotations

import random
from collections.abc import Sequence
from datetime import datetime, timedelta
from itertools import zip_longest

import pytest

from tests.editions.test_retention import DAY, NOON, maintain, retain
from tests.support.fold import HOUR, Reading
from tests.support.histories import Known, begin, end, fold_staged, import_history, known, stage
from tests.support.kept_charging import settle_and_keep
from tests.support.ledger import Device, new_device, send
from tests.support.readings import Connection, link

MINUTE = timedelta(minutes=1)
KWH = 10**6
MIDNIGHT = NOON.replace(hour=0)
FIRST = MIDNIGHT - 24 * DAY
Fleet = dict[Device, list[Reading]]


pytestmark = pytest.mark.slow_on_webassembly


@pytest.fixture
def native(where: str) -> None:
    """Years in one session are more than the memory of the WebAssembly engine withstands."""
    if where == "webassembly":
        pytest.skip("the WebAssembly engine ends with errors of its memory")


@pytest.fixture(params=["meter", "vehicle"])
def device(request: pytest.FixtureRequest) -> Device:
    """A meter and a vehicle in turn."""
    return new_device(request.param)


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
            meter.append(
                Reading(start + after * MINUTE, random_.randrange(KWH, 2 * KWH), "difference")
            )
        for after in range(7, minutes, 5):
            vehicle.append(
                Reading(start + after * MINUTE, random_.randrange(KWH // 3, KWH // 2), "difference")
            )
    for number, (start, minutes) in enumerate(charges(random_, until)):
        end = start + minutes * MINUTE
        summaries.append(Reading(end, minutes * KWH // 6, "difference", start, f"S{number}"))
        counter += [
            Reading(
                start + after * MINUTE, after * KWH // 10, "session_counter", None, f"S{number}"
            )
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


@pytest.mark.parametrize(
    "seed", [0, *(pytest.param(seed, marks=pytest.mark.slow) for seed in (1, 2))]
)
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


def prepare(db: Connection) -> datetime:
    """Others have been dropped up to the moment that is returned; an import is open."""
    others = {Device("meter", "O-1"): 2, Device("vehicle", "O-1"): 1}
    for device, kwh in others.items():
        send(db, device, [Reading(NOON - n * DAY, kwh * n * KWH) for n in range(20, 1, -1)][::-1])
    settle_and_keep(db)
    retain(db, "8 days")
    maintain(db)
    begin(db)
    assert bound(db) == bound(db, "vehicle_reading")
    return bound(db)


def test_each_reading_that_is_no_history_is_told_with_what_to_do(db: Connection) -> None:
    until = prepare(db)
    number = begin(db)
    device = new_device()
    sent = [
        Reading(until - DAY, KWH),
        Reading(until - DAY, KWH),
        Reading(until - DAY, 2 * KWH),
        Reading(until, KWH),
        Reading(NOON.replace(year=1999), KWH),
        Reading(until - 2 * DAY, -KWH),
    ]
    told = stage(db, number, device, sent)
    assert [(row.index, row.outcome) for row in told] == [
        (1, "duplicate"),
        (2, "conflict"),
        (3, "kept"),
        (4, "too_old"),
        (5, "out_of_range"),
    ]
    assert "send it as a reading" in (told[2].detail or "")
    assert [row.outcome for row in stage(db, number, device, sent[:1])] == ["duplicate"]
    # one that is known there
    told = stage(db, number, Device("meter", "O-1"), [Reading(until - 30 * DAY, KWH)])
    assert [row.outcome for row in told] == ["known"]
    assert f"{until - DAY:%Y-%m-%d}" in (told[0].detail or "")


def test_the_same_history_twice_changes_nothing(db: Connection, device: Device) -> None:
    until = prepare(db)
    sent = [Reading(until - 3 * DAY + n * HOUR, n * KWH) for n in range(30)]
    import_history(db, [(device, sent)])
    once = known(db, device)
    assert sum(row["energy_mwh"] for row in once.hours) == 29 * KWH
    number = begin(db)
    assert {row.outcome for row in stage(db, number, device, sent)} == {"duplicate"}
    fold_staged(db, number)
    end(db, number)
    number = begin(db, "another file")
    assert {row.outcome for row in stage(db, number, device, sent)} == {"known"}
    fold_staged(db, number)
    end(db, number)
    assert known(db, device) == once
    check(db)


def test_history_goes_on_after_what_was_imported_before(db: Connection, device: Device) -> None:
    until = prepare(db)
    sent = [Reading(until - 4 * DAY + n * HOUR, n * KWH) for n in range(1, 72)]
    noon = until - 2 * DAY - 12 * HOUR
    import_history(db, [(device, [r for r in sent if r.ts < noon])], "first half")
    first = known(db, device)
    number = begin(db, "second half")
    # days are added as a whole
    told = stage(db, number, device, [r for r in sent if r.ts >= noon])
    assert {row.outcome for row in told} == {"known"}
    assert len(told) == 12
    fold_staged(db, number)
    end(db, number)
    # what the register rose by in between counts in the first hour that is new
    hours = known(db, device).hours
    assert hours[: len(first.hours)] == first.hours
    assert sum(row["energy_mwh"] for row in hours) == 70 * KWH
    check(db)


def test_history_that_joins_what_is_kept_counts_what_is_between_once(
    db: Connection, device: Device
) -> None:
    until = prepare(db)
    old = [Reading(until - 3 * DAY, 100 * KWH), Reading(until - 5 * HOUR, 150 * KWH)]
    new = [Reading(until + 5 * HOUR, 160 * KWH), Reading(until + DAY, 200 * KWH)]
    send(db, device, new)
    settle_and_keep(db)
    import_history(db, [(device, old)])
    settle_and_keep(db)
    maintain(db)
    kept = known(db, device)
    assert sum(row["energy_mwh"] for row in kept.hours) == 100 * KWH
    before = {row["bucket"]: row["energy_mwh"] for row in kept.hours}
    assert before[f"{until - HOUR:%Y-%m-%dT%H:%M:%S}+00:00"] == KWH
    assert before[f"{until:%Y-%m-%dT%H:%M:%S}+00:00"] == KWH
    # the bill of the last day of history and that of the first kept one meet
    levels = {row["day"]: row["level_mwh"] + row["carried_mwh"] for row in kept.anchors}
    assert levels[f"{until - DAY:%Y-%m-%d}"] == 155 * KWH
    check(db)


@pytest.mark.slow
@pytest.mark.usefixtures("native")
def test_hours_older_than_hours_are_kept_are_in_the_days(db: Connection, device: Device) -> None:
    sides = (f"{device.side}_energy_hourly",)
    send(db, device, [Reading(NOON - n * DAY, n * KWH) for n in range(60, 1, -1)][::-1])
    until = prepare(db)
    retain(db, "20 days", sides)
    end(db, begin(db))
    maintain(db)
    begin(db)
    other = Device(device.side, "L-old")
    old = [Reading(until - 80 * DAY + n * DAY, n * KWH) for n in range(75)]
    import_history(db, [(other, old)])
    found = known(db, other)
    assert sum(row["energy_mwh"] for row in found.days) == 74 * KWH
    hours = [row["bucket"] for row in found.hours]
    assert hours
    (since,) = db.execute(
        "SELECT d.complete_since FROM telemetry.dataset AS d WHERE d.dataset = %s", sides
    ).fetchone() or (None,)
    assert since is not None
    assert min(map(datetime.fromisoformat, hours)) >= since
    check(db)
    maintain(db)
    check(db)
    assert known(db, other) == found


def test_an_import_that_was_cut_off_goes_on(db: Connection) -> None:
    until = prepare(db)
    number = begin(db)
    devices = [new_device() for _ in range(3)]
    sent = [Reading(until - 3 * DAY + n * HOUR, n * KWH) for n in range(30)]
    for device in devices:
        assert stage(db, number, device, sent) == []
    db.execute("SELECT telemetry.fold_history_piece(%s, 1)", [number])
    with db.transaction(force_rollback=True):
        db.execute("SELECT telemetry.fold_history_piece(%s, 1)", [number])
    state = "SELECT i.folded_devices, i.devices, i.folded_readings FROM ops.history_imports AS i"
    assert db.execute(state).fetchone() == (1, 3, 30)
    # who begins anew goes on with it
    assert begin(db) == number
    assert {row.outcome for row in stage(db, number, devices[0], sent)} == {"duplicate"}
    fold_staged(db, number)
    assert db.execute(state).fetchone() == (3, 3, 90)
    end(db, number)
    for device in devices:
        assert sum(row["energy_mwh"] for row in known(db, device).days) == 29 * KWH
    check(db)


@pytest.mark.usefixtures("native")
def test_nothing_is_dropped_while_an_import_is_open(db: Connection) -> None:
    device = new_device()
    send(db, device, [Reading(NOON - n * DAY, (400 - n) * KWH) for n in range(20, 1, -1)])
    settle_and_keep(db)
    number = begin(db)
    assert bound(db) < NOON - 90 * DAY
    retain(db, "8 days")
    maintain(db)
    count = "SELECT count(*) FROM telemetry.meter_reading AS r WHERE r.entry = 0"
    assert db.execute(count).fetchone() == (19,)
    # what retention would refuse by its age
    late = Reading(NOON - 21 * DAY, 379 * KWH)
    assert send(db, device, [late]) == []
    end(db, number)
    assert [row.outcome for row in send(db, device, [late])] == ["too_old"]
    settle_and_keep(db)
    maintain(db)
    assert bound(db) > NOON - 11 * DAY
    check(db)


@pytest.mark.slow
@pytest.mark.usefixtures("native")
@pytest.mark.parametrize("is_live", [False, True], ids=["empty", "live"])
def test_a_year_of_history_comes_into_a_database_in_which_nothing_was_dropped(
    db: Connection, device: Device, is_live: bool
) -> None:
    now = Reading(NOON - 2 * DAY, 400 * KWH)
    if is_live:
        assert send(db, device, [now]) == []
        settle_and_keep(db)
    number = begin(db)
    until = bound(db)
    assert NOON - 94 * DAY < until < NOON - 91 * DAY
    old = [Reading(until - n * DAY, (400 - n) * KWH) for n in range(300, 0, -5)]
    assert stage(db, number, device, old) == []
    fold_staged(db, number)
    end(db, number)
    found = known(db, device)
    # the step to the first kept reading is known where that is
    assert sum(row["energy_mwh"] for row in found.days) == (300 if is_live else 295) * KWH
    number = begin(db, "again")
    assert {row.outcome for row in stage(db, number, device, old)} == {"known"}
    end(db, number)
    if not is_live:
        assert send(db, device, [now]) == []
    settle_and_keep(db)
    maintain(db)
    assert sum(row["energy_mwh"] for row in known(db, device).days) == 300 * KWH
    check(db)
