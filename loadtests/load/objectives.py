"""Objectives of a run: whether each was kept decides the exit code of locust."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from locust import events
from locust.runners import WorkerRunner

from loadtests.load import counting
from loadtests.load.options import Options
from loadtests.load.process import options_of


@dataclass(frozen=True)
class Objective:
    """What was to be at most `bound`, and what it was."""

    what: str
    value: float
    bound: float
    unit: str = ""

    @property
    def kept(self) -> bool:
        """Whether it was."""
        return self.value <= self.bound

    def __str__(self) -> str:
        said = f"{self.what}: {_number(self.value)}{self.unit}, at most {_number(self.bound)}"
        return f"{'kept' if self.kept else 'NOT KEPT'}: {said}{self.unit}"


def _number(value: float) -> str:
    return f"{value:,.3f}".rstrip("0").rstrip(".")


def judge(stats: Any, exceptions: int, options: Options) -> list[Objective]:
    """The objectives of a run, by the requests that locust counted and by the answers."""
    counts = counting.total()
    total = stats.total
    share = total.num_failures / total.num_requests if total.num_requests else 1.0
    counted = counts["accepted"] + counts["duplicates"] + counts["refused"]
    found = [
        Objective("requests that failed", share * 100, options.fail_above * 100, " %"),
        Objective("readings that no answer counted", abs(counts["sent"] - counted), 0),
        Objective("readings answered otherwise than they should be", counts["wrong"], 0),
        Objective(
            "processes of locust that were lost", options.processes - counting.processes(), 0
        ),
        Objective("exceptions of the scenario", exceptions, 0),
    ]
    entries = {entry.name: entry for entry in stats.entries.values()}
    for percent, bounds in ((95, options.p95_ms), (99, options.p99_ms)):
        for name in sorted(entries | {name: None for name in bounds if name}):
            bound = bounds.get(name, bounds.get(""))
            if bound is not None:
                entry = entries.get(name)
                # a bound of what was never asked is not kept
                value = entry.get_response_time_percentile(percent / 100) if entry else float("inf")
                found.append(Objective(f"p{percent} of {name}", value, bound, " ms"))
    return found


def decide_exit_code() -> None:
    """Have locust end with 1 where an objective is not kept, and say which, else with 0."""
    events.quitting.add_listener(_decide)


def _decide(environment: Any, **_: Any) -> None:
    runner = environment.runner
    if runner is None or isinstance(runner, WorkerRunner):
        return
    options = options_of(environment)
    found = judge(runner.stats, len(runner.exceptions), options)
    for one in found:
        print(one, flush=True)
    if options.verdict:
        told = {
            "readings": counting.total(),
            "objectives": [asdict(one) | {"said": str(one)} for one in found],
        }
        Path(options.verdict).write_text(json.dumps(told), encoding="utf-8")
    environment.process_exit_code = 0 if all(one.kept for one in found) else 1
