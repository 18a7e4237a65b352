"""Meters and vehicles are treated alike: their definitions differ where a measurement is named."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.packaging.definitions import Statement, created, statements
from tests.packaging.places import ROOT, SQL

# a line with any of these is about one side's measurements
MEASUREMENT = re.compile(
    r"(?<![a-z])(?:voltages?|socs?|battery_temps?|state of charge|battery temperatures?)(?![a-z])",
    re.IGNORECASE,
)
# what each side is called, and what its energy is
NAMES = [
    ("DC energy that reached the battery", "AC energy drawn from the grid"),
    ("DC energy", "AC energy"),
    ("smart meter", "meter"),
    ("vehicle", "meter"),
]
# what is about both sides at once, or about vehicles alone
SINGLE = re.compile(
    r"charging|link|fleet|performance|efficiency|count_discarded|judged_session"
    r"|tariff|priced_part|exchange_meter"
    r"|exchange_meter"
    r"|alert|evidence|standby_day|silent_meters|sound_meters|mirrored_meter"
    r"|bi\.(?:vehicle|meter)(?:\.|$)"
)


def renamed(text: str) -> str:
    """The same text of a meter."""
    for vehicles, meters in NAMES:
        text = text.replace(vehicles, meters)
    return text


def bare(statement: Statement) -> str:
    """Its text without comments before it, which may be about the whole file."""
    return re.sub(r"\A(?:--[^\n]*\s+)+", "", statement.text)


def lines(text: str) -> list[str]:
    """The lines that name no measurement; how they are parted from the next does not matter."""
    return [
        line.strip().rstrip(",")
        for line in renamed(text).splitlines()
        if not MEASUREMENT.search(line)
    ]


def named(path: Path) -> dict[str, Statement]:
    """What a file defines and comments on, by what it is and its name."""
    return {
        f"{s.verb} {s.kind} {s.name}": s
        for s in statements(path.read_text(encoding="utf-8"))
        if s.verb and not MEASUREMENT.search(s.name)
    }


EVERYTHING = {
    key: statement for path in sorted(SQL.rglob("*.sql")) for key, statement in named(path).items()
}
VEHICLES = [
    key for key in EVERYTHING if "vehicle" in key.rpartition(" ")[2] and not SINGLE.search(key)
]
FILES = [path for path in sorted(SQL.rglob("*.sql")) if "vehicle" in path.name]


@pytest.mark.parametrize("key", VEHICLES)
def test_a_vehicles_definition_is_the_meters_but_for_measurements(key: str):
    texts = [bare(EVERYTHING[key]), bare(EVERYTHING[renamed(key)])]
    if EVERYTHING[key].verb == "CREATE" or not any(map(MEASUREMENT.search, texts)):
        vehicles, meters = map(lines, texts)
        assert vehicles == meters


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_a_vehicles_file_is_the_meters_but_for_measurements(path: Path):
    files = (path, path.with_name(renamed(path.name)))
    vehicles, meters = ([line for s in created(file) for line in lines(s.text)] for file in files)
    assert vehicles == meters


def test_no_meters_definition_is_without_its_twin():
    meters = {
        key for key in EVERYTHING if "meter" in key.rpartition(" ")[2] and not SINGLE.search(key)
    }
    assert len(VEHICLES) > 40
    assert {renamed(key) for key in VEHICLES} == meters


def test_a_difference_is_found():
    meter = "SELECT a.meter_id,\n    min(a.voltage_mv),\n    sum(a.energy_mwh)\n"
    vehicle = "SELECT a.vehicle_id,\n    min(a.soc_mpct),\n    max(a.battery_temp_mc),\n{}\n"
    assert lines(vehicle.format("    sum(a.energy_mwh)")) == lines(meter)
    assert lines(vehicle.format("    max(a.energy_mwh)")) != lines(meter)
