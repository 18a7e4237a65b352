"""What a request may ask for: how long its target is, of how many parameters, in which bytes."""

from __future__ import annotations

import re
from http import HTTPStatus
from typing import Any
from urllib.parse import unquote_to_bytes

from service.http.problem import MEDIA_TYPE, Problem, encode, problem

# what RFC 9110 asks every server to take
MOST_TARGET_BYTES = 8000
MOST_PARAMETERS = 100

_NOT_ESCAPED = re.compile(rb"%(?![0-9A-Fa-f]{2})")


def fault(path: bytes, query: bytes) -> Problem | None:
    """What is wrong with a request's target, `path` and `query` as they were sent; null if nothing.

    An application would see another text in place of one that is not well escaped, and answer for
    that.
    """
    if len(path) + len(query) > MOST_TARGET_BYTES:
        return problem(
            HTTPStatus.REQUEST_URI_TOO_LONG,
            f"the path and the query together are longer than {MOST_TARGET_BYTES} bytes",
        )
    if query.count(b"&") >= MOST_PARAMETERS:
        return problem(
            HTTPStatus.BAD_REQUEST, f"the query has more than {MOST_PARAMETERS} parameters"
        )
    for name, part in (("path", path), ("query", query)):
        if b"%" not in part:
            continue
        if _NOT_ESCAPED.search(part):
            return problem(
                HTTPStatus.BAD_REQUEST,
                f'the {name} has a "%" without two hexadecimal digits behind it',
                hint='Send a "%" that stands for itself as "%25".',
            )
        try:
            unquote_to_bytes(part).decode()
        except UnicodeDecodeError:
            return problem(
                HTTPStatus.BAD_REQUEST,
                f"the {name} is not UTF-8 when it is unescaped",
                hint="Escape the bytes of its UTF-8, each as % and two hexadecimal digits.",
            )
    if b"%2f" in path.lower():
        # unescaped it parts the path, which then is another route's
        return problem(HTTPStatus.BAD_REQUEST, 'the path has an escaped "/", which no id may hold')
    return None


async def refuse(found: Problem, send: Any) -> None:
    """Answer a request whose target cannot be taken."""
    body = encode(found)
    headers = [(b"content-type", MEDIA_TYPE.encode()), (b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": found.status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
