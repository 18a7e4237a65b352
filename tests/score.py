"""Score of today's verdicts beside the truth: `python -m tests.score`.

Simulates a fleet with one fault of each kind, posts it into a new database, settles it, and asks
for verdicts: api.performance of each charge's time, bi.register_event of each register. Prints how
many were right, wrong and missing, by what was true and by kind of fault.
"""

from __future__ import annotations

import argparse
import os
from collections import Counter, defaultdict
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import psycopg
from rich.console import Console
from rich.table import Table

from service.demo import failing, posting
from service.demo.faults import EVENTS
from service.demo.plan import Plan, start_of
from service.demo.simulation import Simulation
from service.demo.truth import SessionTruth
from tests.support import server

_SILENT = {None, "insufficient", "idle", "no_data", "unlinked"}


def told(connection: psycopg.Connection, sessions: Sequence[SessionTruth]) -> dict[str, str]:
    """What is said of each session."""
    rows = connection.execute(
        # of several in the time of one that was broken off, the one with the most energy
        "SELECT DISTINCT ON (s.session_id) s.session_id, c.verdict FROM unnest(%s::text[],"
        " %s::text[], %s::text[], %s::timestamptz[], %s::timestamptz[])"
        " AS s (session_id, vehicle_id, meter_id, since, until)"
        " INNER JOIN bi.charging_session AS c ON c.vehicle_id = s.vehicle_id"
        " AND c.meter_id = s.meter_id AND c.started_at < s.until AND c.ended_at > s.since"
        " ORDER BY s.session_id, greatest(c.ac_kwh, c.dc_kwh) DESC",
        [
            [one.session_id for one in sessions],
            [one.vehicle_id for one in sessions],
            [one.linked_meter_id for one in sessions],
            [one.since for one in sessions],
            [one.until for one in sessions],
        ],
    )
    return dict(rows.fetchall())


def compare(
    true: dict[str, tuple[str, ...]], told: dict[str, str]
) -> tuple[dict[str, Counter[str]], Counter[tuple[str, str]]]:
    """Right, wrong and missing by what is true, the likeliest; and what was said wrongly."""
    scores = defaultdict[str, Counter[str]](Counter)
    wrong = Counter[tuple[str, str]]()
    for key, verdicts in true.items():
        verdict = verdicts[0]
        said = told.get(key)
        if said in verdicts:
            scores[verdict]["right"] += 1
        elif said in _SILENT:
            scores[verdict]["missing"] += 1
        else:
            scores[verdict]["wrong"] += 1
            wrong[verdict, str(said)] += 1
    return scores, wrong


def event_scores(connection: psycopg.Connection, plan: Plan) -> dict[str, Counter[str]]:
    """The same for registers: an event of the right kind, on the right device, soon enough."""
    rows = connection.execute(
        "SELECT e.device_id, e.event, e.happened_at FROM bi.register_event AS e"
        " WHERE e.event = ANY (%s)",
        [list(EVENTS)],
    ).fetchall()
    scores = defaultdict[str, Counter[str]](Counter)
    expected = [fault for fault in plan.faults if fault.judged in EVENTS]
    for fault in expected:
        found = {
            event
            for device, event, at in rows
            if device in fault.devices
            and (fault.name == "rollover" or abs(at - fault.since) < timedelta(hours=3))
        }
        which = "right" if fault.judged in found else "wrong" if found else "missing"
        scores[fault.judged][which] += 1
    known = {device for fault in expected for device in fault.devices}
    scores["no event"]["wrong"] = len({device for device, _, _ in rows} - known)
    return scores


def by_fault(sessions: Sequence[SessionTruth], told: dict[str, str]) -> dict[str, Counter[str]]:
    """The same by kind of fault; those of a session with several count for each."""
    scores = defaultdict[str, Counter[str]](Counter)
    for one in sessions:
        for name in one.faults or ("none",):
            for counted in compare({one.session_id: one.verdicts}, told)[0].values():
                scores[name] += counted
    return scores


def main() -> None:
    """Print the score."""
    parser = argparse.ArgumentParser("python -m tests.score", description=__doc__)
    parser.add_argument("--vehicles", type=int, default=60, help="how many; 60 unless told")
    parser.add_argument("--days", type=int, default=21, help="for how long; 21 unless told")
    parser.add_argument("--seed", type=int, default=1, help="of the fleet; 1 unless told")
    options = parser.parse_args()
    start = start_of(options.days + 1, datetime.now(UTC))
    plan = failing.with_all(Plan(start, options.seed, options.vehicles, options.days))
    simulation = Simulation(plan)
    started = server.start()
    try:
        with server.Server(os.environ[server.URL_VARIABLE]).clone() as url:
            poster = posting.Poster(url)
            hours = [*simulation.run(), *simulation.rest()]
            for place in range(0, len(hours), 3):
                poster.post(hours[place : place + 3])
            poster.settle(lambda _: None)
            poster.keep_charging(lambda _: None)
            poster.close()
            with posting.connect(url) as connection:
                sessions = simulation.truth.sessions
                true = {one.session_id: one.verdicts for one in sessions}
                said = told(connection, sessions)
                scores, wrong = compare(true, said)
                events = event_scores(connection, plan)
    finally:
        started.stop()
    kinds = by_fault(sessions, said)
    for fault in plan.faults:
        # those of registers are told by their events; the cold is none
        if fault.judged in EVENTS:
            kinds[fault.name] = events[fault.judged]
        elif fault.name != "cold_week":
            kinds.setdefault(fault.name, Counter())
    show(plan, {"charge": scores, "register": events, "fault": kinds}, wrong)


def show(
    plan: Plan, scores: dict[str, dict[str, Counter[str]]], wrong: Counter[tuple[str, str]]
) -> None:
    """Print the tables as Markdown shows them."""
    console = Console(width=100)
    console.print(
        f"seed {plan.seed}, {plan.vehicles} vehicles, {plan.days} days from {plan.start:%Y-%m-%d}\n"
    )
    table = Table(box=None)
    for name in ("judged", "true", "right", "wrong", "missing"):
        table.add_column(name, justify="left" if name in ("judged", "true") else "right")
    for subject, kinds in scores.items():
        for verdict, counted in sorted(kinds.items()):
            numbers = (f"{counted[name]:,}" for name in ("right", "wrong", "missing"))
            table.add_row(subject, verdict, *numbers)
    console.print(table)
    for (true, said), count in wrong.most_common():
        console.print(f"{count:,} times {said} was said of what is {true}")


if __name__ == "__main__":
    main()
