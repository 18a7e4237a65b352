"""Heads of requests to ingest readings: what they say, and which are of the usual kind."""

from __future__ import annotations

from functools import lru_cache

import httptools
import msgspec
from msgspec import structs

from service.http.body import BodyRules, announced
from service.http.problem import Fault
from service.keys.credential import Credential, credential
from service.recent import Recent
from service.traces import traceparent
from service.traces.traceparent import Traceparent

# headers that ask for what the lane does not do
_UNUSUAL = frozenset({b"content-encoding", b"transfer-encoding", b"expect", b"upgrade"})
# a device with a key of its own has a head of its own
_MOST_KNOWN = 10_000
_LONGEST_KNOWN = 2_000
_TRACEPARENT = b"\r\n%s: " % traceparent.NAME


class Head(msgspec.Struct, frozen=True, gc=False):
    """What the head of a usual request says."""

    media_type: str
    length: int
    given_id: bytes | None
    credential: Credential | None
    trace: Traceparent | None


class _Headers:
    """Takes the headers of one request from the parser."""

    def __init__(self) -> None:
        self.complete = False
        self.all: list[tuple[bytes, bytes]] = []

    def on_header(self, name: bytes, value: bytes) -> None:
        """The parser's callback."""
        self.all.append((name.lower(), value))

    def on_headers_complete(self) -> None:
        """The parser's callback."""
        self.complete = True


def _parsed(head: bytes, bodies: BodyRules) -> Head | None:
    """What a head says; None where the request is not of the usual kind."""
    headers = _Headers()
    try:
        httptools.HttpRequestParser(headers).feed_data(head)
    except (httptools.HttpParserError, httptools.HttpParserUpgrade):
        return None
    if not headers.complete:
        return None
    given_id = None
    key = None
    for name, value in headers.all:
        if name == b"x-request-id":
            given_id = given_id or value  # the first, as the front takes it
        elif name == b"authorization":
            if key is not None:
                return None
            key = credential(value)
        elif name in _UNUSUAL or (name == b"connection" and value.lower() != b"keep-alive"):
            return None
    try:
        body = announced(headers.all, bodies)
    except Fault:
        return None
    if not body.length:
        return None
    return Head(body.media_type, body.length, given_id, key, traceparent.sent(headers.all))


def _parted(head: bytes) -> tuple[bytes, Traceparent | None]:
    """A head without its valid traceparent, and that; all of it where it may mean something else.

    So it may where there are two of them, or where the line after it goes on with it.
    """
    before, mark, after = head.partition(_TRACEPARENT)
    if not mark:
        before, mark, after = head.partition(_TRACEPARENT.title())
    value, after = after[: traceparent.LENGTH], after[traceparent.LENGTH :]
    trace = traceparent.parsed(value)
    if trace is None or not after.startswith(b"\r\n") or after[2:3] in (b" ", b"\t"):
        return head, None
    rest = before + after
    return (head, None) if traceparent.NAME in rest.lower() else (rest, trace)


class Heads:
    """What was said by heads that came before: those of one client are all alike."""

    def __init__(self, bodies: BodyRules) -> None:
        self._bodies = bodies
        self._known: Recent[bytes, Head] = Recent(_MOST_KNOWN)

    def __len__(self) -> int:
        return len(self._known)

    def parsed(self, head: bytes) -> Head | None:
        """What a head says; None where the request is not of the usual kind."""
        known = self._known.used(head)
        if known is not None:
            return known
        # one with a span of its own does not come again, but what else it says does
        rest, trace = _parted(head)
        found = self._parsed(rest)
        return found if found is None or trace is None else structs.replace(found, trace=trace)

    def _parsed(self, head: bytes) -> Head | None:
        known = self._known.used(head)
        if known is not None:
            return known
        found = _parsed(head, self._bodies)
        # nor does one with an id of its own, or another form of the header
        if (
            found is not None
            and found.given_id is None
            and found.trace is None
            and len(head) <= _LONGEST_KNOWN
        ):
            self._known.put(head, found)
        return found


@lru_cache(maxsize=1)
def heads_of(bodies: BodyRules) -> Heads:
    """The heads known to this process."""
    return Heads(bodies)
