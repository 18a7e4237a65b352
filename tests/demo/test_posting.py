"""A simulated fleet in a real database: what is kept is what was true, to the milliwatt-hour."""

from __future__ import annotations

from collections import defaultdict
from datetime import timedelta

import pytest

from service.demo import failing, live, posting
from service.demo.channel import Row
from service.demo.plan import Plan
from service.demo.simulation import Hour, Simulation
from service.ingest.arrays import adapt
from tests.support.fold import Exchange, Reading, fold
from tests.support.keys import make_key
from tests.support.ledger import settle
from tests.support.readings import NOW, Connection

# overnight sessions and backlogs of its last day have come by now
START = NOW.replace(hour=0, minute=0) - timedelta(days=5)
PLAN = failing.with_all(Plan(START, seed=11, vehicles=10, days=3))


def together(hours: list[Hour]) -> Hour:
    """Hours as one, so that they go in one call."""
    joined = Hour(hours[0].number)
    for hour in hours:
        joined.meters += hour.meters
        joined.vehicles += hour.vehicles
        joined.links += hour.links
        joined.exchanges += hour.exchanges
    return joined


def energies(db: Connection, side: str) -> dict[str, dict[object, int]]:
    """Energy of each device by hour, as analysts see it."""
    found = defaultdict[str, dict[object, int]](dict)
    for name, hour, mwh in db.execute(
        f"SELECT h.{side}_id, h.bucket, h.energy_mwh FROM bi.{side}_energy_hourly AS h"
        " WHERE h.energy_mwh <> 0"
    ):
        found[name][hour] = int(mwh)
    return found


def reading(row: Row) -> Reading:
    _, ts, kind, kwh, start, session, *_ = row
    return Reading(ts, round(kwh * 1e6), kind or "difference", start, session)


# the definitions that it calls are the same on both editions
@pytest.mark.slow_on_webassembly
def test_energies_are_the_truth_of_what_was_sent(db: Connection):
    adapt(db)
    simulation = Simulation(PLAN)
    hours = [*simulation.run(), *simulation.rest()]
    assert {fault.name for fault in PLAN.faults} >= {"rollover", "glitch_run", "meter_exchanged"}
    for place in range(0, len(hours), 12):
        posting.post_now(db, together(hours[place : place + 12]))
    settle(db)

    found = {side: energies(db, side) for side in ("meter", "vehicle")}
    told = {key: device.told for key, device in simulation.truth.devices.items() if device.told}
    assert told == {
        (side, name): sum(by_hour.values())
        for side, devices in found.items()
        for name, by_hour in devices.items()
    }

    sent = defaultdict[str, dict[object, Reading]](dict)
    for hour in hours:
        for one in hour.meters + hour.vehicles:
            sent[one.row[0]][one.row[1]] = reading(one.row)
    records = defaultdict[str, list[Exchange]](list)
    for hour in hours:
        for one in hour.exchanges:
            records[one.device].append(Exchange(one.at, one.final, one.initial))
    for (side, name), mwh in told.items():
        folded = fold(sorted(sent[name].values()), records[f"{side}:{name}"])
        assert found[side][name] == folded.hours, name
        assert sum(folded.hours.values()) == mwh


@pytest.mark.slow_on_webassembly
def test_sending_it_again_changes_nothing(db: Connection):
    adapt(db)
    simulation = Simulation(Plan(START, seed=12, vehicles=10, days=1))
    hours = [*simulation.run(), *simulation.rest()]
    whole = together(hours)
    posting.post_now(db, whole)
    settle(db)
    before = energies(db, "meter"), energies(db, "vehicle")
    assert before[0]
    assert before[1]
    posting.post_now(db, together([Hour(one.number, one.meters, one.vehicles) for one in hours]))
    settle(db)
    assert (energies(db, "meter"), energies(db, "vehicle")) == before


def test_what_is_posted_over_http_is_the_truth_too(database_url: str):
    simulation = Simulation(Plan(START, seed=13, vehicles=10, days=1))
    whole = together([*simulation.run(), *simulation.rest()])
    with live.Service(database_url, make_key(database_url), 0) as service:
        service.post(whole)
    with posting.connect(database_url) as db:
        settle(db)
        found = {side: energies(db, side) for side in ("meter", "vehicle")}
        (links,) = db.execute("SELECT count(*) FROM telemetry.charging_link").fetchone()
    assert {
        key: device.told for key, device in simulation.truth.devices.items() if device.told
    } == {
        (side, name): sum(by_hour.values())
        for side, devices in found.items()
        for name, by_hour in devices.items()
    }
    assert links == len(simulation.truth.sessions)
