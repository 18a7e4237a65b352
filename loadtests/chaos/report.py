"""Report of what a run found, as Markdown."""

from __future__ import annotations

from collections.abc import Iterable
from statistics import median

from loadtests.chaos.fleet import Fleet
from loadtests.chaos.run import Event, Run

# of fewer the rate says nothing
_ENOUGH = 5_000


def text(run: Run, fleet: Fleet, minutes: float, restarts: int) -> str:
    """The whole report."""
    last = run.last
    assert last is not None
    rate = f"{fleet.rate:,.0f}" if fleet.rate is not None else "all"
    answers = ", ".join(f"{name}: {count:,}" for name, count in sorted(fleet.answers.items()))
    parts = [
        f"{minutes:.0f} minutes, {len(run.events)} faults, {rate} readings/s of"
        f" {run.full_rate:,.0f} at most. {last.acknowledged:,} readings acknowledged,"
        f" {last.lost} lost, {last.duplicates} stored twice, {last.energy_off_mwh} mWh off;"
        f" `ops.verify` over everything: {last.differences} differences; of devices with registers"
        f" {last.ledgers_off} whose hours are not what a plain fold says.",
        _faults(run.events),
        _memory(run.memory),
        f"Answers: {answers}. Whole services started again by their supervisor: {restarts}.",
    ]
    return "\n\n".join(parts) + "\n"


def is_good(run: Run) -> bool:
    """Whether nothing was lost or stored twice, all agrees, and each fault was recovered from."""
    caused = [event for event in run.events if event.unavailable is None]
    return (
        run.last is not None
        and run.last.is_good
        and all(event.finding is not None and event.finding.is_good for event in caused)
    )


def _faults(events: Iterable[Event]) -> str:
    by_name: dict[str, list[Event]] = {}
    for event in events:
        by_name.setdefault(event.fault.name, []).append(event)
    buffered = any(_waited(group) for group in by_name.values())
    rows: list[tuple[str, ...]] = [
        ("fault", "what is done", "times", "lost", "twice", "lasts", "then well after", "at most"),
        ("---", "---", *["---:"] * 6),
    ]
    if buffered:
        rows = [(*rows[0], "waited at most", "stored per second"), (*rows[1], "---:", "---:")]
    for name, group in by_name.items():
        found = [event.finding for event in group if event.finding is not None]
        took = [e.recovered_seconds for e in group if e.recovered_seconds is not None]
        if group[0].unavailable:
            cells = ("0", "", "", "", group[0].unavailable, "")
        elif len(took) < len(group):
            cells = (str(len(group)), "", "", "", "not within the time", "")
        else:
            cells = (
                str(len(group)),
                str(sum(finding.lost for finding in found)),
                str(sum(finding.duplicates for finding in found)),
                f"{median(event.lasted_seconds for event in group):.1f} s",
                f"{median(took):.1f} s",
                f"{max(took):.1f} s",
            )
        later = _waited(group) or ("", "")
        rows.append((name, group[0].fault.what, *cells, *(later if buffered else ())))
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def _waited(group: list[Event]) -> tuple[str, str] | None:
    """The most readings that waited in a buffer, and how fast workers stored them."""
    found = [e.finding.waited for e in group if e.finding is not None and e.finding.waited]
    if not found:
        return None
    most = max(found)
    rate = f"{most.readings / most.seconds:,.0f}" if most.readings >= _ENOUGH else ""
    return f"{most.readings:,}", rate


def _memory(samples: list[tuple[float, float]]) -> str:
    """The service's memory by sixths of the run."""
    if not samples:
        return "Memory was not seen."
    end = samples[-1][0]
    sixths: list[list[float]] = [[] for _ in range(6)]
    for at, size in samples:
        sixths[min(5, int(6 * at / end))].append(size)
    shown = ", ".join(f"{max(sixth):.0f}" for sixth in sixths if sixth)
    return f"Memory of the service in MB, the most in each sixth of the run: {shown}."
