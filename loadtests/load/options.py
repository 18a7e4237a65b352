"""Options of a scenario: what `just load` passes on to locust, whose master tells its workers."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field


@dataclass(frozen=True)
class Options:
    """What a run is asked for; shares are between 0 and 1.

    `processes` of locust part the devices, whose ids start with `run`. Bounds in milliseconds are
    by the name of requests, "" for all that have none of their own.
    """

    processes: int = 1
    run: str = "load"
    devices: int = 5_000
    interval_seconds: float = 60.0
    batch: int = 1
    connections: int = 200
    readers: int = 20
    offline: float = 0.02
    twice: float = 0.01
    skewed: float = 0.02
    ahead: float = 0.002
    night_minutes: int = 240
    within_seconds: float = 20.0
    fail_above: float = 0.0
    p95_ms: dict[str, float] = field(default_factory=dict[str, float])
    p99_ms: dict[str, float] = field(default_factory=dict[str, float])
    # where what was counted and judged is written; none: it is only printed
    verdict: str | None = None

    def __str__(self) -> str:
        return json.dumps(asdict(self))
