"""Objectives of `just load`: they decide its exit code, and each is named with its bound."""

from __future__ import annotations

import re

import pytest

from tests.load.conftest import Runs

SMALL = ("--devices", "40", "--interval", "2", "--run-time", "4s")


@pytest.mark.slow
def test_bounds_that_are_not_held_end_with_1_and_are_named(runs: Runs):
    outcome = runs.run("steady-fleet", *SMALL, "--p95-ms", "live=0.001", "--p99-ms", "alive=1000")
    assert outcome.code == 1
    # of requests that were never made no bound is kept
    lines = re.findall(r"^NOT KEPT: (.*)$", outcome.said, re.MULTILINE)
    assert [re.sub(r": [\d,.]+ ms", ": ? ms", line) for line in lines] == [
        "p95 of live: ? ms, at most 0.001 ms",
        "p99 of alive: inf ms, at most 1,000 ms",
    ]


@pytest.mark.slow
def test_the_share_that_may_fail_is_a_bound_like_others(runs: Runs):
    nobody = runs.url.rpartition(":")[0] + ":9"
    arguments = ("--host", nobody, "--fail-above", "0.5", "--run-time", "1s")
    outcome = runs.run("dual-stream", *arguments)
    assert outcome.code == 1
    assert "NOT KEPT: requests that failed: 100 %, at most 50 %" in outcome.said


@pytest.mark.slow
def test_the_scenarios_of_the_old_system_end_with_0(runs: Runs):
    outcome = runs.run("dual-stream", "--run-time", "3s")
    assert outcome.code == 0, outcome.said
    assert {"vehicle reading", "meter reading"} <= outcome.requests
    assert "claimed for the old system" in outcome.said
