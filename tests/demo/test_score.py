"""The score itself: known verdicts beside a known truth."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

from service.demo.truth import SessionTruth
from tests.score import by_fault, compare
from tests.support.readings import NOW

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


def test_verdicts_are_counted_as_right_wrong_and_missing():
    scores, wrong = compare(
        TRUE, {"T-1": "healthy", "T-2": "degraded", "T-3": "insufficient", "T-4": "degraded"}
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
    assert compare({"T-1": ("healthy",)}, {"T-1": None})[0] == {"healthy": Counter(missing=1)}


def test_each_verdict_is_right_where_either_can_be_told():
    for said, which in (("frozen", "right"), ("impossible", "right"), ("healthy", "wrong")):
        assert compare({"T-5": TRUE["T-5"]}, {"T-5": said})[0] == {"frozen": Counter([which])}


def test_too_little_to_judge_by_is_right_where_it_is_true():
    scores, _ = compare({"T-1": ("insufficient",)}, {"T-1": "insufficient"})
    assert scores == {"insufficient": Counter(right=1)}


def test_each_fault_has_its_count():
    two = replace(SESSION, session_id="T-2", faults=("charger_step",), verdicts=("degraded",))
    both = replace(two, session_id="T-3", faults=("charger_step", "slow_drift"))
    told = {"T-1": "healthy", "T-2": "healthy"}
    assert by_fault([SESSION, two, both], told) == {
        "none": Counter(right=1),
        "charger_step": Counter(wrong=1, missing=1),
        "slow_drift": Counter(missing=1),
    }
