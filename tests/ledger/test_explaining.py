"""A DBA sees which readings and records put energy into an hour, and which entries hold it."""

from __future__ import annotations

from datetime import timedelta

import psycopg
import pytest

from tests.support.fold import Booking, Exchange, Reading
from tests.support.ledger import (
    START,
    Device,
    check,
    check_explained,
    explain,
    moment,
    send,
    settle,
)
from tests.support.readings import NOW, Connection

HOUR = timedelta(hours=1)
NOON = START + 12 * HOUR
KWH = 10**6


def test_an_hour_is_explained_by_the_readings_around_it(db: Connection, device: Device) -> None:
    sent = [Reading(NOON - HOUR / 2, 100 * KWH), Reading(NOON + HOUR / 2, 102 * KWH)]
    sent += [Reading(NOON + 50 * HOUR / 60, 0), Reading(NOON + 2.5 * HOUR, 106 * KWH)]
    send(db, device, sent)
    settle(db)
    folded = check(db, device, sent)
    for hour in folded.hours:
        check_explained(db, device, folded, hour)
    told = explain(db, device, NOON + HOUR / 3)
    readings = [
        (row["happened_at"], row["interval_start"], row["verdict"], row["energy_kwh"])
        for row in told
        if row["part"] == "reading"
    ]
    assert readings == [
        (sent[1].ts, sent[0].ts, "step", 1),
        (sent[2].ts, None, "glitch", 0),
        (sent[3].ts, sent[1].ts, "step", 1),
    ]
    assert {row["verdict"] for row in told if row["part"] == "entry"} == {
        "reported",
        "taken",
        "apportioned",
    }


def test_records_of_an_hour_are_told(db: Connection, device: Device) -> None:
    sent = [Reading(NOON, 100 * KWH), Reading(NOON + HOUR / 2, 5 * KWH)]
    send(db, device, sent)
    made = [Exchange(NOON + HOUR / 4, 101 * KWH, 4 * KWH), Booking(NOON + HOUR / 3, -KWH)]
    db.execute(
        "SELECT ops.exchange_meter(%s, %s, 101, 4, 'worn'), ops.book_energy(%s, %s, -1, 'a lamp')",
        [device.name, made[0].ts, device.name, moment(made[1].ts)],
    )
    settle(db)
    check_explained(db, device, check(db, device, sent, made), NOON)
    told = [
        (row["part"], row["kind"], row["reported_kwh"], row["energy_kwh"])
        for row in explain(db, device, NOON)
        if row["part"] != "entry"
    ]
    assert told == [
        ("reading", "lifetime_register", 100, 0),
        ("record", "exchange", 101, 1),
        ("record", "booking", -1, -1),
        ("reading", "lifetime_register", 5, 1),
    ]


def test_an_hour_whose_raw_readings_are_gone_is_not_explained(db: Connection) -> None:
    for hour in (NOW - timedelta(days=100), None):
        with pytest.raises(psycopg.Error) as raised:
            db.execute("SELECT * FROM ops.explain_hour('meter:M-1', %s)", [hour])
        assert raised.value.sqlstate == "WL026"
