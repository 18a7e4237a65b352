"""Alerts open after bad charges in a row, and close after good ones."""

from __future__ import annotations

import psycopg
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.alerts import (
    Charge,
    alerts,
    degraded,
    drifting,
    forget,
    frozen,
    good,
    impossible,
    judge,
    keep,
    new_names,
    open_kinds,
    unjudged,
    unlinked,
)
from tests.support.readings import Connection, VehicleReading, ingest_vehicles, link


def kept(db: Connection, *charges: Charge) -> set[tuple[str, str]]:
    """What is open about their devices once they are kept, and alerts were looked at."""
    keep(db, *charges)
    judge(db)
    devices = {one.meter for one in charges} | {one.vehicle for one in charges if one.vehicle}
    return open_kinds(db, *devices)


def test_two_bad_charges_in_a_row_open_and_three_good_ones_close(db: Connection):
    m, v = new_names("M", "V")
    bad = [degraded(m, v, 24), degraded(m, v, 48), degraded(m, v, 72)]
    assert kept(db, good(m, v, 0), bad[0]) == set()
    assert kept(db, *bad[1:]) == {("degraded", m)}
    assert kept(db, good(m, v, 96), good(m, v, 120)) == {("degraded", m)}
    assert kept(db, good(m, v, 144)) == set()
    (told,) = alerts(db, m)
    assert (told["since"], told["until"]) == (bad[0].starts, good(m, v, 96).starts)
    assert (told["state"], told["closed_because"], told["charges"]) == ("closed", "good", 3)


def test_what_is_not_judged_neither_opens_nor_closes(db: Connection):
    m, v = new_names("M", "V")
    assert kept(db, degraded(m, v, 0), unjudged(m, v, 10), degraded(m, v, 20)) == {("degraded", m)}
    assert kept(db, *(unjudged(m, v, 30 + n) for n in range(4))) == {("degraded", m)}
    m, v = new_names("M", "V")
    assert kept(db, degraded(m, v, 0), *(unjudged(m, v, 10 + n) for n in range(4))) == set()


def test_a_good_charge_in_between_begins_anew(db: Connection):
    m, v = new_names("M", "V")
    charges = [degraded(m, v, 0), good(m, v, 10), degraded(m, v, 20), degraded(m, v, 30)]
    assert kept(db, *charges) == {("degraded", m)}
    assert alerts(db, m)[0]["since"] == charges[2].starts


def test_what_was_lost_is_the_sum_of_the_charges_that_it_names(db: Connection):
    m, v = new_names("M", "V")
    keep(db, degraded(m, v, 0), degraded(m, v, 10, efficiency=0.7312347), good(m, v, 15))
    assert kept(db, degraded(m, v, 20, ac_kwh=17.123457)) == {("degraded", m)}
    (told,) = alerts(db, m)
    row = db.execute(
        "SELECT count(*), sum(s.lost_kwh), sum(c.excess_loss_kwh) FROM bi.alert_session AS s"
        " INNER JOIN bi.charging_session AS c USING (meter_id, started_at)"
        " WHERE s.alert_id = %s",
        [told["alert_id"]],
    ).fetchone()
    assert row == (3, told["lost_kwh"], told["lost_kwh"])
    # no tariff, no cost
    assert (told["lost_cost"], told["currency"], told["cost_gap"]) == (None, None, "no_tariff")


def test_much_below_what_is_expected_is_critical(db: Connection):
    m, v = new_names("M", "V")
    keep(db, degraded(m, v, 0), degraded(m, v, 10))
    judge(db)
    assert alerts(db, m)[0]["severity"] == "warning"
    keep(db, degraded(m, v, 20, efficiency=0.6), degraded(m, v, 30, efficiency=0.6))
    judge(db)
    (told,) = alerts(db, m)
    assert told["severity"] == "critical"
    changes = db.execute(
        "SELECT c.change FROM bi.alert_change AS c WHERE c.alert_id = %s ORDER BY c.change_id",
        [told["alert_id"]],
    ).fetchall()
    assert changes == [("opened",), ("worsened",)]


def test_late_readings_close_what_they_correct_and_its_history_stays(db: Connection):
    m, v = new_names("M", "V")
    charges = [degraded(m, v, 0), degraded(m, v, 10)]
    assert kept(db, *charges) == {("degraded", m)}
    forget(db, *charges)
    assert kept(db, good(m, v, 0), good(m, v, 10)) == set()
    (told,) = alerts(db, m)
    assert (told["closed_because"], told["charges"]) == ("corrected", 0)


