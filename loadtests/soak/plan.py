"""Plan of a soak: what it does, and for how long."""

from __future__ import annotations

from typing import NamedTuple


class Plan(NamedTuple):
    """The load, the history before it, and how often what is beside the load comes."""

    seconds: float
    # readings per second; None: a share of the highest rate, which is measured first
    rate: float | None = None
    share: float = 1 / 3
    devices: int = 400
    clients: int = 100
    history_days: int = 60
    history_minutes: int = 30
    # from one change of the retention to the next
    retention_seconds: float = 60
    # from one refresh by hand to the next; the other calls of DBAs keep step with it
    refresh_seconds: float = 15
