"""How far an export is: a bar on a terminal, else a line now and then."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator
from contextlib import contextmanager

import click
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

from service.exports.history import History

# for logs
_EVERY_SECONDS = 10.0


@contextmanager
def shown(history: History) -> Generator[Callable[[], None]]:
    """What shows on standard error how far the export is, whenever it is called."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield _by_lines(history)
        return
    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn())
    with Progress(*columns, TimeRemainingColumn(), console=console, transient=True) as progress:
        task = progress.add_task("exporting", total=1.0)
        yield lambda: progress.update(
            task, completed=history.share, description=f"exporting: {history.rows:,} rows"
        )


def _by_lines(history: History) -> Callable[[], None]:
    told = time.monotonic()

    def tell() -> None:
        nonlocal told
        if time.monotonic() - told >= _EVERY_SECONDS:
            told = time.monotonic()
            click.echo(f"exporting: {history.rows:,} rows, {history.share:.0%}", err=True)

    return tell
