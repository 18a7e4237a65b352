"""Targets of requests: how long one may be, of how many parameters, and in which bytes."""

from __future__ import annotations

import re
from http import HTTPStatus
from urllib.parse import unquote_to_bytes

from service.http.problem import Fault

# what RFC 9110 asks every server to take
MOST_TARGET_BYTES = 8000
MOST_PARAMETERS = 100

_NOT_ESCAPED = re.compile(rb"%(?![0-9A-Fa-f]{2})")


def check_target(path: bytes, query: bytes) -> None:
    """See that a request's target can be taken, `path` and `query` as they were sent.

    An application would see another text in place of one that is not well escaped, and answer for
    that. Raises Fault.
    """
    if len(path) + len(query) > MOST_TARGET_BYTES:
        raise Fault(
            HTTPStatus.REQUEST_URI_TOO_LONG,
            f"the path and the query together are longer than {MOST_TARGET_BYTES} bytes",
        )
    if query.count(b"&") >= MOST_PARAMETERS:
        raise Fault(HTTPStatus.BAD_REQUEST, f"the query has more than {MOST_PARAMETERS} parameters")
    for name, part in (("path", path), ("query", query)):
        if b"%" not in part:
            continue
        if _NOT_ESCAPED.search(part):
            raise Fault(
                HTTPStatus.BAD_REQUEST,
                f'the {name} has a "%" without two hexadecimal digits behind it',
                'Send a "%" that stands for itself as "%25".',
            )
        try:
            unquote_to_bytes(part).decode()
        except UnicodeDecodeError as error:
            raise Fault(
                HTTPStatus.BAD_REQUEST,
                f"the {name} is not UTF-8 when it is unescaped",
                "Escape the bytes of its UTF-8, each as % and two hexadecimal digits.",
            ) from error
    if b"%2f" in path.lower():
        # unescaped it parts the path, which then is another route's
        raise Fault(HTTPStatus.BAD_REQUEST, 'the path has an escaped "/", which no id may hold')
