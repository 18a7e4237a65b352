"""How good verdicts are beside the truth: of charges, of registers, and of vehicles in all."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple

import psycopg

from service.demo.faults import EVENTS, Fault
from service.demo.plan import Plan
from service.demo.posting import end_of
from service.demo.truth import SessionTruth
from service.demo.verdict import DRIFT, Flow

_SILENT = {None, "insufficient", "idle", "no_data", "unlinked"}
_ALARMS = {"frozen", "impossible", "degraded", "drifting"}
# of pairs whose energies have nothing to do with one another, there is no true efficiency
_UNRELATED = {"frozen_counter", "swapped_meters", "wrong_link", "silent_device"}
_DAY = timedelta(days=1)


class Told(NamedTuple):
    """What is said of a charge, and by what."""

    verdict: str | None
    efficiency: float | None = None
    uncertainty: float | None = None
    expected: float | None = None
    coverage: float | None = None
    coldest: float | None = None

    @property
    def is_judged(self) -> bool:
        """Whether it is more than that too little is known."""
        return self.verdict not in _SILENT


class Found(NamedTuple):
    """After how many days a fault was told; and by when truth leaves no doubt (None: never)."""

    fault: Fault
    found: float | None
    due: float | None


def told(connection: psycopg.Connection[Any], sessions: Sequence[SessionTruth]) -> dict[str, Told]:
    """What is said of each session."""
    rows = connection.execute(
        # of several in the time of one that was broken off, the one with the most energy
        "SELECT DISTINCT ON (s.session_id) s.session_id, c.verdict, c.efficiency::float8,"
        " c.uncertainty::float8, c.expected_efficiency::float8, c.coverage::float8,"
        " c.battery_temp_min_c::float8 FROM unnest(%s::text[],"
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
    return {session_id: Told(*rest) for session_id, *rest in rows.fetchall()}


def compare(
    true: Mapping[str, tuple[str, ...]], said: Mapping[str, Told]
) -> tuple[dict[str, Counter[str]], Counter[tuple[str, str]]]:
    """Right, wrong and missing by what is true, the likeliest; and what was said wrongly."""
    scores = defaultdict[str, Counter[str]](Counter)
    wrong = Counter[tuple[str, str]]()
    for key, verdicts in true.items():
        verdict, found = verdicts[0], said.get(key, Told(None))
        if found.verdict in verdicts:
            scores[verdict]["right"] += 1
        elif not found.is_judged:
            scores[verdict]["missing"] += 1
        else:
            scores[verdict]["wrong"] += 1
            wrong[verdict, str(found.verdict)] += 1
    return scores, wrong


def by_fault(sessions: Sequence[SessionTruth], said: Mapping[str, Told]) -> dict[str, Counter[str]]:
    """The same by kind of fault; those of a session with several count for each."""
    scores = defaultdict[str, Counter[str]](Counter)
    for one in sessions:
        for name in one.faults or ("none",):
            for counted in compare({one.session_id: one.verdicts}, said)[0].values():
                scores[name] += counted
    return scores


def judged(sessions: Sequence[SessionTruth], said: Mapping[str, Told]) -> tuple[int, int]:
    """How many charges are judged, and of how many of these the verdict is right."""
    found = [one for one in sessions if said.get(one.session_id, Told(None)).is_judged]
    return len(found), sum(said[one.session_id].verdict in one.verdicts for one in found)


def apart_from_unrelated(sessions: Sequence[SessionTruth]) -> list[SessionTruth]:
    """Charges without those of swapped meters and wrong links, whose readings may fit by chance."""
    return [one for one in sessions if not {"swapped_meters", "wrong_link"} & set(one.faults)]


def errors(sessions: Sequence[SessionTruth], said: Mapping[str, Told]) -> list[float]:
    """By how much the efficiency of judged charges is off, the least first."""
    found: list[float] = []
    for one in sessions:
        flow = Flow.of(one.hours.values())
        known = said.get(one.session_id, Told(None))
        if known.is_judged and known.efficiency is not None and not _UNRELATED & set(one.faults):
            found.append(abs(known.efficiency - flow.dc / flow.ac))
    return sorted(found)


def percentile(ordered: Sequence[float], share: float) -> float:
    """The least value that such a share of all does not exceed; 0 of none."""
    return ordered[max(0, -int(-share * len(ordered) // 1) - 1)] if ordered else 0.0


def alarms(
    connection: psycopg.Connection[Any], plan: Plan, sessions: Sequence[SessionTruth]
) -> dict[str, str]:
    """Statuses of all the days of vehicles of which nothing was ever wrong, where one alarms."""
    faulty = {one.vehicle_id for one in sessions if one.faults}
    sound = sorted({one.vehicle_id for one in sessions} - faulty)
    rows = connection.execute(
        "SELECT v.vehicle_id, p.status FROM unnest(%s::text[]) AS v (vehicle_id)"
        " CROSS JOIN LATERAL api.performance(v.vehicle_id, %s, %s) AS p",
        [sound, plan.start, end_of(plan)],
    )
    return {vehicle: status for vehicle, status in rows.fetchall() if status in _ALARMS}


Event = tuple[str, str, datetime]


def events(connection: psycopg.Connection[Any]) -> list[Event]:
    """What is said of registers: the device, what happened to it, and when."""
    return connection.execute(
        "SELECT e.device_id, e.event, e.happened_at FROM bi.register_event AS e"
        " WHERE e.event = ANY (%s) ORDER BY e.happened_at",
        [list(EVENTS)],
    ).fetchall()


def _events_of(fault: Fault, told_of: Sequence[Event]) -> list[Event]:
    """Those at the time of a fault, on its devices; nobody knows when a register is full."""
    return [
        event
        for event in told_of
        if event[0] in fault.devices
        and (fault.name == "rollover" or abs(event[2] - fault.since) < timedelta(hours=3))
    ]


def event_scores(plan: Plan, told_of: Sequence[Event]) -> dict[str, Counter[str]]:
    """Right, wrong and missing events by what is true."""
    scores = defaultdict[str, Counter[str]](Counter)
    expected = [fault for fault in plan.faults if fault.judged in EVENTS]
    for fault in expected:
        found = {event for _, event, _ in _events_of(fault, told_of)}
        which = "right" if fault.judged in found else "wrong" if found else "missing"
        scores[fault.judged][which] += 1
    known = {device for fault in expected for device in fault.devices}
    scores["no event"]["wrong"] = len({device for device, _, _ in told_of} - known)
    return scores


def faults_found(
    plan: Plan,
    sessions: Sequence[SessionTruth],
    said: Mapping[str, Told],
    told_of: Sequence[Event],
) -> list[Found]:
    """When each fault was found; the cold is none."""
    made: list[Found] = []
    for fault in plan.faults:
        if fault.judged in EVENTS:
            at = [at for _, event, at in _events_of(fault, told_of) if event == fault.judged]
            due = None
        elif fault.name != "cold_week":
            touched = sorted(
                (one for one in sessions if fault.name in one.faults), key=lambda one: one.until
            )
            telling = _ALARMS | set(fault.verdicts)
            at = [
                one.energy_until
                for one in touched
                if (verdict := said.get(one.session_id, Told(None)).verdict) in telling
                and verdict in one.verdicts
            ]
            # of one that drifts, truth knows how fast
            due = next(
                (
                    one.energy_until
                    for one in touched
                    if telling >= set(one.verdicts)
                    and (fault.name != "slow_drift" or one.lost_points >= DRIFT)
                ),
                None,
            )
        else:
            continue
        days = [(one - fault.since) / _DAY for one in at[:1]]
        made.append(Found(fault, *days or (None,), due and (due - fault.since) / _DAY))
    return made
