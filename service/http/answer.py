"""Answers as they leave the service: status, headers and body, whoever gives them."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

Header = tuple[bytes, bytes]
JSON = b"application/json"


class Answer(msgspec.Struct, gc=False):
    """A status, a body, and headers beside those that every answer has."""

    status: int
    body: bytes
    media_type: bytes = JSON
    headers: Sequence[Header] = ()

    def all_headers(self, *others: Header) -> list[Header]:
        """The headers, those of the body first, with `others` before the answer's own."""
        return [
            (b"content-type", self.media_type),
            (b"content-length", b"%d" % len(self.body)),
            *others,
            *self.headers,
        ]
