"""Faults, which are errors that a client sees, and the one place that writes them.

They are RFC 9457 problem documents, and always say what to fix.
"""

from __future__ import annotations

from collections.abc import Sequence
from http import HTTPStatus
from typing import Annotated

import msgspec

from service.http.answer import Answer, Header

MEDIA_TYPE = "application/problem+json"
RETRY_AFTER_SECONDS = 1
RETRY_LATER: Header = (b"retry-after", b"%d" % RETRY_AFTER_SECONDS)

_MEDIA_TYPE = MEDIA_TYPE.encode()
_encode = msgspec.json.Encoder().encode


class Problem(msgspec.Struct, omit_defaults=True, kw_only=True):
    """A problem document (RFC 9457)."""

    type: str = "about:blank"
    title: str
    status: Annotated[int, msgspec.Meta(ge=400, le=599)]
    detail: Annotated[str, msgspec.Meta(description="What is wrong.")]
    hint: Annotated[str | None, msgspec.Meta(description="What to do about it.")] = None


class Fault(Exception):
    """An error that a client sees: what is wrong, what to do about it, and how it is answered."""

    def __init__(
        self,
        status: int,
        detail: str,
        hint: str | None = None,
        headers: Sequence[Header] = (),
    ) -> None:
        """`headers`: those of the answer, beside what every answer has."""
        super().__init__(detail)
        self.status = int(status)
        self.detail = detail
        self.hint = hint
        self.headers = headers

    def document(self) -> Problem:
        """What the answer's body says; a kind of fault may say more than others."""
        return Problem(
            title=HTTPStatus(self.status).phrase,
            status=self.status,
            detail=self.detail,
            hint=self.hint,
        )


def answer_to(fault: Fault) -> Answer:
    """The answer that a fault is."""
    return Answer(fault.status, _encode(fault.document()), _MEDIA_TYPE, fault.headers)
