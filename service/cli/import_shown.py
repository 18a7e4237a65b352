"""What `wattledger import` shows: a bar on a terminal, a line now and then elsewhere, totals."""

from __future__ import annotations

import time
from collections.abc import Sequence
from types import TracebackType
from typing import Self

import click
from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    SpinnerColumn,
    TaskProgressColumn,
    TextColumn,
    TimeRemainingColumn,
)
from rich.status import Status

from service.importing.history import LeftOut
from service.importing.running import Import, Told
from service.importing.source import Source

# between two lines where nobody looks at a bar
_SECONDS = 10.0
# devices that are named one by one
_MOST_NAMED = 10


class Shown:
    """Progress of one file, on standard error."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._console = Console(stderr=True)
        self._began = self._told_at = time.monotonic()
        self._first: int | None = None
        self._progress = Progress(
            SpinnerColumn(),
            TextColumn("{task.description}"),
            BarColumn(),
            DownloadColumn(),
            TaskProgressColumn(),
            TextColumn("{task.fields[rate]}"),
            TimeRemainingColumn(),
            console=self._console,
            disable=not self._console.is_terminal,
        )
        self._task = self._progress.add_task(source.name, total=source.size, rate="")

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._progress.stop()

    def tell(self, told: Told) -> None:
        """Show how far it got."""
        now = time.monotonic()
        read = told.totals.read
        if self._first is None:
            # what was stored before it was stopped is no work of this time
            self._first = read
            self._began = now
        rate = (read - self._first) / max(now - self._began, 0.001)
        shown = f"{rate:,.0f} rows/s" if read > self._first else ""
        self._progress.update(self._task, completed=told.bytes_read, rate=shown)
        if not self._console.is_terminal and now - self._told_at >= _SECONDS:
            self._told_at = now
            of = f" of {self._source.size:,}" if self._source.size is not None else ""
            click.echo(
                f"{self._source.name}: {read:,} records, {told.bytes_read:,}{of} bytes, {shown}",
                err=True,
            )


def status(text: str) -> Status:
    """A status that may be updated; nothing where nobody looks."""
    return Console(stderr=True).status(text)


def echo_totals(name: str, running: Import, *, dry: bool) -> None:
    """Print what became of a file's records, and where the refused ones are."""
    totals = running.totals
    parts = [
        f"{totals.read:,} read",
        f"{totals.stored:,} {'would be stored' if dry else 'stored'}",
        f"{totals.duplicates:,} there already",
    ]
    if totals.links:
        parts.append(f"{totals.links:,} linked")
    click.echo(f"{name}: {', '.join(parts)}")
    if totals.refused:
        reasons = ", ".join(f"{count:,} {why}" for why, count in sorted(totals.refused.items()))
        click.echo(f"{name}: refused: {reasons}; they are in {running.refusals.path}")


def echo_left_out(name: str, left_out: Sequence[LeftOut]) -> None:
    """Print whose history was not taken, and why."""
    for one in left_out[:_MOST_NAMED]:
        click.echo(f"{name}: {one.device}: {one.readings:,} readings left out: {one.why}")
    if (more := len(left_out) - _MOST_NAMED) > 0:
        click.echo(f"{name}: and {more:,} more devices: ops.history_devices has all of them")
