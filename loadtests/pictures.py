"""Pictures of the simulated fleet: a week of a charger and of a vehicle, a day of all.

Draws what `wattledger demo` posts, as SVG, from the simulation alone: energy of each hour from the
grid and into the battery. Look whether you would take it for real. docs/demo.md shows it.
"""

from __future__ import annotations

import math
from datetime import UTC, datetime
from pathlib import Path

from loadtests.support.options import command_line
from service.demo import failing
from service.demo.plan import Plan
from service.demo.simulation import Simulation
from service.demo.truth import SessionTruth

_ROOT = Path(__file__).parents[1]
_WIDTH, _LEFT, _TOP, _HEIGHT, _GAP = 960, 60, 34, 130, 40
_GRID, _BATTERY, _FLEET = "#b4532a", "#1f6f8b", "#6b5b95"
_DAYS = ("Mo", "Tu", "We", "Th", "Fr", "Sa", "Su")


def main() -> None:
    """Simulate, and write the drawing."""
    parser = command_line("just measure pictures", __doc__)
    parser.add_argument("--seed", type=int, default=1, help="of the fleet")
    parser.add_argument("--output", type=Path, default=_ROOT / "docs/demo.svg", help="which file")
    options = parser.parse_args()
    # a Monday, in a month with warm and cold days
    plan = Plan(datetime(2026, 10, 26, tzinfo=UTC), options.seed, vehicles=200, days=14)
    simulation = Simulation(failing.with_three(plan))
    simulation.run()
    options.output.write_text(svg(simulation), encoding="utf-8")
    print(f"{options.output} is drawn")


def svg(simulation: Simulation) -> str:
    """Three panels, one below the other."""
    truth, first = simulation.truth, simulation.plan.first_minute // 60
    depot = simulation.fleet.sites_of("depot")[0]
    meter = simulation.fleet.sites[depot][-1].meter_id
    vehicle = next(
        name
        for name, one in simulation.fleet.vehicles.items()
        if one.habit == "home"
        and any(s.vehicle_id == name and "HPC" in s.meter_id for s in week_of(simulation))
    )
    drawn = truth.devices["meter", meter].hours
    stored = truth.devices["vehicle", vehicle].hours
    fleet = _power_of_day(truth.sessions, (first + 24) * 60)
    return _drawing(
        [
            (f"Charger {meter}: kWh from the grid, by hour", _GRID, _week(drawn, first), _DAYS),
            (
                f"Vehicle {vehicle}: kWh into the battery, by hour",
                _BATTERY,
                _week(stored, first),
                _DAYS,
            ),
            (
                "The whole fleet on Tuesday: kW from the grid, by quarter of an hour",
                _FLEET,
                fleet,
                tuple(f"{hour:02d}:00" for hour in range(0, 24, 3)),
            ),
        ]
    )


def week_of(simulation: Simulation) -> list[SessionTruth]:
    """The sessions of the first week."""
    start = simulation.plan.start
    return [one for one in simulation.truth.sessions if (one.since - start).days < 7]


def _week(hours: dict[int, int], first: int) -> list[float]:
    return [hours.get(hour, 0) / 1e6 for hour in range(first, first + 168)]


def _power_of_day(sessions: list[SessionTruth], first: int) -> list[float]:
    """Mean power of each quarter of an hour, a session's energy spread over its time."""
    kw = [0.0] * 96
    for one in sessions:
        since = int(one.since.timestamp()) // 60 - first
        until = int(one.energy_until.timestamp()) // 60 - first
        for minute in range(max(0, since), min(1440, until)):
            kw[minute // 15] += one.grid / 1e6 * 60 / (until - since) / 15
    return kw


def _drawing(panels: list[tuple[str, str, list[float], tuple[str, ...]]]) -> str:
    parts: list[str] = []
    y = 0
    for title, colour, values, labels in panels:
        parts += _panel(title, colour, values, labels, y)
        y += _TOP + _HEIGHT + _GAP
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {y}" width="{_WIDTH}"'
        ' font-family="system-ui, sans-serif" font-size="13">'
        f'<rect width="100%" height="100%" fill="#fff"/>{"".join(parts)}</svg>\n'
    )


def ticks_to(highest: float) -> list[float]:
    """Round numbers at equal steps from 0 to what is not below the highest: two to five of them."""
    size = 10.0 ** math.floor(math.log10(highest or 1))
    step = next(size * part for part in (0.25, 0.5, 1, 2.5) if size * part * 4 >= highest)
    return [step * number for number in range(math.ceil(highest / step) + 1)]


def _panel(
    title: str, colour: str, values: list[float], labels: tuple[str, ...], y: int
) -> list[str]:
    ticks, bottom = ticks_to(max(values)), y + _TOP + _HEIGHT
    highest = ticks[-1]
    step = (_WIDTH - _LEFT - 20) / len(values)
    parts = [f'<text x="10" y="{y + 20}" font-weight="bold">{title}</text>']
    for tick in ticks:
        at = bottom - _HEIGHT * tick / highest
        parts += [
            f'<line x1="{_LEFT}" x2="{_WIDTH - 20}" y1="{at}" y2="{at}" stroke="#ddd"/>',
            f'<text x="{_LEFT - 8}" y="{at + 4}" text-anchor="end">{tick:g}</text>',
        ]
    for place, value in enumerate(values):
        if value > highest / 1000:
            height = _HEIGHT * value / highest
            parts.append(
                f'<rect x="{_LEFT + place * step:.1f}" y="{bottom - height:.1f}"'
                f' width="{step * 0.86:.1f}" height="{height:.1f}" fill="{colour}"/>'
            )
    for place, label in enumerate(labels):
        x = _LEFT + (_WIDTH - _LEFT - 20) * place / len(labels)
        parts += [
            f'<line x1="{x:.1f}" x2="{x:.1f}" y1="{bottom}" y2="{bottom + 6}" stroke="#888"/>',
            f'<text x="{x + 4:.1f}" y="{bottom + 18}">{label}</text>',
        ]
    return parts


if __name__ == "__main__":
    main()
