"""Whatever the order, batches, repetition, concurrency and moments of settling: one ledger."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import datetime
from decimal import Decimal
from random import Random
from typing import Any

import psycopg
import pytest
from hypothesis import HealthCheck, Phase, example, given, note
from hypothesis import strategies as st
from psycopg.types.range import TimestamptzRange

from tests.ledger.histories import (
    EXCHANGED,
    LIFETIME_BETWEEN,
    SETTINGS,
    Settings,
    histories,
    records,
)
from tests.support.examples import examples
from tests.support.fold import Booking, Correction, Exchange, Reading, Record
from tests.support.ledger import (
    Device,
    check,
    check_explained,
    moment,
    new_device,
    send,
    settle,
    settle_due,
)
from tests.support.readings import Connection

ON_SERVER = pytest.mark.parametrize("where", ["server"], indirect=True, scope="module")
ON_WEBASSEMBLY = pytest.mark.parametrize("where", ["webassembly"], indirect=True, scope="module")


@st.composite
def cases(draw: st.DrawFn) -> tuple[Settings, list[Reading], list[Record], Random]:
    """A device's settings, its readings, what DBAs say of it, and a source of disorder."""
    told = draw(SETTINGS)
    return (
        told,
        readings := draw(histories(told)),
        draw(records(readings)),
        draw(st.randoms(use_true_random=False)),
    )


def batches(random: Random, readings: list[Reading]) -> list[list[Reading]]:
    """The readings, each once or more often, mostly in disorder, cut into batches."""
    sent = list(readings)
    if random.random() < 0.7:
        sent += random.choices(readings, k=len(readings) // 2) if readings else []
        random.shuffle(sent)
    cut = []
    while sent:
        size = random.randint(1, len(sent))
        cut.append(sent[:size])
        sent = sent[size:]
    return cut


def tell(db: Connection, device: Device, told: Settings) -> None:
    """Have a DBA say what is known of the device."""
    db.execute("SELECT ops.set_device_rules(%s, %s, %s, %s, %s, %s)", [device.name, *told])


def kwh(mwh: int | None) -> Decimal | None:
    return None if mwh is None else Decimal(mwh) / 10**6


def record(db: Connection, device: Device, made: Record) -> int:
    """Have a DBA say what happened to it; return the record's id."""
    match made:
        case Exchange(at, final, initial):
            call = "exchange_meter(%s, %s, %s, %s, 'why')"
            values: list[Any] = [at, kwh(final), kwh(initial)]
        case Correction(at, mwh):
            call, values = "correct_reading(%s, %s, %s, 'why')", [at, kwh(mwh)]
        case Booking(at, mwh, start):
            call = "book_energy(%s, %s, %s, 'why')"
            values = [moment(at) if start is None else TimestamptzRange(start, at), kwh(mwh)]
    (record_id,) = db.execute(f"SELECT ops.{call}", [device.name, *values]).fetchone() or (0,)
    return int(record_id)


class Told:
    """Records of a device that are made while its readings come, in whatever order."""

    def __init__(self, db: Connection, device: Device, left: list[Record], random: Random) -> None:
        self.db, self.device, self.left, self.random = db, device, list(left), random
        self.made: list[Record] = []

    def go_on(self, stored: set[datetime], share: float) -> None:
        """Make about such a share of what is left, of what is stored already."""
        for one in list(self.left):
            ready = one.ts in stored if isinstance(one, Correction) else bool(stored)
            if not ready or self.random.random() >= share:
                continue
            self.left.remove(one)
            note(f"record {one}")
            mistaken = None
            if self.random.random() < 0.3:
                # one that is taken back, before or after that which holds
                if isinstance(one, Correction):
                    mistaken = record(self.db, self.device, Correction(one.ts, None))
                else:
                    mistaken = record(self.db, self.device, Booking(one.ts, 7 * 10**6))
                note(f"record {mistaken} by mistake")
            record(self.db, self.device, one)
            self.made.append(one)
            if self.random.random() < 0.5:
                note("settle")
                settle(self.db)
            if mistaken is not None:
                note("cancel it")
                self.db.execute("SELECT ops.cancel_record(%s, 'none')", [mistaken])


def play(
    db: Connection,
    told: Settings,
    readings: list[Reading],
    made: list[Record],
    random: Random,
) -> None:
    """Send all of it in disorder, settle now and then, and compare with the plain fold."""
    device = new_device(random.choice(["meter", "vehicle"]))
    for shown in (told, *readings, *made):
        note(str(shown).replace("datetime.datetime", "").replace("datetime.timezone.utc", "UTC"))
    early = random.random() < 0.5
    if early:
        tell(db, device, told)
    records = Told(db, device, made, random)
    stored = set[datetime]()
    for batch in batches(random, readings):
        note(f"send {[readings.index(reading) for reading in batch]}")
        assert {answer.outcome for answer in send(db, device, batch)} <= {"duplicate"}
        if random.random() < 0.4:
            note("settle what is due")
            settle_due(db)
        elif random.random() < 0.2:
            note("settle")
            settle(db)
        stored.update(reading.ts for reading in batch)
        records.go_on(stored, 0.2)
    if not early:
        tell(db, device, told)
        # since its greatest power was another one when they came
        settle(db)
    records.go_on(stored, 1)
    settle(db)
    folded = check(db, device, readings, records.made, told.rules())
    for hour in random.sample(sorted(folded.hours), k=min(2, len(folded.hours))):
        check_explained(db, device, folded, hour)
    # and nothing is left to do
    db.execute(
        "INSERT INTO telemetry.settle_queue (dataset, device_id, day) VALUES (%s, %s, %s)",
        [device.dataset, device.device_id, "2000-01-01"],
    )
    assert settle(db) == 0


@ON_SERVER
@examples(
    150,
    suppress_health_check=list(HealthCheck),
    phases=[Phase.explicit, Phase.reuse, Phase.generate],
)
@example(case=(*EXCHANGED, Random(1)))
@example(case=(*LIFETIME_BETWEEN, Random(1)))
@given(case=cases())
def test_any_history_in_any_order_comes_to_what_the_plain_fold_says(
    db: Connection, case: Any
) -> None:
    play(db, *case)


@pytest.mark.slow_on_webassembly
@ON_WEBASSEMBLY
@examples(
    40,
    suppress_health_check=list(HealthCheck),
    phases=[Phase.explicit, Phase.reuse, Phase.generate],
)
@given(case=cases())
def test_so_it_does_on_the_community_edition(db: Connection, case: Any) -> None:
    play(db, *case)


@pytest.mark.slow_on_webassembly
@examples(
    30,
    suppress_health_check=list(HealthCheck),
    phases=[Phase.explicit, Phase.reuse, Phase.generate],
)
@given(several=st.lists(cases(), min_size=2, max_size=6), random=st.randoms(use_true_random=False))
def test_devices_that_are_settled_together_come_to_what_each_comes_to_alone(
    db: Connection, several: Any, random: Random
) -> None:
    side = random.choice(["meter", "vehicle"])
    devices = [(new_device(side), *case) for case in several]
    plans = []
    for device, told, readings, _, disorder in devices:
        tell(db, device, told)
        plans.append((device, batches(disorder, readings)))
    while plans := [(device, plan) for device, plan in plans if plan]:
        device, plan = random.choice(plans)
        send(db, device, plan.pop(0))
        if random.random() < 0.2:
            settle_due(db)
    for device, _, readings, made, _ in devices:
        for one in made if readings else []:
            record(db, device, one)
    settle(db)
    for device, told, readings, made, _ in devices:
        check(db, device, readings, made if readings else [], told.rules())


def at_once(url: str, works: list[Callable[[Connection], None]]) -> None:
    """Do each in a session of its own, all at the same time; none may fail."""
    failures: list[BaseException] = []

    def do(work: Callable[[Connection], None]) -> None:
        try:
            with psycopg.connect(url, autocommit=True) as connection:
                work(connection)
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=do, args=(work,)) for work in works]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []


