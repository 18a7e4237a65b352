"""Answers of `POST /v1/ingest`, whichever way the request came in."""

from __future__ import annotations

import logging
from http import HTTPStatus
from typing import Annotated

import msgspec

from service.database.errors import DatabaseUnavailable, RuleViolation
from service.faults import away, defect, fault_of
from service.http.answer import Answer
from service.http.problem import Fault, Problem, answer_to
from service.wire import Refusal

_log = logging.getLogger(__name__)

PATH = "/v1/ingest"
_UNCERTAIN = ": the readings may not be stored"

Count = Annotated[int, msgspec.Meta(ge=0)]
Rejected = Annotated[list[Refusal], msgspec.Meta(min_length=1)]

_encode = msgspec.json.Encoder().encode


class Receipt(msgspec.Struct, gc=False):
    """Every reading is committed and flushed to disk, or was there already, identical."""

    accepted: Count
    duplicates: Count


class BufferedReceipt(msgspec.Struct, gc=False):
    """Every reading is in the buffer, and goes to the ledger from there.

    Which of them are duplicates, or are refused for what they say, shows only then.
    """

    accepted: Count


class PartialReceipt(msgspec.Struct, gc=False):
    """Some readings were refused: the rest is committed, the refused ones are in quarantine."""

    accepted: Count
    duplicates: Count
    rejected: Rejected


class BufferedPartialReceipt(msgspec.Struct, gc=False):
    """Some readings were refused: the rest is in the buffer, the refused ones are kept too."""

    accepted: Count
    rejected: Rejected


class AllRefused(Problem, kw_only=True):
    """A problem document where every reading was refused."""

    rejected: Rejected


class NothingTaken(Fault):
    """Every reading of the body was refused, and all are in quarantine."""

    def __init__(self, refused: list[Refusal]) -> None:
        alone = len(refused) == 1
        detail = refused[0].detail if alone else "every reading was refused"
        super().__init__(HTTPStatus.BAD_REQUEST, detail)
        self._refused = refused

    def document(self) -> Problem:
        """The problem, and what is wrong with each reading."""
        return AllRefused(
            title=HTTPStatus(self.status).phrase,
            status=self.status,
            detail=self.detail,
            rejected=self._refused,
        )


def receipt(accepted: int, duplicates: int | None, refused: list[Refusal]) -> Answer:
    """The answer where at least one reading was not refused; `refused` are in quarantine.

    `duplicates` is None where readings are in a buffer, and it is not known yet.
    """
    if duplicates is None:
        if refused:
            some = BufferedPartialReceipt(accepted, refused)
            return Answer(HTTPStatus.MULTI_STATUS, _encode(some))
        return Answer(HTTPStatus.ACCEPTED, _encode(BufferedReceipt(accepted)))
    if refused:
        partial = PartialReceipt(accepted, duplicates, refused)
        return Answer(HTTPStatus.MULTI_STATUS, _encode(partial))
    return Answer(HTTPStatus.CREATED, _encode(Receipt(accepted, duplicates)))


def failure(error: BaseException) -> Answer:
    """The answer where taking readings ended with an error."""
    fault = None
    if isinstance(error, Fault):
        fault = error
    elif isinstance(error, DatabaseUnavailable):
        hint = "Send the same request again: what is stored already counts as a duplicate."
        fault = away(error, _UNCERTAIN, hint)
    elif isinstance(error, RuleViolation):
        fault = fault_of(error)
    if fault is None:
        _log.error("a request to %s failed", PATH, exc_info=error)
        fault = defect(_UNCERTAIN)
    return answer_to(fault)
