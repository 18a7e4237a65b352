"""Table of rules in docs/development.md: each file that it names defines what it says."""

from __future__ import annotations

import re

import pytest

from tests.packaging.definitions import created
from tests.packaging.places import ROOT, SQL

HEADING = "## Where each rule is"
PAGE = (ROOT / "docs" / "development.md").read_text(encoding="utf-8")
ROW = re.compile(r"^\| [^|]+ \| (?P<names>`[^|]+`) \| `(?P<file>[^|`]+)` \|$", re.MULTILINE)
RULES = [
    (name, found["file"])
    for found in ROW.finditer(PAGE.partition(HEADING)[2].partition("\n## ")[0])
    for name in re.findall(r"`([^`]+)`", found["names"])
]
# what serves all rules and is none: the planner, places in lists, TimescaleDB's catalogue
SERVING = {"statistics.sql", "places.sql", "timescaledb.sql"}


def defined(file: str) -> set[str]:
    """What a file makes: relations and functions by their full names, constraints by their own."""
    path = ROOT / file
    constraints = re.findall(r"\bCONSTRAINT (\w+) (?:CHECK|EXCLUDE)", path.read_text("utf-8"))
    return {found.name for found in created(path)} | set(constraints)


@pytest.mark.parametrize(("name", "file"), RULES)
def test_a_rule_is_in_the_file_that_the_table_names(name: str, file: str):
    assert name in defined(file)


def test_a_rule_is_defined_in_one_place():
    names = [name for name, _ in RULES]
    assert len(names) > 60
    assert sorted(names) == sorted(set(names))


def test_no_row_of_the_table_is_passed_over():
    section = PAGE.partition(HEADING)[2].partition("\n## ")[0]
    rows = [line for line in section.splitlines() if line.startswith("| ")]
    headings = [line for line in rows if line.endswith("| | |") or line.startswith("| rule |")]
    separators = [line for line in rows if line.startswith("| ---")]
    assert len(rows) == len(headings) + len(separators) + len(ROW.findall(section))


def test_each_file_of_the_ledger_has_a_rule():
    listed = {file for _, file in RULES}
    ledger = {
        path.relative_to(ROOT).as_posix()
        for path in (SQL / "ledger").glob("*.sql")
        if path.name not in SERVING
    }
    assert ledger - listed == set()


def test_energy_is_turned_into_kwh_in_one_place():
    # of energy alone: moments in microseconds are multiplied by a million too
    formula = re.compile(r"\* 0\.000001|/ 1000000|1e-?6|(?:kwh|mwh)\)? \* 1000000", re.IGNORECASE)
    found = {
        path.name for path in SQL.rglob("*.sql") if formula.search(path.read_text(encoding="utf-8"))
    }
    assert found == {"units.sql"}


def test_newest_wins_in_one_wording():
    compared = re.compile(r"(?:excluded|\b\w)\.(?:ts|last_reading_at) > \w+\.ts\b")
    found = {
        path.name
        for path in SQL.rglob("*.sql")
        if compared.search(path.read_text(encoding="utf-8"))
    }
    assert found == set()
