"""The contract between a service and the functions of api cannot change without its number."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from service.migrate.fitness import CONTRACT
from tests.support.contract import broken, listing
from tests.support.readings import Connection

# one listing per contract that is still kept
CONTRACTS = Path(__file__).with_name("contracts")

CHANGED = """
The functions of api are not those of contract {number}: {names} differ.

If a version with contract {number} has been released: raise `contract` in
sql/api/installed_version.sql and CONTRACT in service/migrate/fitness.py, and `oldest_contract` too
unless a service of the earlier contracts can work with the change. Then keep the new listing:

    cp {written} {kept}
"""


def numbers(db: Connection) -> tuple[int, int]:
    row = db.execute(
        "SELECT i.oldest_contract, i.contract FROM api.installed_version() AS i"
    ).fetchone()
    assert row is not None
    return row


def test_functions_of_api_are_those_of_the_contract(db: Connection, tmp_path: Path) -> None:
    _, number = numbers(db)
    kept = CONTRACTS / f"{number}.json"
    written = tmp_path / kept.name
    now = listing(db)
    written.write_text(json.dumps(now, indent=4) + "\n")
    then = json.loads(kept.read_text()) if kept.is_file() else {}
    names = [name for name in {**then, **now} if then.get(name) != now.get(name)]
    told = CHANGED.format(number=number, names=", ".join(names), written=written, kept=kept)
    assert names == [], told


def test_every_contract_that_is_said_to_be_kept_is_kept(db: Connection) -> None:
    oldest, number = numbers(db)
    listed = sorted(int(file.stem) for file in CONTRACTS.iterdir())
    # those before are of no use any more, and can go
    assert listed == list(range(oldest, number + 1))
    now = listing(db)
    kept = {n: json.loads((CONTRACTS / f"{n}.json").read_text()) for n in listed}
    lost = {n: names for n, then in kept.items() if (names := broken(then, now))}
    assert lost == {}, "raise oldest_contract beyond these"


def test_the_service_has_the_contract_of_the_definitions_that_it_ships(db: Connection) -> None:
    assert numbers(db)[1] == CONTRACT


CALLED = {"takes": ["a text"], "may take": ["b integer"], "returns": ["c text", "d date"]}


@pytest.mark.parametrize(
    ("change", "is_kept"),
    [
        ({}, True),
        ({"may take": ["b integer", "more text"]}, True),
        ({"takes": [], "may take": ["a text", "b integer"]}, True),
        ({"takes": ["a text", "more text"]}, False),
        ({"takes": ["a text", "b integer"], "may take": []}, False),
        ({"takes": ["renamed text"]}, False),
        ({"takes": ["a bytea"]}, False),
        ({"may take": []}, False),
        ({"returns": ["c text"]}, False),
        ({"returns": ["c text", "d date", "more text"]}, False),
        ({"returns": ["c text", "d text"]}, False),
        ({"returns": "boolean"}, False),
    ],
)
def test_a_change_that_would_fail_an_earlier_service_is_told_from_one_that_would_not(
    change: dict[str, Any], is_kept: bool
) -> None:
    now = {"called": {**CALLED, **change}, "new": CALLED}
    assert broken({"called": CALLED}, now) == ([] if is_kept else ["called"])
    assert broken({"called": CALLED}, {"new": CALLED}) == ["called"]
