"""Webhooks on both editions: a change is queued, claimed once, noted, and shown."""

from __future__ import annotations

import json

from tests.editions.test_metrics import metrics
from tests.support.readings import Connection
from tests.webhooks.conftest import Ledger


def gauges(db: Connection) -> tuple[float, float, float]:
    """What waits, for how long the first has, and what was given up."""
    found = metrics(db)
    return (
        found["webhook_deliveries_waiting", None],
        found["webhook_lag_seconds", None],
        found["webhook_dead_letters", None],
    )


def test_a_change_is_claimed_noted_and_counted(db: Connection) -> None:
    ledger = Ledger(db)
    secret = ledger.webhook(kinds=["silent"])
    assert secret.startswith("whsec_")
    assert gauges(db) == (0, 0, 0)
    for _ in range(3):
        ledger.alert("silent")
    ledger.alert("frozen")
    first, second, third = ledger.claim()
    assert ledger.claim() == []
    assert json.loads(first["body"])["data"]["kind"] == "silent"
    ledger.let_pass("50 seconds")
    waiting, lag_seconds, dead = gauges(db)
    assert (waiting, dead) == (3, 0)
    assert 50 <= lag_seconds < 120
    assert ledger.note(first, 204) == "delivered"
    assert ledger.note(second, 500, error="status 500") == "pending"
    assert ledger.note(third, 410, error="status 410") == "dead"
    # of a webhook that is disabled nothing waits
    assert gauges(db) == (0, 0, 1)
    ledger.webhook(kinds=["silent"])
    waiting, _, dead = gauges(db)
    assert (waiting, dead) == (1, 1)
