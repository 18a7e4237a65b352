"""Units of docs/systemd/, judged by the real systemd-analyze."""

from __future__ import annotations

import configparser
import subprocess
from pathlib import Path

import pytest

from service.http.server import STOP_SECONDS
from tests.support.documents import DOCS
from tests.support.process import COMMAND
from tests.support.systemd import analyzers

FOLDER = DOCS / "systemd"
UNITS = sorted(path.name for path in FOLDER.iterdir())
SERVICES = [name for name in UNITS if name.endswith(".service")]
PROGRAM = "/opt/wattledger/bin/wattledger"
# tenths, of ten: systemd calls up to two "OK" and a unit without any protection 9.6 "UNSAFE"
EXPOSURE = 20


class Unit(configparser.RawConfigParser):
    """A unit file; of settings that may be repeated it has the last."""

    def __init__(self, name: str) -> None:
        super().__init__(delimiters="=", comment_prefixes=("#", ";"), strict=False)
        self.read_string((FOLDER / name).read_text(encoding="utf-8"))

    def optionxform(self, optionstr: str) -> str:
        return optionstr


@pytest.fixture
def installed(tmp_path: Path) -> Path:
    """The units, with the command that is installed here."""
    for name in UNITS:
        text = (FOLDER / name).read_text(encoding="utf-8")
        (tmp_path / name).write_text(text.replace(PROGRAM, str(COMMAND)))
    return tmp_path


def test_systemd_finds_nothing_wrong_with_the_units(installed: Path) -> None:
    for analyzer in analyzers():
        done = analyzer(installed, "verify", "--man=no", *sorted(installed.iterdir()))
        assert (done.returncode, done.stderr) == (0, "")


def test_systemd_would_find_a_misspelt_line(installed: Path) -> None:
    unit = installed / "wattledger.service"
    unit.write_text(unit.read_text().replace("Restart=always", "Restrat=always"))
    for analyzer in analyzers():
        assert "Restrat" in analyzer(installed, "verify", "--man=no", unit).stderr


@pytest.mark.parametrize("name", SERVICES)
def test_a_unit_exposes_little_of_the_machine(installed: Path, name: str) -> None:
    for analyzer in analyzers():
        arguments = ("security", "--offline=true", f"--threshold={EXPOSURE}", installed / name)
        done = analyzer(installed, *arguments)
        assert done.returncode == 0, done.stdout[-300:]
        assert "Overall exposure level" in done.stdout


@pytest.mark.parametrize("name", SERVICES)
def test_a_unit_runs_a_command_that_there_is(name: str) -> None:
    program, *arguments = Unit(name)["Service"]["ExecStart"].split()
    assert program == PROGRAM
    done = subprocess.run([COMMAND, *arguments, "--help"], capture_output=True, check=False)
    assert done.returncode == 0


@pytest.mark.parametrize("name", SERVICES)
def test_all_units_are_protected_alike_and_read_secrets_from_files(name: str) -> None:
    section, first = Unit(name)["Service"], Unit(SERVICES[0])["Service"]
    protection = list(first)[list(first).index("DynamicUser") :]
    assert len(protection) > 20
    assert [(key, section[key]) for key in protection] == [(key, first[key]) for key in protection]
    assert section["EnvironmentFile"].startswith("/etc/wattledger/")
    assert "Environment" not in section


def test_the_service_has_time_to_write_what_is_queued_and_comes_back() -> None:
    unit = Unit("wattledger.service")
    assert int(unit["Service"]["TimeoutStopSec"]) >= STOP_SECONDS + 15
    # the supervisor hands the signal on; workers that got it as well would leave it nothing to do
    assert unit["Service"]["KillMode"] == "mixed"
    assert unit["Service"]["Restart"] == "always"
    assert unit["Unit"]["StartLimitIntervalSec"] == "0"
    assert int(unit["Service"]["LimitNOFILE"]) > 10_000


def test_the_guide_installs_every_unit() -> None:
    guide = (DOCS / "operations.md").read_text(encoding="utf-8")
    section = guide.partition("\n## With systemd\n")[2].partition("\n## ")[0]
    for name in UNITS:
        assert name.removesuffix(".service") in section
    assert "docs/systemd/*" in section
    for file in {Unit(name)["Service"]["EnvironmentFile"] for name in SERVICES}:
        assert file in section
    for block in section.split("```sh\n")[1:]:
        # read, and not run
        subprocess.run(["sh", "-n"], input=block.partition("```")[0], text=True, check=True)
