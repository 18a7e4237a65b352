"""Destination of readings: what the intake puts them into, be it the database or a buffer."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from service.http.problem import Fault
from service.ingest.counts import IngestCounts
from service.ingest.line import Told
from service.ingest.quarantine import Quarantined
from service.traces.traceparent import Traceparent
from service.wire import Batch


class NotQueued(Fault):
    """Nothing of a request was stored, or will be: it is to be sent again."""


class Destination(Protocol):
    """Takes batches, and tells of each when it is safe."""

    counts: IngestCounts

    @property
    def connected(self) -> bool:
        """Whether readings can be taken now."""
        ...

    async def start(self) -> None:
        """Start; return when it can take readings, or cannot yet."""
        ...

    async def stop(self) -> None:
        """Bring what waits to an end, then end."""
        ...

    def admit(self, size_bytes: int, readings: int = 1) -> None:
        """Raise NotQueued or DatabaseUnavailable where so much could not be queued now."""
        ...

    def queue(
        self,
        batch: Batch,
        size_bytes: int,
        tell: Callable[[Told], None],
        trace: Traceparent | None = None,
        *,
        key_id: str | None = None,
    ) -> None:
        """Queue a batch that came with a key; `tell` is called once, with what became of it.

        `trace`: the span of whoever sent it.

        Raises NotQueued and DatabaseUnavailable where the batch is not even queued.
        """
        ...

    def sample(self) -> None:
        """Note for the metrics what waits now."""
        ...

    async def keep(self, refused: list[Quarantined], key_id: str | None) -> dict[int, str]:
        """Keep what was refused; return what else to tell of it, by its place.

        Raises NotQueued, DatabaseUnavailable, RuleViolation.
        """
        ...
