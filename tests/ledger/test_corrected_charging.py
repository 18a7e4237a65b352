"""Charging after corrections is what it would be had devices reported rightly from the start."""

from __future__ import annotations

from datetime import timedelta
from random import Random
from typing import NamedTuple

import pytest
from hypothesis import HealthCheck, Phase, assume, given, note
from hypothesis import strategies as st

from tests.ledger.charges import cases
from tests.ledger.test_charging import (
    batches,
    differing,
    expected_sessions,
    show,
    told_sessions,
)
from tests.support.charging_rows import (
    Case,
    Place,
    expected_sums,
    kept_sums,
    new_place,
    settle_charging,
    sums_now,
)
from tests.support.examples import examples
from tests.support.fold import Reading
from tests.support.ledger import Device, correct, send, settle
from tests.support.readings import Connection

ON_SERVER = pytest.mark.parametrize("where", ["server"], indirect=True, scope="module")
SECOND = timedelta(seconds=1)


class Mistake(NamedTuple):
    """What a device sent, and what it should have sent: nothing, or another value."""

    sent: Reading
    right: int | None


def wrong(readings: list[Reading], random: Random) -> list[Mistake]:
    """Mistakes among these readings: a few of them with another value, and some too many."""
    made: list[Mistake] = []
    taken = {one.ts for one in readings}
    for one in random.sample(readings, min(len(readings), random.randint(0, 3))):
        if random.random() < 0.5:
            made.append(Mistake(one._replace(mwh=other_value(one, random)), one.mwh))
        # just before, or a moment after; so that its session is known there
        ts = one.ts + random.choice([-7, -1, 1, 20, 100]) * SECOND
        if ts not in taken:
            taken.add(ts)
            extra = one._replace(ts=ts, mwh=other_value(one, random), start=None)
            made.append(Mistake(extra, None))
    return made


def other_value(one: Reading, random: Random) -> int:
    """A value that the door takes."""
    if one.kind == "difference":
        return random.randint(0, 10**6)
    return random.choice([0, one.mwh + 42 * 10**7, one.mwh + 10**5, random.randint(0, 10**9)])


def tell_wrongly(
    case: Case, place: Place, random: Random
) -> tuple[Case, dict[Device, list[Mistake]]]:
    """The case as the devices sent it, and their mistakes."""
    mistakes = {place.meter: wrong(case.meter, random)}
    for vehicle, readings in case.vehicles.items():
        mistakes[place.vehicles[vehicle]] = wrong(readings, random)

    def sent(device: Device, readings: list[Reading]) -> list[Reading]:
        by_time = {one.ts: one for one in readings}
        by_time |= {one.sent.ts: one.sent for one in mistakes[device]}
        return [by_time[ts] for ts in sorted(by_time)]

    meter = sent(place.meter, case.meter)
    vehicles = {name: sent(place.vehicles[name], ones) for name, ones in case.vehicles.items()}
    return case._replace(meter=meter, vehicles=vehicles), mistakes


@ON_SERVER
@examples(
    30,
    suppress_health_check=list(HealthCheck),
    phases=[Phase.explicit, Phase.reuse, Phase.generate],
)
@given(case=cases(), seed=st.integers(0, 10**6))
def test_corrected_charging_is_that_of_right_readings(
    db: Connection, case: Case, seed: int
) -> None:
    show(case)
    random = Random(seed)
    place = new_place(case.vehicles)
    place.tell(db, case)
    told, mistakes = tell_wrongly(case, place, random)
    for device, readings in batches(place, told, random):
        # the door refuses what cannot have flowed since a reading that is yet to be taken back
        assume(not send(db, device, readings))
        if random.random() < 0.3:
            settle(db)
        if random.random() < 0.3:
            settle_charging(db)
    settle(db)
    # as it does when the last day is over
    for device in (place.meter, *place.vehicles.values()):
        db.execute(
            "SELECT telemetry.queue_charging(%s, ARRAY[%s], ARRAY[%s::date], ARRAY[%s::date],"
            " ARRAY[FALSE])",
            [device.dataset, device.device_id, case.since, case.until],
        )
    left = [(device, one) for device, ones in mistakes.items() for one in ones]
    random.shuffle(left)
    for device, one in left:
        note(f"{device.name}: {one}".replace("datetime.", "").replace("timezone.utc", "UTC"))
        correct(db, device, one.sent.ts, one.right)
        if random.random() < 0.3:
            settle(db)
        if random.random() < 0.3:
            settle_charging(db)
    expected = expected_sums(case, place)
    # as it is answered while that waits
    assert differing(sums_now(db, place, case.since, case.until), expected) == []
    settle(db)
    assert differing(sums_now(db, place, case.since, case.until), expected) == []
    settle_charging(db)
    assert differing(kept_sums(db, place), expected) == []
    assert told_sessions(db, place) == expected_sessions(case, place)
