"""The header `traceparent`, as W3C's Trace Context reads it, and in the lines of the log."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.http.connection import Connection
from service.traces.traceparent import Traceparent, parsed, sent
from tests.http.running import PROTOCOLS, dumped, request, running
from tests.support.examples import examples
from tests.support.http import meter
from tests.support.in_process import Peer

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
SPAN = "00f067aa0ba902b7"
VALID = f"00-{TRACE}-{SPAN}-01"

# "Trace Context", 3.2: of version 00 nothing else is valid, and no version is ff
VERSION_00 = re.compile(rb"00-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})")
# 3.2.4: of a higher version as much as looks like 00, which ends there or with another dash
HIGHER = re.compile(
    rb"(?!00|ff)[0-9a-f]{2}-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(?:-.*)?", re.DOTALL
)


def read_by_w3c(value: bytes) -> Traceparent | None:
    """What the header says, by two regular expressions and nothing else."""
    found = VERSION_00.fullmatch(value) or HIGHER.fullmatch(value)
    if found is None or int(found[1], 16) == 0 or int(found[2], 16) == 0:
        return None
    return Traceparent(found[1].decode(), found[2].decode(), int(found[3], 16) % 2 == 1)


def field(digits: int) -> st.SearchStrategy[str]:
    """A field: of so many digits, of none but zeros, or nearly one."""
    of_hex = st.text("0123456789abcdef", min_size=digits, max_size=digits)
    return of_hex | st.just("0" * digits) | st.text("0fF-g \n", max_size=digits + 1)


VALUES = st.builds(
    lambda parts, rest: ("-".join(parts) + rest).encode(),
    st.tuples(
        st.sampled_from(["00", "01", "cc", "fe", "ff", "FE", "0"]) | field(2),
        field(32),
        field(16),
        field(2),
    ),
    st.sampled_from(["", "", "", "-", "-what.is.to.come", "-\n", "0", " "]),
)


@examples(2000)
@given(value=VALUES | st.binary(max_size=70))
def test_a_header_is_read_as_w3c_has_it(value: bytes) -> None:
    assert parsed(value) == read_by_w3c(value)


@examples(500)
@given(
    value=st.builds(
        lambda at, byte: VALID.encode()[:at] + bytes([byte]) + VALID.encode()[at + 1 :],
        st.integers(0, 54),
        st.integers(0, 255),
    )
)
def test_a_valid_header_with_another_byte_is_read_as_w3c_has_it(value: bytes) -> None:
    assert parsed(value) == read_by_w3c(value)


@pytest.mark.parametrize(
    ("values", "sampled"),
    [
        ([VALID], True),
        ([f"  {VALID}\t"], True),
        ([f"00-{TRACE}-{SPAN}-00"], False),
        ([f"00-{TRACE}-{SPAN}-02"], False),
        ([f"7a-{TRACE}-{SPAN}-03-more"], True),
        ([VALID, VALID], None),
        ([VALID + "-more"], None),
        ([VALID.upper()], None),
        ([f"ff-{TRACE}-{SPAN}-01"], None),
        ([f"00-{'0' * 32}-{SPAN}-01"], None),
        ([f"00-{TRACE}-{'0' * 16}-01"], None),
        ([""], None),
        ([], None),
    ],
)
def test_one_valid_header_counts(values: list[str], sampled: bool | None) -> None:
    headers = [(b"host", b"x"), *((b"traceparent", value.encode()) for value in values)]
    wanted = None if sampled is None else Traceparent(TRACE, SPAN, sampled)
    assert sent(headers) == wanted


# each of them on a head of its own, and twice, so that the lane would know it again
SENT: list[tuple[list[str], str | None]] = [
    ([f"Traceparent: {VALID}"], TRACE),
    ([f"traceparent: 01-{TRACE}-{SPAN}-00-x"], TRACE),
    ([f"traceparent: {VALID}", f"traceparent: {VALID}"], None),
    ([f"traceparent: {VALID}x"], None),
    ([f"traceparent: 00-{'g' * 32}-{SPAN}-01"], None),
    ([f"traceparent: 00-\u00e9{'0' * 30}-{SPAN}-01"], None),
    ([], None),
]


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("log_format", ["text", "json"])
def test_a_line_has_the_trace_of_a_request_that_names_one(
    service_url: str,
    monkeypatch: pytest.MonkeyPatch,
    protocol: type[Connection],
    log_format: str,
) -> None:
    body = dumped(meter())
    traces: list[str | None] = []
    with running(service_url, monkeypatch, protocol, log_format=log_format) as service:
        with Peer(service.port) as peer:
            for headers, trace in SENT * 2:
                peer.send(request(body, *headers))
                assert peer.answer()[0] == 201
                traces.append(trace)
        lines = service.lines()
    assert [trace_of(line, log_format) for line in lines] == traces


def test_a_line_of_another_route_has_the_trace_too(
    service_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    head = f"GET /health/live HTTP/1.1\r\nHost: x\r\nTraceparent: {VALID}\r\n\r\n"
    with running(service_url, monkeypatch) as service:
        with Peer(service.port) as peer:
            peer.send(head.encode())
            assert peer.answer()[0] == 200
        [line] = service.lines()
    assert re.search(rf" GET /health/live 200 \d+\.\dms trace={TRACE} id=\S+$", line)


def trace_of(line: str, log_format: str) -> str | None:
    """The trace that a line names."""
    if log_format == "json":
        document: dict[str, Any] = json.loads(line)
        return document.get("trace")
    assert line.isprintable()
    found = re.search(r" trace=(\S+) id=\S+$", line)
    assert ("trace" in line) == (found is not None)
    return found[1] if found else None
