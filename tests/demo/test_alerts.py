"""Alerts beside the truth: what is wrong is told with its cause, in time, and nothing else is."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

import pytest

from service.demo import failing, posting
from service.demo.faults import Fault, Name
from service.demo.plan import Plan
from tests import score
from tests.support.server import Server

# always the same days, whenever it runs; those of autumn are cold at times
WINTER = datetime(2026, 1, 12, tzinfo=UTC)
AUTUMN = datetime(2025, 10, 28, tzinfo=UTC)
SLOW = pytest.mark.slow
SWAPPED = ({"impossible", "frozen", "unlinked"}, {"swapped_links", "wrong_link"})


class Expected(NamedTuple):
    """What may be told of a fault; and within how many days of it (None: where charges allow)."""

    kinds: set[str]
    causes: set[str]
    days: int | None


EXPECTED: dict[Name, Expected] = {
    "charger_step": Expected({"degraded", "drifting"}, {"charger"}, 5),
    "slow_drift": Expected({"degraded", "drifting"}, {"wiring_or_ageing"}, 21),
    "frozen_counter": Expected({"frozen"}, {"counter"}, 5),
    "register_reset": Expected({"register"}, {"register_reset"}, 1),
    "swapped_meters": Expected(*SWAPPED, None),
    "wrong_link": Expected(*SWAPPED, None),
    "silent_device": Expected({"silent"}, {"communication"}, 4),
}


class Told(NamedTuple):
    """An alert: when it would have opened is the start of the charge that made it certain."""

    kind: str
    device: str
    cause: str
    since: datetime
    certain: datetime


def told(url: str, plan: Plan) -> list[Told]:
    """The alerts that are open once all is kept."""
    score.ask(url, plan)
    with posting.connect(url) as connection:
        rows: list[tuple[Any, ...]] = connection.execute(
            "SELECT a.kind, coalesce(a.meter_id, a.vehicle_id), a.cause, a.since,"
            " coalesce((SELECT s.started_at FROM bi.alert_session AS s"
            " WHERE s.alert_id = a.alert_id ORDER BY 1 OFFSET 1 LIMIT 1), a.since)"
            " FROM bi.alert AS a WHERE a.state = 'open' ORDER BY 1, 2"
        ).fetchall()
    return [Told(*row) for row in rows]


def fault_of(alert: Told, faults: tuple[Fault, ...]) -> Fault | None:
    """The fault that an alert tells rightly, if any."""
    for fault in faults:
        expected = EXPECTED.get(fault.name)
        if (
            expected is not None
            and alert.device in fault.devices
            and alert.kind in expected.kinds
            and alert.cause in expected.causes
            and alert.since >= fault.since
        ):
            return fault
    return None


def check(url: str, plan: Plan, missing: set[Name] | None = None) -> None:
    """All alerts tell a fault, and each fault but the `missing` ones is told once, in time."""
    found = told(url, plan)
    faults = {alert: fault_of(alert, plan.faults) for alert in found}
    assert [alert for alert, fault in faults.items() if fault is None] == []
    for fault in plan.faults:
        alerts = [alert for alert, of in faults.items() if of is fault]
        expected = EXPECTED.get(fault.name)
        if expected is None:
            continue
        least = 0 if expected.days is None or fault.name in (missing or ()) else 1
        assert least <= len(alerts) <= len(fault.devices), fault
        if expected.days is not None:
            assert [
                alert
                for alert in alerts
                if alert.certain > fault.since + timedelta(days=expected.days)
            ] == []


def check_money(url: str) -> None:
    """What is lost by chargers is what the charges that their alerts name lost, to the cent."""
    with posting.connect(url) as connection:
        # of which a third of a charge is no whole number of cents
        connection.execute("SELECT ops.set_tariff('EUR', 'UTC', '2020-01-01', '0.3137', 'a test')")
        rows: list[tuple[Any, ...]] = connection.execute(
            "SELECT a.charges, a.lost_kwh, a.lost_cost, count(c), sum(c.excess_loss_kwh),"
            " sum(c.excess_loss_cost), bool_and(round(s.lost_cost, 2) = s.lost_cost)"
            " FROM bi.alert AS a JOIN bi.alert_session AS s ON s.alert_id = a.alert_id"
            " JOIN bi.charging_session AS c"
            " ON (c.meter_id, c.started_at) = (s.meter_id, s.started_at)"
            " WHERE a.kind = 'degraded' GROUP BY a.alert_id, 1, 2, 3"
        ).fetchall()
    assert rows
    for charges, kwh, cost, count, kwh_of_charges, cost_of_charges, whole_cents in rows:
        assert (charges, kwh, cost) == (count, kwh_of_charges, cost_of_charges)
        assert whole_cents
        assert cost > 0


@pytest.mark.slow
def test_some_faults_in_few_days_are_told_and_nothing_else(database_server: Server):
    plan = failing.with_all(Plan(WINTER, seed=6, vehicles=12, days=8))
    with database_server.clone() as url:
        # of a counter, a silence and a drift too few charges tell in so few days
        check(url, plan, {"slow_drift", "frozen_counter", "silent_device"})
        check_money(url)


@pytest.mark.timeout(1200)
@pytest.mark.parametrize("seed", [pytest.param(1, marks=SLOW), pytest.param(2, marks=SLOW), 3])
def test_nothing_is_told_of_a_sound_fleet(database_server: Server, seed: int):
    days, vehicles = (5, 10) if seed == 3 else (21, 40)
    with database_server.clone() as url:
        assert told(url, Plan(AUTUMN, seed=seed, vehicles=vehicles, days=days)) == []


@SLOW
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("seed", [1, 2])
def test_a_month_with_each_fault_is_told_rightly(database_server: Server, seed: int):
    plan = failing.with_all(Plan(AUTUMN, seed=seed, vehicles=60, days=30))
    with database_server.clone() as url:
        check(url, plan)


@SLOW
@pytest.mark.timeout(1200)
def test_the_usual_demonstration_has_three_alerts(database_server: Server):
    plan = failing.with_three(Plan(AUTUMN, seed=1, vehicles=60, days=30))
    with database_server.clone() as url:
        check(url, plan)
