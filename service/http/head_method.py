"""HEAD, a method of every path that has GET: GET's answer without its body."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from service.http.answer import Header

# those that change nothing
READING_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})

_IS_HEAD = "wattledger.is_head"


class WithHead:
    """A layer that asks the application for GET where a client asks for HEAD, and offers HEAD."""

    def __init__(self, app: Any) -> None:
        self._app = app

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Handle a request."""
        asks_head = scope["method"] == "HEAD"

        async def send_as_asked(message: Any) -> None:
            if message["type"] == "http.response.start":
                message = {**message, "headers": _allowing_head(message["headers"])}
            elif asks_head and message["type"] == "http.response.body":
                message = {**message, "body": b""}
            await send(message)

        # the server's own scope stays as it is, since the server writes no body to a HEAD either
        asked = {**scope, "method": "GET", _IS_HEAD: True} if asks_head else scope
        await self._app(asked, receive, send_as_asked)


def is_head(scope: Any) -> bool:
    """Whether what is asked as GET was HEAD: an answer without end need not start then."""
    return _IS_HEAD in scope


def with_head(methods: str) -> str:
    """The methods of a path, as Allow lists them: HEAD is one where GET is."""
    names = {name.strip() for name in methods.split(",")}
    return ", ".join(sorted(names | {"HEAD"} if "GET" in names else names))


def _allowing_head(headers: Iterable[Header]) -> list[Header]:
    return [
        (name, with_head(value.decode("latin-1")).encode() if name == b"allow" else value)
        for name, value in headers
    ]
