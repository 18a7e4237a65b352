"""Series of the kinds that real cars, chargers and fleets send come to what a person would say."""

from __future__ import annotations

from datetime import timedelta
from itertools import pairwise

from tests.support.fold import Reading
from tests.support.ledger import START, Device, check, new_device, send, settle
from tests.support.readings import Connection

SECOND = timedelta(seconds=1)
MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)
KWH = 10**6
NIGHT = START + 26 * HOUR


def test_a_cars_counter_that_corrects_itself_comes_to_what_it_gained(db: Connection) -> None:
    """It takes back up to 0.2 kWh now and then: summing up what it gained gives too much."""
    vehicle = new_device("vehicle")
    levels = [
        11_300_000 + i * 52_000 - (210_000 if i % 9 == 4 else 0) - (i % 3) * 17_000
        for i in range(64)
    ]
    sent = [
        Reading(NIGHT + i * 21 * SECOND + i % 4 * SECOND, level) for i, level in enumerate(levels)
    ]
    for reading in sent:
        send(db, vehicle, [reading])
    settle(db)
    folded = check(db, vehicle, sent)
    gained = sum(max(0, after - before) for before, after in pairwise(levels))
    assert sum(folded.hours.values()) == max(levels) - levels[0] < gained
    assert len(folded.jitters) > 5
    assert folded.events == []


def test_a_charger_that_says_zero_once_loses_and_gains_nothing(db: Connection) -> None:
    """As some do when they have just been started, within a transaction."""
    meter = new_device()
    sent = [
        Reading(NIGHT + i * MINUTE, level, session="7001")
        for i, level in enumerate([812_400_000, 0, 812_550_000, 812_700_000])
    ]
    for count, reading in enumerate(sent, 1):
        send(db, meter, [reading])
        settle(db)
        check(db, meter, sent[:count])
    folded = check(db, meter, sent)
    assert sum(folded.hours.values()) == 300_000
    assert [event.event for event in folded.events] == ["glitch"]


def test_charges_that_are_reported_at_their_end_are_between_start_and_end(
    db: Connection, device: Device
) -> None:
    """One row per charge, as an app of a car or the operator of a charger exports them."""
    charges = [(7, 20, 47, 6_120_000), (30, 55, 185, 21_870_000), (79, 5, 31, 5_930_000)]
    sent = [
        Reading(
            START + (hour * 60 + minute + duration) * MINUTE,
            energy,
            "difference",
            start=START + (hour * 60 + minute) * MINUTE,
        )
        for hour, minute, duration, energy in charges
    ]
    send(db, device, sent)
    settle(db)
    folded = check(db, device, sent)
    placed = [
        [mwh for at, mwh in sorted(folded.hours.items()) if hour <= (at - START) / HOUR < hour + 4]
        for hour, *_ in charges
    ]
    assert [sum(energies) for energies in placed] == [energy for *_, energy in charges]
    # the long one is on for 5 minutes and three hours
    hourly = 21_870_000 * 60 // 185
    assert [len(energies) for energies in placed] == [2, 4, 1]
    assert all(mwh - hourly in {0, 1} for mwh in placed[1][1:])


def test_a_register_tells_what_flowed_while_the_device_was_silent(db: Connection) -> None:
    """Readings every 20 s; a third of an hour is missing, and nobody sends it again."""
    levels = [Reading(NIGHT + i * 20 * SECOND, 40 * KWH + i * 29_700) for i in range(180)]
    heard = [reading for reading in levels if not 100 <= (reading.ts - NIGHT) / (20 * SECOND) < 160]
    vehicle = new_device("vehicle")
    send(db, vehicle, heard)
    settle(db)
    folded = check(db, vehicle, heard)
    assert sum(folded.hours.values()) == 179 * 29_700
    # differences that were lost are lost
    other = new_device("vehicle")
    told = [Reading(reading.ts, 29_700, "difference") for reading in heard]
    send(db, other, told)
    settle(db)
    assert sum(check(db, other, told).hours.values()) == 120 * 29_700
