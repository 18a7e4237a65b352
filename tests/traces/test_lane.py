"""Heads in the lane: a traceparent is found in each, and what else they say is remembered."""

from __future__ import annotations

import httptools
from hypothesis import given
from hypothesis import strategies as st

from service.http.body import BodyRules
from service.ingest.fast.head import Heads
from service.traces.traceparent import Traceparent, sent
from service.wire import MEDIA_TYPES
from tests.support.examples import examples

BODIES = BodyRules(MEDIA_TYPES, 1_000)
FIRST = "POST /v1/ingest HTTP/1.1"
TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"

VALUES = st.builds(
    "{}-{}-{:016x}-01{}".format,
    st.sampled_from(["00", "00", "00", "01", "ff"]),
    st.sampled_from([TRACE, TRACE, TRACE.upper(), "0" * 32]),
    st.integers(0, 3),
    st.sampled_from(["", "", "", " ", "-more", "\t"]),
)
LINES = st.one_of(
    st.builds(
        "{}:{}{}".format,
        st.sampled_from(["traceparent", "Traceparent", "TRACEPARENT", "x-traceparent"]),
        st.sampled_from([" ", " ", " ", "", "  "]),
        VALUES,
    ),
    st.sampled_from(
        ["Host: x", "Accept: */*", "X-Request-Id: mine", "X: traceparent: ", " folded", "\tfolded"]
    ),
)


class Taken:
    """The headers of a head, as the parser of HTTP tells them."""

    def __init__(self) -> None:
        self.headers: list[tuple[bytes, bytes]] = []

    def on_header(self, name: bytes, value: bytes) -> None:
        self.headers.append((name.lower(), value))


@examples(1000)
@given(heads=st.lists(st.lists(LINES, max_size=5), min_size=1, max_size=6))
def test_a_heads_trace_is_found_whatever_heads_came_before(heads: list[list[str]]) -> None:
    known = Heads(BODIES)
    for lines in heads * 2:
        head = "\r\n".join([FIRST, "Content-Length: 5", *lines, "", ""]).encode()
        found = known.parsed(head)
        taken = Taken()
        try:
            httptools.HttpRequestParser(taken).feed_data(head)
        except httptools.HttpParserError:
            assert found is None
            continue
        assert found is not None
        assert found.length == 5
        assert found.trace == sent(taken.headers)
        ids = [value for name, value in taken.headers if name == b"x-request-id"]
        assert found.given_id == (ids[0] if ids else None)


def test_heads_that_differ_in_their_span_alone_are_remembered_as_one() -> None:
    known = Heads(BODIES)
    for number in range(1, 1_000):
        line = f"traceparent: 00-{TRACE}-{number:016x}-01"
        head = "\r\n".join([FIRST, line, "Content-Length: 5", "", ""]).encode()
        found = known.parsed(head)
        assert found is not None
        assert found.trace == Traceparent(TRACE, f"{number:016x}", sampled=True)
    assert len(known) == 1
