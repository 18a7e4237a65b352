"""Commands and links of docs/runbooks.md: what is pasted exists, and what is clicked is there."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest
from click.testing import CliRunner

from service.cli import main
from tests.support.documents import DOCS
from tests.support.monitoring import RUNBOOKS

TEXT = RUNBOOKS.read_text(encoding="utf-8")
SHELL = re.findall(r"^```sh\n(.*?)^```", TEXT, re.MULTILINE | re.DOTALL)
COMMANDS = sorted(set(re.findall(r"(?:^\$? ?|`)wattledger ((?:[a-z]+\b ?)+)", TEXT, re.MULTILINE)))
UNITS = sorted(set(re.findall(r"\bwattledger(?:-[a-z]+)?\.(?:service|timer)\b", TEXT)))
LINKS = sorted(set(re.findall(r"\]\(([^)\s]+)\)", TEXT)))


def anchors(document: Path) -> set[str]:
    """Headings as addresses, the way that Git hosts make them."""
    headings = re.findall(r"^#+ (.*)$", document.read_text(encoding="utf-8"), re.MULTILINE)
    return {
        re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-") for heading in headings
    }


@pytest.mark.parametrize("block", SHELL)
def test_a_shell_can_read_what_is_to_be_pasted(block: str) -> None:
    done = subprocess.run(["sh", "-n"], input=block, text=True, capture_output=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_that_is_named_is_there(command: str) -> None:
    words = command.split()
    asked = CliRunner().invoke(main, [*words, "--help"])
    assert asked.exit_code == 0, asked.output


def test_units_that_are_named_are_there() -> None:
    assert UNITS
    assert [unit for unit in UNITS if not (DOCS / "systemd" / unit).is_file()] == []


@pytest.mark.parametrize("link", LINKS)
def test_a_link_leads_somewhere(link: str) -> None:
    path, _, anchor = link.partition("#")
    document = DOCS / path if path else RUNBOOKS
    assert document.exists()
    if anchor:
        assert anchor in anchors(document)
