"""Charging that is kept of any readings in any order: what the plain account of them says."""

from __future__ import annotations

from datetime import datetime
from random import Random
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, note
from hypothesis import strategies as st

from tests.ledger.charges import cases
from tests.support.charging_rows import (
    SUMS,
    Case,
    Place,
    Sums,
    expected_sums,
    forget,
    full,
    keep,
    kept,
    kept_sums,
    new_place,
    settle_charging,
    sums_now,
)
from tests.support.examples import examples
from tests.support.fold import HOUR, Reading
from tests.support.ledger import Device, send, settle
from tests.support.readings import Connection

ON_SERVER = pytest.mark.parametrize("where", ["server"], indirect=True, scope="module")
TRIED = {
    "suppress_health_check": list(HealthCheck),
    "phases": [Phase.explicit, Phase.reuse, Phase.generate],
}


def told_sessions(db: Connection, place: Place) -> list[tuple[Any, ...]]:
    """Sessions as they are kept, with the name of the transaction."""
    return db.execute(
        "SELECT s.started_at, s.ended_at, s.vehicle_id,"
        " CASE WHEN s.transaction_no > 0 THEN 'meter ' ELSE 'vehicle ' END || d.session_id,"
        " s.ac_mwh, s.ac_matched_mwh, s.dc_mwh, s.dc_matched_mwh, s.ac_standing_mwh,"
        " s.dc_standing_mwh, s.standby_mwh, s.edge_mwh, s.standby_us, s.active_us, s.matched_us,"
        " s.meter_samples, s.vehicle_samples"
        " FROM telemetry.charging_session AS s"
        " LEFT JOIN telemetry.device_session AS d ON d.session_no = abs(s.transaction_no)"
        " AND d.dataset = CASE WHEN s.transaction_no > 0 THEN 'meter' ELSE 'vehicle' END"
        " || '_reading' AND d.device_id IN (s.meter_id, s.vehicle_id)"
        " WHERE s.meter_id = %s ORDER BY 1",
        [place.meter.device_id],
    ).fetchall()


def expected_sessions(case: Case, place: Place) -> list[tuple[Any, ...]]:
    """The same by the plain account."""
    return [
        (
            one.started_at,
            one.ended_at,
            place.id_of(one.vehicle),
            one.name,
            *full(one.sums).values(),
        )
        for one in case.account().sessions()
    ]


def show(case: Case) -> None:
    """Tell what fails."""
    told = [("step", case.step), *(("meter", one) for one in case.meter)]
    told += [(vehicle, one) for vehicle, ones in case.vehicles.items() for one in ones]
    for name, one in told:
        note(f"{name}: {one}".replace("datetime.", "").replace("timezone.utc", "UTC"))


def differing(found: Sums, expected: Sums) -> list[tuple[Any, ...]]:
    """Hours, vehicles, columns and both values, of those that differ."""
    return [
        (*key, column, found.get(key, {}).get(column), expected.get(key, {}).get(column))
        for key in sorted(found.keys() | expected.keys())
        for column in SUMS
        if found.get(key, {}).get(column, 0) != expected.get(key, {}).get(column, 0)
    ]


