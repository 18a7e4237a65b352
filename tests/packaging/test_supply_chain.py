"""Everything that is installed is known by version and hash, and can be looked up and listed."""

import itertools
import json
import re
import subprocess
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.packaging.places import ROOT

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
EXTRAS = PROJECT["project"]["optional-dependencies"]
# which the quick start and the image do without
LARGE = ["parquet"]
RUNTIME = [
    *PROJECT["project"]["dependencies"],
    *itertools.chain(*(wanted for extra, wanted in EXTRAS.items() if extra not in LARGE)),
]
DEVELOPMENT = [
    *PROJECT["dependency-groups"]["dev"],
    *itertools.chain(*(EXTRAS[extra] for extra in LARGE)),
]
JUST = ROOT / ".venv/bin/just"

each_lock = pytest.mark.parametrize(
    ("name", "wanted"),
    [("requirements.lock", RUNTIME), ("requirements-dev.lock", [*RUNTIME, *DEVELOPMENT])],
)


def locked(name: str) -> list[tuple[str, Requirement, list[str]]]:
    """Each requirement of a lock file: its project's normalized name, itself, its hashes.

    A project stands there twice where versions of Python take different ones.
    """
    text = (ROOT / name).read_text(encoding="utf-8").replace("\\\n", " ")
    lines = [line for line in text.splitlines() if line.strip() and not line.startswith("#")]
    found: list[tuple[str, Requirement, list[str]]] = []
    for line in lines:
        first, *hashes = line.split("--hash=")
        requirement = Requirement(first)
        found.append(
            (canonicalize_name(requirement.name), requirement, [one.strip() for one in hashes])
        )
    return found


@each_lock
def test_every_requirement_is_one_version_with_hashes(name: str, wanted: list[str]):
    faulty = [
        project
        for project, requirement, hashes in locked(name)
        if not re.fullmatch(r"==[^=,*]+", str(requirement.specifier))
        or requirement.url is not None
        or not hashes
        or not all(re.fullmatch("sha256:[0-9a-f]{64}", one) for one in hashes)
    ]
    assert len(locked(name)) >= len(wanted)
    assert faulty == []


@each_lock
def test_what_the_project_asks_for_is_locked_at_a_version_that_it_allows(
    name: str, wanted: list[str]
):
    for requirement in map(Requirement, wanted):
        versions = [
            clause.version
            for project, chosen, _ in locked(name)
            if project == canonicalize_name(requirement.name)
            for clause in chosen.specifier
        ]
        assert versions, requirement
        assert all(map(requirement.specifier.contains, versions)), requirement


def test_what_the_service_needs_is_locked_alike_for_development():
    development = [
        (project, str(chosen.specifier)) for project, chosen, _ in locked("requirements-dev.lock")
    ]
    runtime = [
        (project, str(chosen.specifier)) for project, chosen, _ in locked("requirements.lock")
    ]
    assert [entry for entry in runtime if entry not in development] == []


def test_audit_looks_at_both_lock_files_and_passes_over_nothing():
    recipe = subprocess.run(
        [JUST, "--justfile", ROOT / "justfile", "--show", "audit"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    for part in ("requirements.lock", "requirements-dev.lock", "--strict", "--require-hashes"):
        assert part in recipe


@pytest.mark.slow
def test_bill_of_materials_lists_every_locked_package_and_its_hashes(tmp_path: Path):
    file = tmp_path / "bill.json"
    subprocess.run(
        [JUST, "--justfile", ROOT / "justfile", "sbom", file], capture_output=True, check=True
    )
    bill = json.loads(file.read_text(encoding="utf-8"))
    assert bill["bomFormat"] == "CycloneDX"
    assert bill["metadata"]["component"]["name"] == PROJECT["project"]["name"]
    listed = {
        canonicalize_name(component["name"]): (
            f"=={component['version']}",
            {
                entry["content"]
                for reference in component["externalReferences"]
                for entry in reference.get("hashes", [])
            },
        )
        for component in bill["components"]
    }
    assert listed == {
        project: (str(requirement.specifier), {one.removeprefix("sha256:") for one in hashes})
        for project, requirement, hashes in locked("requirements.lock")
    }
