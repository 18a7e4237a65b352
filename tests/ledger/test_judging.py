"""Registers are judged as the table of rules says, with its numbers."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import NamedTuple

import pytest

from tests.support.fold import Kind, Reading, Rules, fold
from tests.support.ledger import START, Device, check, new_device, send, settle, settle_due
from tests.support.readings import Connection

MINUTE = timedelta(minutes=1)
NOON = START + timedelta(hours=12)
LIFETIME: Kind = "lifetime_register"


def kwh(value: float) -> int:
    return round(value * 10**6)


def minutely(*levels: float, kind: Kind = LIFETIME, session: str | None = None) -> list[Reading]:
    """A level a minute."""
    return [
        Reading(NOON + i * MINUTE, kwh(level), kind, session=session)
        for i, level in enumerate(levels)
    ]


def sessions(*levels: tuple[str, float]) -> list[Reading]:
    """A level of a counter per session a minute."""
    return [
        Reading(NOON + i * MINUTE, kwh(level), "session_counter", session=session)
        for i, (session, level) in enumerate(levels)
    ]


def differences(*energies: float) -> list[Reading]:
    return minutely(*energies, kind="difference")


class Row(NamedTuple):
    """A row of the table: readings, the energy of each in kWh, and the events."""

    readings: list[Reading]
    energies: Sequence[float]
    events: Sequence[str] = ()
    tolerance_kwh: float | None = None


ROWS = {
    "a step": Row(minutely(163.53, 163.63), [0, 0.1]),
    "jitter": Row(
        minutely(25.77, 25.87, 26.08, 25.97, 25.97, 26.08, 26.18, 28.04),
        [0, 0.1, 0.21, 0, 0, 0, 0.1, 1.86],
    ),
    "one low reading": Row(minutely(357.9, 0, 358.0, 358.1), [0, 0, 0.1, 0.1], ["glitch"]),
    "two low readings": Row(minutely(16000, 0, 0, 16000.5), [0, 0, 0, 0.5], ["glitch"] * 2),
    "one low reading for a day": Row(
        [
            *minutely(357.9),
            Reading(NOON + timedelta(hours=20), 0),
            Reading(NOON + timedelta(hours=40), kwh(358.1)),
        ],
        [0, 0, 0.2],
        ["glitch"],
    ),
    "a rollover": Row(minutely(99999.9, 0.2, 0.4), [0, 0.3, 0.2], ["rollover"]),
    "a rollover of a wide register": Row(
        minutely(4294967.196, 0.1, 0.3), [0, 0.2, 0.2], ["rollover"]
    ),
    "a reset": Row(minutely(532, 264.9, 265.2), [0, 0, 0.3], ["reset"]),
    "a reset to near zero": Row(
        minutely(18.2, 0.1, 0.4), [0, 0.1, 0.3], ["reset"], tolerance_kwh=0.5
    ),
    "a new session": Row(
        sessions(("S1", 18.1), ("S1", 18.2), ("S2", 0.1), ("S2", 0.4)), [0, 0.1, 0.1, 0.3]
    ),
    "a reading of the session before": Row(
        sessions(("S1", 18.1), ("S2", 0.1), ("S1", 18.3), ("S2", 0.4)), [0, 0.1, 0.2, 0.3]
    ),
    "a jump": Row(minutely(100, 1010, 1010.1, 1011.1), [0, 0, 0.1, 1], ["jump"]),
    "a jump that comes back": Row(minutely(100, 53_700, 100.1), [0, 0, 0.1], ["glitch"]),
    "from differences to a register": Row(
        [*differences(0.3, 0.4), *minutely(0, 0, 500, 500.2)[2:]], [0.3, 0.4, 0, 0.2]
    ),
    "a register again after differences": Row(
        [
            *minutely(500),
            Reading(NOON + 1 * MINUTE, kwh(0.4), "difference"),
            Reading(NOON + 2 * MINUTE, kwh(0.3), "difference"),
            Reading(NOON + 3 * MINUTE, kwh(501)),
            Reading(NOON + 4 * MINUTE, kwh(501.2)),
        ],
        [0, 0.4, 0.3, 0.3, 0.2],
        ["kind"],
    ),
    "from sessions to a lifetime register": Row(
        [*sessions(("S1", 5), ("S1", 5.2)), Reading(NOON + 2 * MINUTE, kwh(900))],
        [0, 0.2, 0],
        ["kind"],
    ),
    "from a lifetime register to sessions": Row(
        [*minutely(900), *sessions(("", 0), ("S1", 0.3), ("S1", 0.5))[1:]],
        [0, 0.3, 0.2],
        ["kind"],
    ),
    "a lifetime register that names transactions": Row(
        [
            reading._replace(session=session)
            for reading, session in zip(
                minutely(700, 700.1, 700.3, 700.4), ("T1", "T1", "T2", "T3"), strict=True
            )
        ],
        [0, 0.1, 0.2, 0.1],
    ),
}


@pytest.fixture(params=ROWS)
def row(request: pytest.FixtureRequest) -> Row:
    return ROWS[request.param]


def rules(row: Row) -> Rules:
    return Rules() if row.tolerance_kwh is None else Rules(tolerance=kwh(row.tolerance_kwh))


def prepare(db: Connection, device: Device, row: Row) -> None:
    if row.tolerance_kwh is not None:
        db.execute(
            "SELECT ops.set_device_rules(%s, tolerance_kwh => %s)", [device.name, row.tolerance_kwh]
        )


def test_the_plain_fold_says_what_the_table_says(row: Row) -> None:
    found = fold(row.readings, rules=rules(row))
    energies = {reading.ts: 0 for reading in row.readings}
    for piece in found.pieces:
        energies[piece.ts] += piece.mwh
    assert list(energies.values()) == [kwh(energy) for energy in row.energies]
    assert [event.event for event in found.events] == list(row.events)


# one by one they are judged on both engines in the short run, by the definitions that both share
@pytest.mark.slow_on_webassembly
def test_readings_in_one_call_are_judged_so(db: Connection, device: Device, row: Row) -> None:
    prepare(db, device, row)
    assert send(db, device, row.readings) == []
    settle(db)
    check(db, device, row.readings, rules=rules(row))


def test_readings_that_come_one_by_one_are_judged_so_at_any_time(
    db: Connection, device: Device, row: Row
) -> None:
    prepare(db, device, row)
    for count, reading in enumerate(row.readings, 1):
        assert send(db, device, [reading]) == []
        settle(db)
        check(db, device, row.readings[:count], rules=rules(row))


@pytest.mark.slow_on_webassembly
def test_late_readings_are_judged_so_too(db: Connection, device: Device, row: Row) -> None:
    prepare(db, device, row)
    for count, reading in enumerate(reversed(row.readings), 1):
        assert send(db, device, [reading]) == []
        settle(db)
        check(db, device, row.readings[-count:], rules=rules(row))


def test_a_late_reading_divides_a_step(db: Connection, device: Device) -> None:
    first, late, last = minutely(10.0, 10.4, 11.0)
    send(db, device, [first])
    send(db, device, [last])
    settle(db)
    assert check(db, device, [first, last]).hours == {NOON: kwh(1)}
    send(db, device, [late])
    settle(db)
    folded = check(db, device, [first, late, last])
    assert [piece.mwh for piece in folded.pieces] == [kwh(0.4), kwh(0.6)]


@pytest.mark.parametrize("readings", [11, 12])
def test_a_run_is_a_glitch_while_it_is_short_or_brief(
    db: Connection, device: Device, readings: int
) -> None:
    """Eleven low readings within an hour, and twelve that take longer."""
    pace = MINUTE if readings == 11 else timedelta(minutes=6)
    low = [Reading(NOON + (i + 1) * pace, kwh(5)) for i in range(readings)]
    sent = [Reading(NOON, kwh(800)), *low, Reading(NOON + (readings + 1) * pace, kwh(800.7))]
    send(db, device, sent)
    settle(db)
    folded = check(db, device, sent)
    if readings == 11:
        assert [event.event for event in folded.events] == ["glitch"] * 11
        assert sum(folded.hours.values()) == kwh(0.7)
    else:
        assert [event.event for event in folded.events] == ["reset", "undecided"]
        assert folded.hours == {}


def test_a_low_run_that_climbs_is_no_glitch(db: Connection, device: Device) -> None:
    sent = minutely(800, 5, 5.5, 6, 800.7)
    send(db, device, sent)
    settle(db)
    folded = check(db, device, sent)
    assert [event.event for event in folded.events] == ["reset", "undecided"]
    assert folded.hours == {NOON: kwh(1)}


def test_a_difference_decides_what_a_register_was(db: Connection, device: Device) -> None:
    sent = [*minutely(100, 1010), Reading(NOON + 2 * MINUTE, kwh(0.1), "difference")]
    for count, reading in enumerate(sent, 1):
        assert send(db, device, [reading]) == []
        settle_due(db)
        if count > 1:
            event = check(db, device, sent[:count]).events[0].event
            assert event == ("undecided" if count == 2 else "jump")


@pytest.mark.slow_on_webassembly
def test_verification_finds_what_is_not_as_the_readings_say(db: Connection) -> None:
    devices = [new_device(side) for side in ("meter", "vehicle") for _ in ROWS]
    for device, row in zip(devices, [*ROWS.values()] * 2, strict=True):
        send(db, device, row.readings)
    settle(db)
    ids = [device.device_id for device in devices]
    asked = "SELECT v.* FROM ops.verify(%s, %s) AS v WHERE v.device_id = ANY (%s)"
    window = [START, START + timedelta(days=3)]
    assert db.execute(asked, [*window, ids]).fetchall() == []
    with db.transaction(force_rollback=True):
        db.execute(
            "INSERT INTO telemetry.meter_reading"
            " (meter_id, ts, entry, energy_mwh, reason, source_day)"
            " VALUES (%s, %s, 77, 1, 'step', %s)",
            [ids[0], NOON, NOON.date()],
        )
        (found, *_) = db.execute(asked, [*window, ids]).fetchall()
        assert ids[0] in found
