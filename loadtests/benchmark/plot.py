"""Plot of a run's figures as one SVG, alone and in a page of its own."""

from __future__ import annotations

import math
from collections.abc import Iterable
from html import escape

from loadtests.benchmark.figures import Figures, OpenLoop, Throughput

_WIDTH = 900
_BAR = 20
_LEFT = 330
_COLOURS = {"a": "#b4532a", "b": "#8a8f98", "c": "#1f6f8b", "d": "#2a9d6f", "e": "#6b5b95"}
_DASHES = {0.1: "2 4", 0.5: "7 4", 0.9: ""}


def svg(figures: Figures) -> str:
    """Bars of throughput, then curves of latency percentiles, one below the other."""
    parts: list[str] = []
    y = 10.0
    singles = [one for one in figures.throughput if one.unit == "requests"]
    batches = [one for one in figures.throughput if one.unit != "requests"]
    for title, group in (("Requests per second", singles), ("Readings per second", batches)):
        if group:
            drawn, y = _bars(title, group, y)
            parts += drawn
    if figures.open_loop:
        drawn, y = _curves(figures.open_loop, y)
        parts += drawn
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {y:.0f}" width="{_WIDTH}"'
        ' font-family="system-ui, sans-serif" font-size="13">'
        f'<rect width="100%" height="100%" fill="#fff"/>{"".join(parts)}</svg>\n'
    )


def page(figures: Figures) -> str:
    """The plot with its command and machine, as HTML that needs nothing else."""
    machine = ", ".join(f"{name}: {value}" for name, value in figures.machine.items())
    return (
        '<!doctype html><html lang="en"><meta charset="utf-8"><title>Wattledger benchmark</title>'
        f"<body><p><code>{escape(figures.command)}</code> · {escape(figures.began)} ·"
        f" {escape(machine)}</p>{svg(figures)}</body></html>\n"
    )


def _text(x: float, y: float, text: str, more: str = "") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" {more}>{escape(text)}</text>'


def _bars(title: str, group: list[Throughput], y: float) -> tuple[list[str], float]:
    parts = [_text(10, y + 18, title, 'font-weight="bold"')]
    y += 30
    longest = max(one.rate for one in group)
    for one in group:
        width = (_WIDTH - _LEFT - 100) * one.rate / longest
        parts += [
            _text(_LEFT - 8, y + 14, one.name, 'text-anchor="end"'),
            f'<rect x="{_LEFT}" y="{y}" width="{width:.1f}" height="{_BAR - 4}"'
            f' fill="{_COLOURS[one.key[0]]}"/>',
            _text(_LEFT + width + 6, y + 14, f"{one.rate:,.0f}"),
        ]
        y += _BAR
    return parts, y + 14


def _curves(runs: list[OpenLoop], y: float) -> tuple[list[str], float]:
    parts = [_text(10, y + 18, "Latency under a fixed arrival rate", 'font-weight="bold"')]
    top, bottom = y + 40, y + 340
    lowest, highest = _decades(value for one in runs for value in one.latency)
    right = _WIDTH - 250

    def height(value: float) -> float:
        share = (math.log10(value) - lowest) / (highest - lowest)
        return bottom - share * (bottom - top)

    for decade in range(lowest, highest + 1):
        at = height(10**decade)
        parts += [
            f'<line x1="80" x2="{right}" y1="{at:.1f}" y2="{at:.1f}" stroke="#ddd"/>',
            _text(72, at + 4, f"{10**decade:g} ms", 'text-anchor="end"'),
        ]
    places = [80 + (right - 80) * step / 3 for step in range(4)]
    for x, name in zip(places, ("p50", "p95", "p99", "p99.9"), strict=True):
        parts.append(_text(x, bottom + 20, name, 'text-anchor="middle"'))
    for row, one in enumerate(runs):
        points = " ".join(
            f"{x:.1f},{height(value):.1f}" for x, value in zip(places, one.latency, strict=True)
        )
        stroke = (
            f'stroke="{_COLOURS[one.name]}" stroke-width="2"'
            f' stroke-dasharray="{_DASHES.get(one.share, "")}"'
        )
        at = top + row * 20
        parts += [
            f'<polyline points="{points}" fill="none" {stroke}/>',
            f'<line x1="{right + 30}" x2="{right + 66}" y1="{at}" y2="{at}" {stroke}/>',
            _text(right + 74, at + 4, f"{one.name} at {one.share:.0%}: {one.rate:,.0f}/s"),
        ]
    return parts, bottom + 40


def _decades(values: Iterable[float]) -> tuple[int, int]:
    """The powers of ten around some values."""
    known = [value for value in values if value > 0]
    lowest, highest = math.floor(math.log10(min(known))), math.ceil(math.log10(max(known)))
    return lowest, max(highest, lowest + 1)
