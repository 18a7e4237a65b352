"""Tables of a run's figures on the terminal."""

from __future__ import annotations

from rich.console import Console
from rich.table import Table

from loadtests.benchmark.figures import Figures, Ratio
from loadtests.support.percentiles import Latency

_LATE_MS = 5.0
_CORES = ("generator", "server", "database", "others")
_PERCENTILES = ("p50 ms", "p95 ms", "p99 ms", "p99.9 ms")


def ratios(figures: Figures) -> list[Ratio]:
    """The ratios that the aims speak of, where both of their figures were measured."""
    found: list[Ratio] = []

    def add(name: str, over: float | None, under: float | None, aim: str = "") -> None:
        if over is not None and under:
            found.append(Ratio(name, over / under, aim))

    rate, p99, cost = figures.rate, figures.p99, figures.cost_us
    add("c / a  single readings, to the old shape", rate("c"), rate("a"), "15")
    add("c / b  single readings, to a handler that does nothing", rate("c"), rate("b"))
    add("a / c  core time of server and database per reading", cost("a"), cost("c"))
    add("b / c  core time of server and database per reading", cost("b"), cost("c"))
    add("p99 of c / p99 of a, closed loop", p99("c"), p99("a"), "0.05")
    for one in figures.throughput:
        if one.key.startswith("d "):
            add(f"{one.key} / e1  to COPY", one.rate, rate("e1"), "0.8")
            add(f"e1 / {one.key}  core time of server and database", cost("e1"), one.cost_us)
    for share in sorted({one.share for one in figures.open_loop}):
        of = {one.name: one.latency.p99 for one in figures.open_loop if one.share == share}
        name = f"p99 of c / p99 of a, each at {share:.0%} of its own maximum"
        add(name, of.get("c"), of.get("a"))
    return found


def show(figures: Figures, console: Console) -> None:
    """Print all tables."""
    console.print(", ".join(f"{name}: {value}" for name, value in figures.machine.items()))
    if figures.throughput:
        console.print(_throughput(figures))
    if figures.open_loop:
        console.print(_open_loop(figures))
        if any(one.late_ms > _LATE_MS for one in figures.open_loop):
            console.print(
                "Where `late` is large, the generator itself did not keep up: latency there is"
                " partly its own. It shares the cores with what it measures."
            )
    if figures.ratios:
        console.print(_ratios(figures))
    others = max((one.cores["others"] for one in figures.throughput), default=0.0)
    if others > 0.2:
        console.print(
            f"Something else used up to {others:.1f} cores meanwhile: trust ratios, not rates."
        )


def _throughput(figures: Figures) -> Table:
    table = Table(title="Closed loop: as fast as answers come")
    for name in ("", "what"):
        table.add_column(name)
    for name in ("per second", *_PERCENTILES, "errors", "core µs each"):
        table.add_column(name, justify="right")
    for name in _CORES:
        table.add_column(f"cores: {name}" if name == _CORES[0] else name, justify="right")
    for one in figures.throughput:
        table.add_row(
            one.key.split()[0],
            one.name,
            f"{one.rate:,.0f} {one.unit}",
            *_cells(one.latency),
            str(one.errors),
            f"{one.cost_us:,.1f}",
            *(f"{one.cores[name]:.2f}" if name in one.cores else "-" for name in _CORES),
        )
    return table


def _open_loop(figures: Figures) -> Table:
    table = Table(title="Open loop: latency from the time a request was due")
    table.add_column("")
    for name in ("share of maximum", "due per second", "answered", *_PERCENTILES):
        table.add_column(name, justify="right")
    for name in ("errors", "late ms (p99)"):
        table.add_column(name, justify="right")
    for one in figures.open_loop:
        table.add_row(
            one.name,
            f"{one.share:.0%}",
            f"{one.rate:,.0f}",
            f"{one.answered:,.0f}",
            *_cells(one.latency),
            str(one.errors),
            f"{one.late_ms:.1f}",
        )
    return table


def _ratios(figures: Figures) -> Table:
    table = Table(title="Ratios, all from this run")
    table.add_column("")
    table.add_column("ratio", justify="right")
    table.add_column("aim", justify="right")
    for one in figures.ratios:
        table.add_row(one.name, f"{one.value:.3g}", one.aim)
    return table


def _cells(latency: Latency | None) -> list[str]:
    return [f"{value:,.1f}" for value in latency] if latency else ["-"] * 4