def test_an_alert_names_its_charges_however_many_that_say_nothing_came_since(db: Connection):
    m, v = new_names("M", "V")
    assert kept(db, degraded(m, v, 0), degraded(m, v, 4)) == {("degraded", m)}
    assert kept(db, *(unjudged(m, v, 8 + 2 * n, lasts=1) for n in range(65))) == {("degraded", m)}
    lost = alerts(db, m)[0]["lost_kwh"]
    assert kept(db, *(good(m, v, 200 + 4 * n) for n in range(3))) == set()
    (told,) = alerts(db, m)
    assert (told["closed_because"], told["charges"], told["lost_kwh"]) == ("good", 2, lost)


def test_an_earlier_start_that_comes_late_moves_the_alerts(db: Connection):
    m, v = new_names("M", "V")
    assert kept(db, degraded(m, v, 10), degraded(m, v, 20)) == {("degraded", m)}
    assert kept(db, degraded(m, v, 0)) == {("degraded", m)}
    (told,) = alerts(db, m)
    assert (told["since"], told["opening_since"]) == (
        degraded(m, v, 0).starts,
        degraded(m, v, 10).starts,
    )


def test_a_charger_that_fails_whoever_comes_is_the_chargers(db: Connection):
    m, n, v, w = new_names("M", "N", "V", "W")
    found = kept(
        db,
        *(good(m, v, 0), good(n, w, 1), good(m, w, 20), good(n, v, 21)),
        *(degraded(m, v, 40), good(n, w, 41), degraded(m, w, 60), good(n, v, 61)),
        *(degraded(m, v, 80), good(n, w, 81)),
    )
    assert found == {("degraded", m)}
    assert alerts(db, m)[0]["cause"] == "charger"


def test_a_car_that_fails_wherever_it_charges_is_the_cars(db: Connection):
    m, n, v, w = new_names("M", "N", "V", "W")
    found = kept(
        db,
        *(degraded(m, v, 0), good(n, w, 1), degraded(n, v, 20), good(m, w, 21)),
        # twice in a row at one charger
        *(degraded(m, v, 40), degraded(m, v, 60), good(n, w, 61)),
    )
    assert found == {("degraded", v)}
    assert alerts(db, v)[0]["cause"] == "vehicle"


def test_what_turns_out_to_be_the_cars_is_no_longer_the_chargers(db: Connection):
    m, n, v = new_names("M", "N", "V")
    assert kept(db, degraded(m, v, 0), degraded(m, v, 10)) == {("degraded", m)}
    assert kept(db, degraded(n, v, 20)) | open_kinds(db, m) == {("degraded", v)}
    (told,) = alerts(db, m)
    # nothing good followed
    assert told["closed_because"] == "superseded"


def test_a_drift_is_told_until_it_is_degraded(db: Connection):
    m, v = new_names("M", "V")
    assert kept(db, *(good(m, v, n, usual=0.94) for n in range(0, 20, 4))) == set()
    assert kept(db, drifting(m, v, 24)) == {("drifting", m)}
    lower = [drifting(m, v, hours, efficiency=0.8) for hours in (28, 32)]
    assert kept(db, *lower) == {("degraded", m)}
    first, second = alerts(db, m)
    assert (first["closed_because"], first["until"]) == ("superseded", lower[0].starts)
    assert (first["charges"], second["charges"]) == (1, 2)


@pytest.mark.parametrize("side", ["meter", "vehicle"])
def test_a_counter_that_stands_still_is_named(db: Connection, side: str):
    m, v = new_names("M", "V")
    found = kept(db, good(m, v, 0), *(frozen(side, m, v, 10 * n) for n in (1, 2)))
    assert found == {("frozen", m if side == "meter" else v)}
    (told,) = alerts(db, m, v)
    assert (told["cause"], told["lost_kwh"]) == ("counter", None)
    assert told["severity"] == ("critical" if side == "meter" else "warning")


def test_what_measures_wrongly_is_one_alert(db: Connection):
    m, n, v, w = new_names("M", "N", "V", "W")
    link(db, v, m)
    found = kept(
        db,
        *(impossible(m, v, 0), unlinked(m, 5), degraded(m, w, 10), impossible(m, w, 20)),
        *(unlinked(m, 25), unlinked(m, 28), degraded(m, v, 30), degraded(m, v, 40)),
        *(impossible(n, v, 50), impossible(n, w, 60), good(n, v, 70)),
    )
    assert found == {("impossible", m), ("impossible", n)}


