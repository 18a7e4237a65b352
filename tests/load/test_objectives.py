"""Objectives of `just load`: they decide its exit code, and each is named with its bound."""

from __future__ import annotations

import re

from tests.load.conftest import Runs

SMALL = ("--devices", "40", "--interval", "2", "--run-time", "4s")


def test_a_bound_that_cannot_be_held_ends_with_1_and_is_named(runs: Runs):
    outcome = runs.run("steady-fleet", *SMALL, "--p95-ms", "live=0.001")
    assert outcome.code == 1
    assert re.findall(r"^NOT KEPT: (.*)$", outcome.said, re.MULTILINE) == [
        next(one for one in re.findall(r"p95 of live: [\d,.]+ ms, at most 0.001 ms", outcome.said))
    ]


def test_a_bound_of_requests_that_were_never_made_is_not_kept(runs: Runs):
    outcome = runs.run("steady-fleet", *SMALL, "--p99-ms", "alive=1000")
    assert outcome.code == 1
    assert "NOT KEPT: p99 of alive: inf ms, at most 1,000 ms" in outcome.said


def test_the_share_that_may_fail_is_a_bound_like_others(runs: Runs):
    nobody = runs.url.rpartition(":")[0] + ":9"
    arguments = ("--host", nobody, "--fail-above", "0.5", "--run-time", "1s")
    outcome = runs.run("dual-stream", *arguments)
    assert outcome.code == 1
    assert "NOT KEPT: requests that failed: 100 %, at most 50 %" in outcome.said


def test_the_scenarios_of_the_old_system_end_with_0(runs: Runs):
    outcome = runs.run("dual-stream", "--run-time", "3s")
    assert outcome.code == 0, outcome.said
    assert {"vehicle reading", "meter reading"} <= outcome.requests
    assert "claimed for the old system" in outcome.said
