"""The score itself: known verdicts beside a known truth."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import pytest

from service.demo.truth import SessionTruth
from service.demo.verdict import Flow
from tests.support.readings import NOW
from tests.support.scoring import Told, by_fault, compare, errors, judged, percentile

TRUE = {
    "T-1": ("healthy",),
    "T-2": ("healthy",),
    "T-3": ("healthy",),
    "T-4": ("degraded",),
    "T-5": ("frozen", "impossible"),
}
SESSION = SessionTruth(
    "T-1",
    "V-1",
    "M-1",
    "M-1",
    NOW,
    NOW,
    NOW,
    9_000_000,
    8_000_000,
    0.5,
    20.0,
    (),
    ("healthy",),
    0.85,
    0,
    {},
)


def said(**verdicts: str | None) -> dict[str, Told]:
    """What is said of charges, by the number of each."""
    return {f"T-{name[1:]}": Told(verdict) for name, verdict in verdicts.items()}


def test_verdicts_are_counted_as_right_wrong_and_missing():
    scores, wrong = compare(
        TRUE, said(t1="healthy", t2="degraded", t3="insufficient", t4="degraded")
    )
    assert scores == {
        "healthy": Counter(right=1, wrong=1, missing=1),
        "degraded": Counter(right=1),
        "frozen": Counter(missing=1),
    }
    assert wrong == Counter({("healthy", "degraded"): 1})


def test_no_verdict_is_never_right():
    assert compare(TRUE, {})[0] == {
        "healthy": Counter(missing=3),
        "degraded": Counter(missing=1),
        "frozen": Counter(missing=1),
    }
    # a judge may answer without a verdict
    assert compare({"T-1": ("healthy",)}, said(t1=None))[0] == {"healthy": Counter(missing=1)}


def test_each_verdict_is_right_where_either_can_be_told():
    for verdict, which in (("frozen", "right"), ("impossible", "right"), ("healthy", "wrong")):
        found, _ = compare({"T-5": TRUE["T-5"]}, said(t5=verdict))
        assert found == {"frozen": Counter([which])}


def test_too_little_to_judge_by_is_right_where_it_is_true():
    scores, _ = compare({"T-1": ("insufficient",)}, said(t1="insufficient"))
    assert scores == {"insufficient": Counter(right=1)}


def test_each_fault_has_its_count():
    two = replace(SESSION, session_id="T-2", faults=("charger_step",), verdicts=("degraded",))
    both = replace(two, session_id="T-3", faults=("charger_step", "slow_drift"))
    assert by_fault([SESSION, two, both], said(t1="healthy", t2="healthy")) == {
        "none": Counter(right=1),
        "charger_step": Counter(wrong=1, missing=1),
        "slow_drift": Counter(missing=1),
    }


def test_only_verdicts_that_are_given_are_judged():
    charges = [replace(SESSION, session_id=f"T-{n}") for n in range(1, 5)]
    assert judged(charges, said(t1="healthy", t2="degraded", t3="insufficient")) == (2, 1)


def test_efficiency_is_off_by_what_was_charged():
    flow = {0: Flow(ac=10_000_000, dc=9_000_000, standby=5_000_000)}
    one = replace(SESSION, hours=flow)
    unrelated = replace(one, session_id="T-2", faults=("wrong_link",))
    told = {"T-1": Told("healthy", 0.88), "T-2": Told("degraded", 0.2)}
    assert errors([one, unrelated], told) == [pytest.approx(0.02)]
    assert errors([one], {"T-1": Told("insufficient", 0.2)}) == []


def test_a_percentile_is_the_least_value_that_so_many_do_not_exceed():
    values = [float(n) for n in range(1, 101)]
    assert [percentile(values, share) for share in (0.01, 0.5, 0.95, 1)] == [1, 50, 95, 100]
    assert percentile([], 0.95) == 0