def test_a_meter_that_feeds_somebody_unknown_is_told(db: Connection):
    m, v = new_names("M", "V")
    link(db, v, m)
    assert kept(db, good(m, v, 0), unlinked(m, 10), unlinked(m, 20, ac_kwh=1.9)) == set()
    assert kept(db, unlinked(m, 30)) == {("unlinked", m)}
    (told,) = alerts(db, m)
    assert (told["lost_kwh"], told["cause"]) == (40, "unknown_vehicle")


def test_what_is_spread_over_the_edge_of_a_link_is_of_nobody_unknown(db: Connection):
    m, v = new_names("M", "V")
    link(db, v, m)
    spread = [unlinked(m, hours, lasts=0.3) for hours in (12, 22)]
    assert kept(db, good(m, v, 10), good(m, v, 20), *spread) == set()
    # that long nothing is
    longer = [unlinked(m, hours, lasts=1) for hours in (32, 42)]
    assert kept(db, good(m, v, 30), *longer, good(m, v, 40, ac_kwh=1)) == {("unlinked", m)}


def test_a_car_that_reports_no_more_while_its_charger_draws_is_silent(db: Connection):
    m, v = new_names("M", "V")
    ingest_vehicles(db, [VehicleReading(v, good(m, v, 0).starts)])
    silent = [unjudged(m, v, hours, matched=0, vehicle_samples=0) for hours in (10, 20)]
    assert kept(db, good(m, v, 0), *silent) == {("silent", v)}
    (told,) = alerts(db, v)
    assert (told["since"], told["cause"]) == (silent[0].starts, "communication")
    db.execute("SELECT ops.set_device(%s, retired_at => now())", [f"vehicle:{v}"])
    db.execute("SELECT telemetry.settle_alerts(1000)")
    (told,) = alerts(db, v)
    assert (told["state"], told["closed_because"]) == ("closed", "retired")


def test_nothing_of_it_is_ever_changed(db: Connection):
    m, v = new_names("M", "V")
    assert kept(db, degraded(m, v, 0), degraded(m, v, 10)) == {("degraded", m)}
    for change in (
        "UPDATE telemetry.alert SET since = now()",
        "DELETE FROM telemetry.alert",
        "UPDATE telemetry.alert_change SET change = 'closed'",
        "DELETE FROM telemetry.alert_change",
        "TRUNCATE telemetry.alert_change",
    ):
        with pytest.raises(psycopg.Error) as raised:
            db.execute(change)
        assert raised.value.sqlstate == "WL010"


def test_to_look_again_changes_nothing(db: Connection):
    m, v = new_names("M", "V")
    assert kept(db, degraded(m, v, 0), degraded(m, v, 10)) == {("degraded", m)}
    count = "SELECT count(*) FROM telemetry.alert_change"
    before = db.execute(count).fetchone()
    db.execute("SELECT telemetry.queue_alerts('meter', %s, now())", [[m]])
    judge(db)
    assert db.execute(count).fetchone() == before


def is_open(verdicts: list[str]) -> int | None:
    """Which charge an alert begins with after all of these, by the rule in plain words."""
    since, bad, good_ones, first = None, 0, 0, 0
    for place, verdict in enumerate(verdicts):
        if verdict == "bad":
            first = place if bad == 0 else first
            bad, good_ones = bad + 1, 0
        elif verdict == "good":
            bad, good_ones = 0, good_ones + 1
        if bad == 2 and since is None:
            since = first
        if good_ones == 3:
            since = None
    return since


VERDICTS = st.lists(st.sampled_from(["bad", "good", "unjudged"]), min_size=1, max_size=14)


@settings(deadline=None, max_examples=25)
@given(verdicts=VERDICTS, data=st.data())
def test_what_is_open_follows_from_charges_in_whatever_order_they_are_kept(
    db: Connection, verdicts: list[str], data: st.DataObject
):
    made = {"bad": degraded, "good": good, "unjudged": unjudged}
    m, v = new_names("M", "V")
    charges = [made[verdict](m, v, 4 * n) for n, verdict in enumerate(verdicts)]
    order = data.draw(st.permutations(charges))
    cut = data.draw(st.integers(0, len(order)))
    kept(db, *order[:cut]) if cut else None
    kept(db, *order[cut:]) if order[cut:] else None
    since = is_open(verdicts)
    told = [one["since"] for one in alerts(db, m) if one["state"] == "open"]
    assert told == ([] if since is None else [charges[since].starts])
