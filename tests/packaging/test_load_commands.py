"""The load tests' commands can be found and say what they are for."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys

import pytest

from loadtests.__main__ import commands
from tests.packaging.places import ROOT

COMMANDS = commands()
# an option without a word of help behind it
SILENT = re.compile(r"^  (--?\S+)(?: [A-Z_]+)?(?:\s+\[.*)?\n(?=  -|\n|\Z)", re.MULTILINE)


def told(*arguments: str) -> str:
    # not in this process, which locust would change for good
    done = subprocess.run(
        [sys.executable, "-m", "loadtests", *arguments],
        cwd=ROOT,
        env={**os.environ, "COLUMNS": "100"},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert not done.returncode, done.stderr
    return done.stdout


@pytest.mark.parametrize("name", COMMANDS)
def test_the_help_of_a_command_says_what_it_does_and_each_option(name: str):
    text = told(name, "--help")
    docstring = ast.get_docstring(ast.parse(COMMANDS[name].read_text(encoding="utf-8"))) or ""
    assert docstring.count("\n") >= 2
    assert docstring in text
    _, title, options = text.partition("options:\n")
    assert title
    assert SILENT.findall(f"{options}\n") == []


def test_the_list_of_commands_has_every_one():
    text = told()
    assert {"benchmark", "chaos", "soak"} <= set(COMMANDS)
    assert [name for name in COMMANDS if not re.search(rf"^ {name} ", text, re.MULTILINE)] == []


def test_the_top_of_the_folder_has_commands_alone():
    others = {"support", "results", "out", "__init__", "__main__", "__pycache__"}
    names = {path.stem for path in (ROOT / "loadtests").iterdir()}
    assert names - others == set(COMMANDS)
