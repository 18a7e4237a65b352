"""Score of verdicts beside the truth: `python -m tests.score`.

Simulates a fleet with one fault of each kind, posts it into a new database, settles it, keeps its
charging, and asks for verdicts. Prints how many were right, wrong and missing, by what was true and
by kind of fault; how many of those that were given are right, and how far efficiency is off; sound
vehicles that all the days together call worse; and after how many days each fault was found.
"""

from __future__ import annotations

import argparse
import os
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import NamedTuple

from rich.console import Console
from rich.table import Table

from service.demo import failing, posting
from service.demo.faults import EVENTS
from service.demo.plan import Plan, start_of
from service.demo.simulation import Simulation
from service.demo.truth import SessionTruth
from tests.support import scoring, server
from tests.support.scoring import Event, Told


class Answers(NamedTuple):
    """What is true of a plan's charges, and what is said of them, of registers and vehicles."""

    plan: Plan
    sessions: list[SessionTruth]
    said: dict[str, Told]
    events: list[Event]
    alarms: dict[str, str]


def ask(url: str, plan: Plan) -> Answers:
    """Post the fleet of a plan into an empty database, and ask what is said of it."""
    simulation = Simulation(plan)
    with posting.connect(url) as connection:
        # its days may be of any year
        connection.execute("UPDATE telemetry.dataset SET keep = INTERVAL '50 years'")
    poster = posting.Poster(url)
    hours = [*simulation.run(), *simulation.rest()]
    for place in range(0, len(hours), 3):
        poster.post(hours[place : place + 3])
    poster.settle(lambda _: None)
    poster.keep_charging(lambda _: None)
    poster.close()
    with posting.connect(url) as connection:
        sessions = simulation.truth.sessions
        said = scoring.told(connection, sessions)
        alarms = scoring.alarms(connection, plan, sessions)
        return Answers(plan, sessions, said, scoring.events(connection), alarms)


@contextmanager
def empty_database() -> Iterator[str]:
    """A database on a server of its own."""
    started = server.start()
    try:
        with server.Server(os.environ[server.URL_VARIABLE]).clone() as url:
            yield url
    finally:
        started.stop()


def main() -> None:
    """Print the score."""
    parser = argparse.ArgumentParser("python -m tests.score", description=__doc__)
    parser.add_argument("--vehicles", type=int, default=60, help="how many; 60 unless told")
    parser.add_argument("--days", type=int, default=21, help="for how long; 21 unless told")
    parser.add_argument("--seed", type=int, default=1, help="of the fleet; 1 unless told")
    parser.add_argument(
        "--start", type=datetime.fromisoformat, help="first day in UTC; the last is yesterday"
    )
    parser.add_argument(
        "--holes", type=float, help="percent of its readings that every device loses for ever"
    )
    parser.add_argument("--wrong", action="store_true", help="list what is said wrongly")
    options = parser.parse_args()
    start = options.start and options.start.replace(tzinfo=UTC)
    start = start or start_of(options.days + 1, datetime.now(UTC))
    lost = None if options.holes is None else options.holes / 100
    plan = failing.with_all(Plan(start, options.seed, options.vehicles, options.days, lost=lost))
    with empty_database() as url:
        show(ask(url, plan), wrong_ones=options.wrong)


def show(answers: Answers, *, wrong_ones: bool) -> None:
    """Print the tables as Markdown shows them."""
    plan, sessions, said, events, alarms = answers
    scores, wrong = scoring.compare({one.session_id: one.verdicts for one in sessions}, said)
    registers = scoring.event_scores(plan, events)
    kinds = scoring.by_fault(sessions, said)
    found = scoring.faults_found(plan, sessions, said, events)
    for one in found:
        # those of registers are told by their events
        is_event = one.fault.judged in EVENTS
        kinds[one.fault.name] = registers[one.fault.judged] if is_event else kinds[one.fault.name]
    console = Console(width=110, highlight=False)
    holes = "" if plan.lost is None else f", each device loses {plan.lost:.0%} of its readings"
    console.print(
        f"seed {plan.seed}, {plan.vehicles} vehicles, {plan.days} days from"
        f" {plan.start:%Y-%m-%d}{holes}\n"
    )
    _show_scores(console, {"charge": scores, "register": registers, "fault": kinds})
    for (true, verdict), count in wrong.most_common():
        console.print(f"{count:,} times {verdict} was said of what is {true}")
    console.print()
    for charges, name in (
        (sessions, ""),
        (scoring.apart_from_unrelated(sessions), ", without swapped meters and wrong links"),
    ):
        given, right = scoring.judged(charges, said)
        console.print(f"{right:,} of {given:,} verdicts given are right: {right / given:.2%}{name}")
    errors = scoring.errors(sessions, said)
    console.print(
        f"efficiency is off by {scoring.percentile(errors, 0.95):.4f} at the 95th percentile of"
        f" {len(errors):,} charges, by {max(errors, default=0):.4f} at most"
    )
    told = ", ".join(f"{vehicle}: {status}" for vehicle, status in alarms.items()) or "none"
    console.print(f"sound vehicles that all days together call worse: {told}\n")
    _show_found(console, found)
    if wrong_ones:
        for one in sessions:
            known = said.get(one.session_id, Told(None))
            if known.is_judged and known.verdict not in one.verdicts:
                _show_wrong(console, one, known)


def _show_scores(console: Console, scores: dict[str, dict[str, Counter[str]]]) -> None:
    table = Table(box=None)
    for name in ("judged", "true", "right", "wrong", "missing"):
        table.add_column(name, justify="left" if name in ("judged", "true") else "right")
    for subject, kinds in scores.items():
        for verdict, counted in sorted(kinds.items()):
            numbers = (f"{counted[name]:,}" for name in ("right", "wrong", "missing"))
            table.add_row(subject, verdict, *numbers)
    console.print(table)


def _show_found(console: Console, found: list[scoring.Found]) -> None:
    table = Table(box=None)
    for name in ("fault", "found after days", "without doubt after days"):
        table.add_column(name, justify="left" if name == "fault" else "right")
    for fault, *days in found:
        table.add_row(fault.name, *("" if one is None else f"{one:.1f}" for one in days))
    console.print(table)


def _show_wrong(console: Console, one: SessionTruth, known: Told) -> None:
    numbers = ", ".join(
        f"{name} {value:.3f}" for name, value in known._asdict().items() if isinstance(value, float)
    )
    console.print(
        f"{one.session_id} {one.vehicle_id} {one.linked_meter_id} {one.since:%d %H:%M} to"
        f" {one.energy_until:%d %H:%M}, {one.grid / 1e6:.1f} kWh, {' '.join(one.faults) or 'sound'}"
        f" {one.lost_points} points: {known.verdict}, not {'/'.join(one.verdicts)}; {numbers}"
    )


if __name__ == "__main__":
    main()
