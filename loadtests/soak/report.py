"""Report of what a soak found, as Markdown, and whether that is good."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from loadtests.soak.check import Finding
from loadtests.soak.run import Soak

_SHOWN = 20


def is_complete(soak: Soak, findings: Sequence[Finding]) -> bool:
    """Whether all is there once, and no answer was wrong or an error of the service."""
    return (
        all(finding.is_good for finding in findings)
        and not soak.fleet.wrong
        and not _errors(soak.fleet.answers)
        and not soak.deadlocks()
        and not soak.deadlocks_in_log()
    )


def is_good(soak: Soak, findings: Sequence[Finding]) -> bool:
    """Whether all is there, and no call and no job failed."""
    return is_complete(soak, findings) and not soak.calls.failures and not soak.jobs.failures


def text(soak: Soak, findings: Sequence[Finding], server: str) -> str:
    """The whole report."""
    fleet, plan = soak.fleet, soak.plan
    full = "" if soak.full_rate is None else f" of {soak.full_rate:,.0f} at most"
    logged = soak.deadlocks_in_log()
    parts = [
        f"{server}: {plan.seconds / 60:g} minutes, {fleet.rate or 0:,.0f} readings/s{full},"
        f" {plan.devices} devices, {fleet.readings:,} readings acknowledged, and"
        f" {soak.filled:,} of {plan.history_days} days before. {_latencies(soak)}",
        f"{soak.deadlocks()} deadlocks by the database's count"
        f"{'' if logged is None else f', {logged} by its log'};"
        f" {_errors(fleet.answers)} answers of 5xx but 503; {soak.retention.dropped} chunks"
        f" dropped; {soak.jobs.runs} runs of jobs,"
        f" {sum(soak.jobs.failures.values())} failed.",
        _stores(findings),
        _examples(findings),
        _answers(fleet.answers),
        _counted("answers that cannot be right", fleet.wrong),
        _calls(soak),
        _counted("calls that failed", _named(soak.calls.failures)),
        _counted("calls refused until something else was done", _named(soak.calls.refusals)),
        _counted("jobs that failed", _named(soak.jobs.failures)),
        "All is well." if is_good(soak, findings) else "NOT ALL IS WELL.",
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _errors(answers: Counter[tuple[str, str]]) -> int:
    return sum(
        count for (_, what), count in answers.items() if what.startswith("5") and what != "503"
    )


def _latencies(soak: Soak) -> str:
    taken = sorted(soak.fleet.live_ms)
    if not taken:
        return "No live reading was stored at the first attempt."
    half, most = taken[len(taken) // 2], taken[min(len(taken) - 1, int(len(taken) * 0.99))]
    return (
        f"Live posts of one reading: p50 {half:.0f} ms, p99 {most:.0f} ms,"
        f" max {taken[-1]:.0f} ms ({len(taken):,} of them)."
    )


def _stores(findings: Sequence[Finding]) -> str:
    rows = [
        ("where", "days of devices", "readings missing", "readings too many", "mWh off"),
        ("---", *["---:"] * 4),
    ]
    rows += [
        (
            one.store,
            f"{one.compared:,}",
            f"{one.missing:,}",
            f"{one.extra:,}",
            f"{one.energy_off_mwh:,}",
        )
        for one in findings
    ]
    return _table(rows)


def _examples(findings: Sequence[Finding]) -> str:
    return "\n".join(f"- {one.store}: {line}" for one in findings for line in one.examples)


def _answers(answers: Counter[tuple[str, str]]) -> str:
    rows = [("request", "answers"), ("---", "---")]
    for name in sorted({name for name, _ in answers}):
        told = sorted((what, count) for (of, what), count in answers.items() if of == name)
        rows.append((name, ", ".join(f"{what}: {count:,}" for what, count in told)))
    return _table(rows)


def _calls(soak: Soak) -> str:
    rows = [("call", "times", "failed", "at most"), ("---", "---:", "---:", "---:")]
    for name, count in sorted(soak.calls.count.items()):
        failed = sum(n for (of, _), n in soak.calls.failures.items() if of == name)
        slowest = soak.calls.slowest_seconds[name]
        rows.append((name, f"{count:,}", f"{failed:,}", f"{slowest:.1f} s"))
    return _table(rows)


def _named(failures: Counter[tuple[str, str]]) -> Counter[str]:
    return Counter({f"{name}: {what}": count for (name, what), count in failures.items()})


def _counted(title: str, counts: Counter[str]) -> str:
    if not counts:
        return ""
    shown = [f"- {count:,} times: {what}" for what, count in counts.most_common(_SHOWN)]
    if len(counts) > _SHOWN:
        shown.append(f"- and {len(counts) - _SHOWN} others")
    return f"{title.capitalize()}:\n\n" + "\n".join(shown)


def _table(rows: Sequence[Sequence[str]]) -> str:
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)
