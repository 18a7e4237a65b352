"""Answers of routes, with all digits of what the database holds."""

from __future__ import annotations

from typing import Any

import msgspec
from litestar import Response

# exact digits of numeric, as a JSON number
_encode = msgspec.json.Encoder(decimal_format="number").encode


class ExactResponse(Response[Any]):
    """A JSON response whose decimals are numbers with all their digits."""

    def render(self, content: Any, media_type: str, enc_hook: Any = None) -> bytes:
        """Encode structs by msgspec, anything else as Litestar does."""
        if isinstance(content, msgspec.Struct):
            return _encode(content)
        return super().render(content, media_type, enc_hook)
