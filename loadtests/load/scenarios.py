"""Scenarios: the users and time of each, its own defaults, and its objectives."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Scenario:
    """What a scenario is when nothing else is asked for; bounds in milliseconds by request."""

    # of locust; connections and readers decide it where it is None
    users: int | None = None
    seconds: int = 60
    # it has stages of its own
    is_shaped: bool = False
    devices: int = 5_000
    is_filled: bool = False
    p95_ms: dict[str, float] = field(default_factory=dict[str, float])
    p99_ms: dict[str, float] = field(default_factory=dict[str, float])

    @property
    def has_fleet(self) -> bool:
        """Whether devices of the simulation post in it."""
        return self.users is None


SCENARIOS = {
    "steady-fleet": Scenario(
        seconds=180, p95_ms={"": 500, "link": 1_000}, p99_ms={"": 1_000, "link": 2_000}
    ),
    "morning-spike": Scenario(
        devices=1_000,
        seconds=90,
        # what was kept for hours may take its time, and what is new should not wait for it
        p95_ms={"live": 1_000, "backlog": 30_000},
        p99_ms={"live": 2_000},
    ),
    "read-mix": Scenario(
        devices=2_000,
        seconds=120,
        is_filled=True,
        p95_ms={"": 1_000, "fleet": 2_000},
        p99_ms={"": 2_000, "fleet": 4_000},
    ),
    "dual-stream": Scenario(users=300),
    "vehicle-ingestion": Scenario(users=1, is_shaped=True),
}