def settle_once_more(db: Connection) -> None:
    """Settle what is due, as one of several services."""
    settle_due(db)


@ON_SERVER
@examples(
    25,
    suppress_health_check=list(HealthCheck),
    # a race need not be lost again
    phases=[Phase.explicit, Phase.reuse, Phase.generate],
)
@given(case=cases())
def test_writers_and_settlers_at_once_come_to_it_too(url: str, db: Connection, case: Any) -> None:
    told, readings, made, random = case
    device = new_device(random.choice(["meter", "vehicle"]))
    tell(db, device, told)
    plans = [batches(random, readings) for _ in range(3)]
    stored: list[int] = []
    ended: list[int] = []

    def write(plan: list[list[Reading]]) -> Callable[[Connection], None]:
        def work(db: Connection) -> None:
            try:
                for batch in plan:
                    answers = send(db, device, batch)
                    assert {answer.outcome for answer in answers} <= {"duplicate"}
                    stored.append(len(batch) - len(answers))
            finally:
                ended.append(len(plan))

        return work

    def settle_meanwhile(db: Connection) -> None:
        while len(ended) < len(plans):
            settle_due(db, 1)

    at_once(url, [*map(write, plans), settle_meanwhile, settle_meanwhile])
    assert sum(stored) == len(readings)
    for one in made if readings else []:
        record(db, device, one)
    at_once(url, [settle_once_more] * 2)
    settle(db)
    check(db, device, readings, made if readings else [], told.rules())
