"""Header `traceparent`, by which a client says which trace its request belongs to (W3C)."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

NAME = b"traceparent"
# version, trace id, span id and flags, with what parts them
LENGTH = 55

_HEX = b"0123456789abcdef"
_SAMPLED = 0x01


class Traceparent(msgspec.Struct, frozen=True, gc=False):
    """A span of the client's, which its request is a part of."""

    # 32 and 16 digits
    trace_id: str
    span_id: str
    # whether somebody upstream keeps it
    sampled: bool


def sent(headers: Iterable[tuple[bytes, bytes]]) -> Traceparent | None:
    """What a request's headers say; None where none or more than one says it, or not validly."""
    found: bytes | None = None
    for name, value in headers:
        if name == NAME:
            if found is not None:
                return None
            found = value
    return None if found is None else parsed(found.strip(b" \t"))


def parsed(value: bytes) -> Traceparent | None:
    """What a header says; None where it is not valid.

    Of a version that is not known yet, what follows the flags is passed over.
    """
    if len(value) < LENGTH or (
        len(value) > LENGTH and (value[:2] == b"00" or value[LENGTH : LENGTH + 1] != b"-")
    ):
        return None
    parts = value[:LENGTH].split(b"-")
    if [len(part) for part in parts] != [2, 32, 16, 2] or b"".join(parts).translate(None, _HEX):
        return None
    version, trace_id, span_id, flags = parts
    if version == b"ff" or not trace_id.strip(b"0") or not span_id.strip(b"0"):
        return None
    return Traceparent(trace_id.decode(), span_id.decode(), bool(int(flags, 16) & _SAMPLED))
