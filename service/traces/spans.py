"""What is told of the service's work, to become spans where a collector is set."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from service.traces.traceparent import Traceparent


class GroupSpan(msgspec.Struct, frozen=True, gc=False):
    """A group of requests that one transaction wrote; times in nanoseconds since 1970.

    `sent` are the spans of their clients. Where it failed, `error` is the class of the error, and
    `sqlstate` PostgreSQL's code if it has one; whether it was stored may be unknown then.
    """

    line: str
    sent: Sequence[Traceparent | None]
    readings: int
    duplicates: int
    refused: int
    error: str
    sqlstate: str
    began: int
    ended: int


class RequestSpan(msgspec.Struct, frozen=True, gc=False):
    """A request that was answered at `ended`; `route` is its path with names in place of ids."""

    method: str
    route: str
    status: int
    request_id: str
    parent: Traceparent | None
    began: int
    ended: int
