"""Verdicts beside the truth, where few readings are lost, and where each device loses many."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from service.demo import failing
from service.demo.plan import Plan
from tests import score
from tests.support import scoring
from tests.support.server import Server

# always the same days in winter, whenever it runs
START = datetime(2026, 1, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    "lost", [*(pytest.param(lost, marks=pytest.mark.slow) for lost in (None, 0.05, 0.15)), 0.35]
)
def test_verdicts_are_right_whatever_was_lost(database_server: Server, lost: float | None):
    plan = failing.with_all(Plan(START, seed=6, vehicles=12, days=8, lost=lost))
    with database_server.clone() as url:
        answers = score.ask(url, plan)
    sessions, said = answers.sessions, answers.said
    given, right = scoring.judged(scoring.apart_from_unrelated(sessions), said)
    assert given > 40
    assert right >= 0.99 * given
    errors = scoring.errors(sessions, said)
    assert scoring.percentile(errors, 0.95) <= 0.055
    assert answers.alarms == {}
    for fault, found, due in scoring.faults_found(plan, sessions, said, answers.events):
        # a day more, since what is linked wrongly may fit by chance
        assert due is None or (found is not None and found <= due + 1), fault
    assert scoring.event_scores(plan, answers.events)["no event"]["wrong"] == 0
