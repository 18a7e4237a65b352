"""Writing of groups, told to the traces."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Sequence
from time import time_ns
from typing import TYPE_CHECKING, Protocol

from service.ingest.store import Outcome
from service.traces.spans import GroupSpan
from service.traces.traceparent import Traceparent
from service.wire import Batch

if TYPE_CHECKING:
    from service.traces.tracing import Tracing


class _Sent(Protocol):
    """A batch, and the client's span that sent it."""

    @property
    def batch(self) -> Batch: ...
    @property
    def trace(self) -> Traceparent | None: ...


async def traced(
    traces: Tracing, line: str, group: Sequence[_Sent], writing: Awaitable[list[Outcome]]
) -> list[Outcome]:
    """Wait for the writing of a group, and tell the traces what it came to."""
    began = time_ns()
    outcomes: list[Outcome] = []
    # not the error itself, in whose traceback all of the group would live on
    error = state = ""
    try:
        outcomes = await writing
    except BaseException as failed:
        error, state = type(failed).__qualname__, getattr(failed, "sqlstate", None) or ""
        raise
    finally:
        span = GroupSpan(
            line=line,
            sent=[one.trace for one in group],
            readings=sum(one.batch.size for one in group),
            duplicates=sum(outcome.duplicates for outcome in outcomes),
            refused=sum(len(outcome.refused) for outcome in outcomes),
            error=error,
            sqlstate=state,
            began=began,
            ended=time_ns(),
        )
        # not now: the next group should be on its way to the database meanwhile
        asyncio.get_running_loop().call_soon(traces.take_group, span)
    return outcomes


async def alone(writing: Awaitable[Outcome]) -> list[Outcome]:
    """The outcome of a group that is one batch."""
    return [await writing]
