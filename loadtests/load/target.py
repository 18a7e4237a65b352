"""Service that is loaded: one that runs somewhere, or one of our own with a history where asked."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console

from loadtests.support import stack
from service.demo.plan import Plan, start_of
from service.demo.posting import Poster
from service.demo.simulation import Simulation

_VEHICLES = 200
_HOURS_A_DAY = 24


@contextmanager
def target(
    host: str | None, output: Path, history_days: int, console: Console
) -> Iterator[tuple[str, dict[str, int]]]:
    """What to load: its address, and the processes of it that run here."""
    if host:
        yield host.rstrip("/"), {}
        return
    with stack.database() as cluster:
        if history_days:
            posted = fill(cluster.url(), _VEHICLES, history_days)
            console.print(
                f"{posted:,} readings of {_VEHICLES} simulated vehicles, {history_days} days,"
                " are stored, settled and judged",
                highlight=False,
            )
        url = cluster.url("wattledger_service")
        with stack.wattledger(url, output / "service.log") as service:
            yield service.url, {"service": service.pid, "database": cluster.postmaster_pid()}


def fill(admin_url: str, vehicles: int, days: int) -> int:
    """Store, settle and judge the last whole days of a simulated fleet; how many readings."""
    plan = Plan(start_of(days, datetime.now(UTC)), vehicles=vehicles, days=days)
    poster = Poster(admin_url)
    try:
        hours = Simulation(plan).hours()
        for _ in range(days):
            poster.post([next(hours) for _ in range(_HOURS_A_DAY)])
        poster.settle(lambda _: None)
        poster.keep_charging(lambda _: None)
        return poster.reached
    finally:
        poster.close()
