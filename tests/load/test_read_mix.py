"""Reads of `just load read-mix`: every route answers beside a fleet that posts."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from loadtests.load.target import fill as fill_history
from tests.load.conftest import Runs

READS = {
    "vehicle state",
    "meter state",
    "performance",
    "hourly",
    "meter verdict",
    "sessions of a vehicle",
    "fleet",
    "page of vehicles",
    "page of meters",
}


@pytest.fixture
def fill() -> Callable[[str], None]:
    """Two days of ten simulated vehicles."""

    def fill_in(url: str) -> None:
        assert fill_history(url, vehicles=10, days=2) > 10_000

    return fill_in


@pytest.mark.slow
def test_every_read_answers_beside_a_fleet(runs: Runs):
    outcome = runs.run(
        *("read-mix", "--devices", "40", "--interval", "2", "--run-time", "10s"),
        *("--readers", "20", "--connections", "20"),
    )
    assert outcome.code == 0, outcome.said
    assert outcome.requests >= READS | {"live"}
    assert outcome.readings["wrong"] == 0
