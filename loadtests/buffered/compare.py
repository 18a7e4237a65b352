"""Comparison of both ways in one run, as tables in Markdown: rates first, then delays."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Callable

from loadtests.buffered.delay import Delay, delay
from loadtests.buffered.installation import Installation
from loadtests.buffered.rates import Rates, Taken, medians

_PARTS = ("service", "worker", "broker", "database", "generator")


def compare(
    installation: Installation, options: Namespace, tell: Callable[[str], None]
) -> tuple[str, bool]:
    """Measure both ways in turns; return tables, and whether nothing was lost or went wrong."""
    direct = installation.start_service("direct-service")
    rates = Rates(installation, direct, options.readings, options.connections)
    ways: dict[str, Callable[[float], Taken]] = {
        "direct": rates.direct,
        "buffered": rates.buffered,
        "buffered, one after the other": rates.apart,
    }
    taken: dict[str, list[Taken]] = {name: [] for name in ways}
    for turn in range(options.rounds + 1):
        for name, way in ways.items():
            found = way(options.seconds if turn else 3)
            tell(
                f"round {turn}/{options.rounds}, {name}: {found.accepted:,.0f} accepted per second,"
                f" {found.lost} lost, {found.errors} wrong answers"
            )
            if turn:  # the first one warms up
                taken[name].append(found)
    found = {name: medians(turns) for name, turns in taken.items()}
    half = found["buffered"].whole / 2 / options.readings
    delays: dict[str, Delay] = {}
    for name, server in (("direct", direct), ("buffered", installation.service)):
        url = installation.database.url()
        delays[name] = delay(server, installation.key, url, half, options.seconds)
        tell(f"{name} at {half:,.0f} requests/s: {delays[name].probes} probes")
    holds = not any(one.lost or one.errors for one in found.values())
    holds = holds and not any(one.errors for one in delays.values())
    holds = holds and all(one.accepted > 0 for one in found.values())
    return f"{_rates(found, options.readings)}\n\n{_delays(delays)}\n", holds


def _rates(found: dict[str, Taken], readings: int) -> str:
    direct, both, apart = found.values()
    rows = [
        (f"readings per second, {readings} per request", "accepted", "stored"),
        ("---", "---:", "---:"),
        ("direct: stored when they are acknowledged", _n(direct.accepted), _n(direct.accepted)),
        (
            "buffered: the service and the workers at the same time",
            _n(both.accepted),
            _n(both.stored),
        ),
        ("… until the last one was stored", "", _n(both.whole)),
        ("the service alone, while workers wait", _n(apart.accepted), ""),
        ("the workers alone, with what came meanwhile", "", _n(apart.catch_up)),
    ]
    uses = [
        ("cores in use", *_PARTS),
        ("---", *["---:"] * len(_PARTS)),
        *((name, *(_cores(one, part) for part in _PARTS)) for name, one in found.items()),
    ]
    return f"{_table(rows)}\n\n{_table(uses)}"


def _delays(delays: dict[str, Delay]) -> str:
    rows = [
        ("ms", "answered p50", "p99", "in the ledger p50", "p99", "probes", "load per second"),
        ("---", *["---:"] * 6),
        *(
            (
                name,
                *(f"{value:.1f}" for value in (one.answered.p50, one.answered.p99)),
                *(f"{value:.1f}" for value in (one.visible.p50, one.visible.p99)),
                str(one.probes),
                _n(one.rate),
            )
            for name, one in delays.items()
        ),
    ]
    return _table(rows)


def _cores(taken: Taken, part: str) -> str:
    """Of all processes of a kind, such as three brokers."""
    return f"{sum(used for name, used in taken.cores.items() if name.startswith(part)):.2f}"


def _n(value: float) -> str:
    return f"{value:,.0f}"


def _table(rows: list[tuple[str, ...]]) -> str:
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)
