"""Numbers of telemetry.limits and telemetry.rules: the database's alone, and no copy in Python."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest

from tests.packaging.places import ROOT, SERVICE
from tests.support.http import meter, vehicle
from tests.support.readings import NOW, Connection

MINUTE = timedelta(minutes=1)
NAMES = {
    ("meter_reading", "energy_kwh"): "kwhConsumedAc",
    ("meter_reading", "register_kwh"): "kwhTotalAc",
    ("meter_reading", "voltage_v"): "voltage",
    ("vehicle_reading", "energy_kwh"): "kwhDeliveredDc",
    ("vehicle_reading", "register_kwh"): "kwhTotalDc",
    ("vehicle_reading", "soc_percent"): "soc",
    ("vehicle_reading", "battery_temp_c"): "batteryTemp",
}
# numbers that stand for so much else that finding one says nothing: the service is tried for these
COMMON = {0, 1, 2, 3, 5, 7, 60, 100, 1000, 0.05, 0.1, 0.15, 0.5}
# what means something else: how long a migration waits for a lock, a move for its turn; how long a
# connection is kept; the fleet that is simulated; how durations are counted
OTHERS = {
    ("service/migrate/patience.py", 300.0),
    ("service/demo/habits.py", 300),
    ("service/demo/habits.py", 0.85),
    ("service/demo/fleet.py", 150.0),
    # the truth is judged without asking the database that is judged by it
    ("service/demo/verdict.py", 0.85),
    ("service/demo/verdict.py", 0.75),
    ("service/demo/failing.py", 0.75),
    ("service/demo/fleet.py", 2.3),
    ("service/migrate/move.py", "30 minutes"),
    ("service/database/pool.py", 1800),
    # bounds of durations, in seconds
    ("service/metrics/families.py", 0.75),
    ("service/metrics/families.py", 0.25),
}


@pytest.fixture
def limits(connection: Connection) -> dict[tuple[str, str], tuple[float, float]]:
    """Other bounds of every measurement, of which none reaches those of before."""
    connection.execute("UPDATE telemetry.limits SET minimum = maximum + 1, maximum = maximum + 10")
    rows = connection.execute("SELECT dataset, field, minimum, maximum FROM telemetry.limits")
    return {(row[0], row[1]): (row[2], row[3]) for row in rows}


def test_every_measurement_is_tried(limits: Any) -> None:
    assert set(limits) == set(NAMES)


@pytest.mark.parametrize("field", NAMES)
def test_a_measurement_is_bounded_by_what_the_database_says(
    client: Any, post: Any, limits: dict[tuple[str, str], tuple[float, float]], field: Any
) -> None:
    dataset, name = field[0], NAMES[field]
    make, kind, difference, register = (
        (meter, "meters", "kwhConsumedAc", "kwhTotalAc")
        if dataset == "meter_reading"
        else (vehicle, "vehicles", "kwhDeliveredDc", "kwhTotalDc")
    )
    within = {NAMES[key]: limits[key][0] for key in NAMES if key[0] == dataset}
    del within[difference if name == register else register]
    lowest, highest = limits[field]

    def a_reading(device: str, value: float) -> dict[str, Any]:
        reading = make(device, **{**within, name: value})
        return {
            key: given
            for key, given in reading.items()
            if key in within or key not in NAMES.values()
        }

    # the first of each device, for which no power is implausible
    for device, value in (("lowest", lowest), ("highest", highest)):
        assert post(a_reading(device, value)).status_code == 201
        state = client.get(f"/v1/{kind}/{device}").json()
        assert state["registerKwh" if name == register else name] == value
    for value in (lowest - 1, highest + 1):
        answer = post(a_reading("beyond", value))
        assert answer.json()["rejected"][0]["reason"] == "out_of_range"
        assert "allowed is" in answer.json()["detail"]


@pytest.mark.parametrize(
    ("rules", "status"),
    [
        ({"degraded_below": 0.3}, "healthy"),
        ({"degraded_below": 0.6}, "degraded"),
        ({"sufficient_energy_kwh": 30}, "insufficient"),
        ({"sufficient_coverage": 0.9}, "insufficient"),
        # what flowed in the first and the last ten minutes is not known to be matched
        ({"sufficient_coverage": 0.6}, "degraded"),
        ({"greatest_uncertainty": 0.01}, "insufficient"),
    ],
)
def test_charging_is_judged_by_what_the_database_says(
    client: Any, post: Any, connection: Connection, rules: dict[str, Any], status: str
) -> None:
    # half of the energy is lost, in a reading each ten minutes of an hour
    told = {"sufficient_energy_kwh": 1, "sufficient_coverage": 0, "degraded_below": 0.6, **rules}
    for name, value in told.items():
        connection.execute(f"UPDATE telemetry.rules SET {name} = %s", [value])
    client.put("/v1/links/V-1", json={"meterId": "M-1"})
    # at noon: at midnight each day has too few readings to tell how often they come
    noon = NOW.replace(hour=12, minute=0) - timedelta(days=1)
    times = [noon - 10 * n * MINUTE for n in range(6)]
    sent = [meter(ts=ts, kwhConsumedAc=4) for ts in times]
    sent += [vehicle(ts=ts, kwhDeliveredDc=2) for ts in times]
    assert post(sent).status_code == 201
    window = {"from": (noon - 59 * MINUTE).isoformat(), "to": (noon + MINUTE).isoformat()}
    answer = client.get("/v1/analytics/performance/V-1", params=window).json()
    assert (answer["efficiency"], answer["status"]) == (0.5, status)


def test_the_future_begins_when_the_database_says(
    client: Any, post: Any, connection: Connection
) -> None:
    ahead = NOW + timedelta(hours=2)
    assert post(meter(ts=ahead)).json()["rejected"][0]["reason"] == "future"
    connection.execute("UPDATE telemetry.rules SET clock_skew = '3 hours'")
    assert post(meter("M-2", ahead)).status_code == 201


def spoken(value: timedelta) -> Iterator[str]:
    """A span of time in words, as far as it is whole."""
    for unit, span in (("day", 86_400), ("hour", 3_600), ("minute", 60)):
        count, rest = divmod(value.total_seconds(), span)
        if count and not rest:
            yield f"{count:.0f} {unit}{'s' if count > 1 else ''}"


def numbers(shared_database_url: str) -> set[float | str]:
    """What must not be in Python: the numbers of both tables, times in seconds and in words."""
    with psycopg.connect(shared_database_url) as connection:
        rows = connection.execute("SELECT minimum, maximum FROM telemetry.limits").fetchall()
        rows += connection.execute("SELECT * FROM telemetry.rules").fetchall()
    found: set[float | str] = set()
    for value in (value for row in rows for value in row if not isinstance(value, bool)):
        if isinstance(value, timedelta):
            found |= {value.total_seconds(), *spoken(value)}
        else:
            found.add(float(value))
    return found - COMMON


def constants(file: Path) -> Iterator[float | str]:
    """The numbers and texts in a module; a product or a negative number as what it comes to."""
    arithmetic = (ast.Constant, ast.UnaryOp, ast.BinOp, ast.unaryop, ast.operator)
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.expr) and all(
            isinstance(one, arithmetic) for one in ast.walk(node)
        ):
            value = eval(compile(ast.Expression(node), file, "eval"))  # noqa: S307  constants alone
            if isinstance(value, int | float | str) and not isinstance(value, bool):
                yield value


def test_no_module_repeats_a_number_of_the_database(shared_database_url: str) -> None:
    forbidden = numbers(shared_database_url)
    assert {150.0, -60.0, 0.85, 300.0, "5 minutes", "1 minute"} <= forbidden
    texts = [one if isinstance(one, str) else f"{one:g}" for one in forbidden]
    words = re.compile(rf"(?<![\w.])(?:{'|'.join(map(re.escape, texts))})(?![\w.])")
    repeated: set[tuple[str, float | str]] = set()
    for file in SERVICE.rglob("*.py"):
        name = file.relative_to(ROOT).as_posix()
        for value in constants(file):
            if isinstance(value, str):
                repeated |= {(name, text) for text in words.findall(value)}
            elif value in forbidden:
                repeated.add((name, value))
    assert repeated - OTHERS == set()
