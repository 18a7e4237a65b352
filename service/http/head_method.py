"""The method HEAD, of every path that has GET: GET's answer without its body."""

from collections.abc import Iterable
from typing import Any

Headers = list[tuple[bytes, bytes]]


def as_get(scope: Any, send: Any) -> tuple[Any, Any]:
    """The scope of the GET that a HEAD asks about, and a send that leaves its body out.

    The server's own scope stays as it is, since the server writes no body to a HEAD either.
    """

    async def send_without_body(message: Any) -> None:
        if message["type"] == "http.response.body":
            message = {**message, "body": b""}
        await send(message)

    return {**scope, "method": "GET"}, send_without_body


def with_head(methods: str) -> str:
    """The methods of a path, as Allow lists them: HEAD is one where GET is."""
    names = {name.strip() for name in methods.split(",")}
    return ", ".join(sorted(names | {"HEAD"} if "GET" in names else names))


def allowing_head(headers: Iterable[tuple[bytes, bytes]]) -> Headers:
    """The headers of an answer, with HEAD in Allow."""
    return [
        (name, with_head(value.decode("latin-1")).encode() if name == b"allow" else value)
        for name, value in headers
    ]
