"""Command lines of the load tests: help that says what is asked, printed and needed."""

from __future__ import annotations

import argparse
from pathlib import Path

_ROOT = Path(__file__).parents[2]


class _Help(argparse.RawDescriptionHelpFormatter):
    """Paragraphs as they are written, and the default behind each option that has one."""

    def _get_help_string(self, action: argparse.Action) -> str:
        text = action.help or ""
        given = action.default
        if given in (None, False, argparse.SUPPRESS):
            return text
        if isinstance(given, float):
            return f"{text} [{given:.3g}]"
        return f"{text} [{given.relative_to(_ROOT) if isinstance(given, Path) else given}]"


def command_line(
    command: str, description: str | None, more: str | None = None
) -> argparse.ArgumentParser:
    """The parser of a command; `--help` says its module's docstring first, and `more` last."""
    return argparse.ArgumentParser(
        prog=command, description=description, epilog=more, formatter_class=_Help
    )