def windows(case: Case, random: Random) -> list[tuple[datetime, datetime]]:
    """Windows that are the whole of it, in any order."""
    hours = [case.since + n * HOUR for n in range((case.until - case.since) // HOUR + 1)]
    inner = hours[1:-1]
    cuts = sorted(random.sample(inner, random.randint(0, len(inner))))
    found = list(zip([hours[0], *cuts], [*cuts, hours[-1]], strict=True))
    random.shuffle(found)
    return found


@ON_SERVER
@examples(50, **TRIED)
@given(case=cases())
def test_what_is_kept_is_what_the_plain_account_says(db: Connection, case: Case) -> None:
    show(case)
    place = new_place(case.vehicles)
    place.tell(db, case)
    place.send_all(db, case)
    settle(db)
    expected = expected_sums(case, place)
    # before anything is kept, and then
    assert differing(sums_now(db, place, case.since, case.until), expected) == []
    keep(db, place, case.since, case.until)
    assert differing(kept_sums(db, place), expected) == []
    sessions, charges = told_sessions(db, place), expected_sessions(case, place)
    assert [one for one in sessions if one not in charges] == []
    assert sessions == charges


@ON_SERVER
@examples(40, **TRIED)
@given(case=cases(), seed=st.integers(0, 10**6))
def test_whatever_windows_it_is_kept_by_the_rows_are_the_same(
    db: Connection, case: Case, seed: int
) -> None:
    show(case)
    place = new_place(case.vehicles)
    place.tell(db, case)
    place.send_all(db, case)
    settle(db)
    keep(db, place, case.since, case.until)
    at_once = kept(db, place)
    forget(db, place)
    for since, until in windows(case, Random(seed)):
        keep(db, place, since, until)
    assert kept(db, place) == at_once


def unlink(db: Connection, place: Place) -> None:
    """No vehicle was ever there, as far as anybody knows."""
    db.execute("DELETE FROM telemetry.charging_link WHERE meter_id = %s", [place.meter.device_id])


def batches(place: Place, case: Case, random: Random) -> list[tuple[Device, list[Reading]]]:
    """What the devices tell, in several batches, mostly in disorder."""
    told = [(place.meter, case.meter)]
    told += [(place.vehicles[vehicle], ones) for vehicle, ones in case.vehicles.items()]
    found: list[tuple[Device, list[Reading]]] = []
    is_in_order = random.random() < 0.5
    for device, ones in told:
        left = list(ones) if is_in_order else random.sample(ones, len(ones))
        while left:
            size = random.randint(len(left) // 4, len(left)) or 1
            found.append((device, left[:size]))
            left = left[size:]
    if is_in_order:
        found.sort(key=lambda batch: batch[1][-1].ts)
    else:
        random.shuffle(found)
    return found


@ON_SERVER
@examples(25, **TRIED)
@given(case=cases(), seed=st.integers(0, 10**6))
def test_whatever_was_kept_meanwhile_the_rows_are_the_same(
    db: Connection, case: Case, seed: int
) -> None:
    show(case)
    random = Random(seed)
    place = new_place(case.vehicles)
    place.tell(db, case)
    for device, told in batches(place, case, random):
        send(db, device, told)
        if random.random() < 0.5:
            settle(db)
        for since, until in windows(case, random)[:1]:
            keep(db, place, since, until)
    settle(db)
    keep(db, place, case.since, case.until)
    found = kept(db, place)
    forget(db, place)
    keep(db, place, case.since, case.until)
    assert found == kept(db, place)


@ON_SERVER
@examples(25, **TRIED)
@given(case=cases(), seed=st.integers(0, 10**6))
def test_what_the_service_keeps_as_readings_come_is_the_same(
    db: Connection, case: Case, seed: int
) -> None:
    show(case)
    random = Random(seed)
    place = new_place(case.vehicles)
    is_linked = random.random() < 0.7
    if is_linked:
        place.tell(db, case)
    for device, told in batches(place, case, random):
        note(f"{device.name}: {len(told)} to {told[-1].ts}")
        send(db, device, told)
        if random.random() < 0.5:
            note("settle")
            settle(db)
        if random.random() < 0.5:
            note("keep")
            settle_charging(db)
        if is_linked and random.random() < 0.3:
            note("unlink")
            unlink(db, place)
            is_linked = False
    if not is_linked:
        place.tell(db, case)
    settle(db)
    # as it does when the last day is over
    for device in (place.meter, *place.vehicles.values()):
        db.execute(
            "SELECT telemetry.queue_charging(%s, ARRAY[%s], ARRAY[%s::date], ARRAY[%s::date],"
            " ARRAY[FALSE])",
            [device.dataset, device.device_id, case.since, case.until],
        )
    expected = expected_sums(case, place)
    since, until = case.since, case.until
    assert differing(sums_now(db, place, since, until), expected) == []
    settle_charging(db)
    found = kept(db, place)
    assert differing(sums_now(db, place, since, until), expected) == []
    forget(db, place)
    keep(db, place, case.since, case.until)
    for ones, others in zip(found, kept(db, place), strict=True):
        assert [one for one in ones if one not in others] == []
        assert ones == others
