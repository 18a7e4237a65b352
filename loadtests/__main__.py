"""Commands of the load tests: `just measure` lists them, `just measure NAME` runs one."""

from __future__ import annotations

import ast
import runpy
import sys
from pathlib import Path

from rich.console import Console
from rich.table import Table

_FOLDER = Path(__file__).parent


def commands() -> dict[str, Path]:
    """The module of each command, by its name."""
    alone = {path.stem: path for path in _FOLDER.glob("*.py") if not path.name.startswith("_")}
    return alone | {path.parent.name: path for path in _FOLDER.glob("*/__main__.py")}


def main(arguments: list[str]) -> None:
    """Run the command that the first argument names, or list all."""
    found = commands()
    if not arguments or arguments[0] not in found:
        _list(found)
        sys.exit(0 if not arguments or arguments[0] in ("-h", "--help") else 2)
    name = sys.argv[0] = arguments[0]
    sys.argv[1:] = arguments[1:]
    runpy.run_module(f"loadtests.{name}", run_name="__main__", alter_sys=True)


def _list(found: dict[str, Path]) -> None:
    table = Table("command", "what it measures", box=None)
    for name in sorted(found):
        docstring = ast.get_docstring(ast.parse(found[name].read_text())) or ""
        table.add_row(name, docstring.partition("\n")[0])
    console = Console()
    console.print(table)
    console.print("`just measure COMMAND --help` says more of each.", markup=False)


if __name__ == "__main__":
    main(sys.argv[1:])
