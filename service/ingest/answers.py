"""What `POST /v1/ingest` answers, whichever way the request came in."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from http import HTTPStatus
from typing import Annotated

import msgspec

from service.database.pool import DatabaseUnavailable, RuleViolation
from service.http.problem import MEDIA_TYPE, RETRY_AFTER_SECONDS, Problem, problem
from service.ingest.quarantine import Quarantined
from service.ingest.store import Outcome
from service.ingest.writer import QueueFull, Writer
from service.keys.grant import Denied
from service.wire import Batch, Refusal, raw_readings

_log = logging.getLogger(__name__)

PATH = "/v1/ingest"
_JSON = b"application/json"
_PROBLEM = MEDIA_TYPE.encode()
_RETRY_AFTER = (b"retry-after", str(RETRY_AFTER_SECONDS).encode())

# raised by api.quarantine_readings: more is ahead of the clock than can be kept until its time
_TOO_MUCH_AHEAD = "WL040"

encode = msgspec.json.Encoder().encode

Header = tuple[bytes, bytes]
Count = Annotated[int, msgspec.Meta(ge=0)]
Rejected = Annotated[list[Refusal], msgspec.Meta(min_length=1)]


class Receipt(msgspec.Struct, gc=False):
    """Every reading is committed and flushed to disk, or was there already, identical."""

    accepted: Count
    duplicates: Count


class PartialReceipt(msgspec.Struct, gc=False):
    """Some readings were refused: the rest is committed, the refused ones are in quarantine."""

    accepted: Count
    duplicates: Count
    rejected: Rejected


class AllRefused(Problem, kw_only=True):
    """A problem document where every reading was refused."""

    rejected: Rejected


class Answer(msgspec.Struct, gc=False):
    """A status, the document to encode as the body, and headers beside the usual ones."""

    status: int
    document: Receipt | PartialReceipt | Problem
    media_type: bytes = _JSON
    headers: Sequence[Header] = ()


def refusal(status: int, detail: str, *headers: Header, hint: str | None = None) -> Answer:
    """The answer to a request of which nothing was stored."""
    return Answer(status, problem(status, detail, hint), _PROBLEM, headers)


def receipt(batch: Batch, outcome: Outcome, facts: dict[str, int | str]) -> Answer:
    """The answer where no reading was refused; counts in `facts`."""
    accepted = facts["accepted"] = batch.size - outcome.duplicates
    if outcome.duplicates:
        facts["duplicates"] = outcome.duplicates
    return Answer(HTTPStatus.CREATED, Receipt(accepted, outcome.duplicates))


async def with_refused(
    writer: Writer,
    batch: Batch,
    outcome: Outcome,
    body: bytes,
    media_type: str,
    key_id: str | None,
    facts: dict[str, int | str],
) -> Answer:
    """Put the refused readings of a body into quarantine; return the answer, count in `facts`.

    Raises DatabaseUnavailable, RuleViolation.
    """
    accepted = facts["accepted"] = batch.size - outcome.duplicates - len(outcome.refused)
    if outcome.duplicates:
        facts["duplicates"] = outcome.duplicates
    facts["rejected"] = len(outcome.refused)
    raws = raw_readings(body, media_type)
    refused = sorted(outcome.refused, key=lambda one: one.index)
    told = await writer.keep(
        [
            Quarantined(
                r.index, r.reason, r.detail, media_type, raws[r.index], outcome.decoded.get(r.index)
            )
            for r in refused
        ],
        key_id,
    )
    for place, detail in told.items():
        refused[place].detail = detail
    if len(refused) < batch.size:
        return Answer(
            HTTPStatus.MULTI_STATUS, PartialReceipt(accepted, outcome.duplicates, refused)
        )
    detail = refused[0].detail if batch.size == 1 else "every reading was refused"
    document = AllRefused(title="Bad Request", status=400, detail=detail, rejected=refused)
    return Answer(HTTPStatus.BAD_REQUEST, document, _PROBLEM)


def failure(error: BaseException) -> Answer:
    """The answer where storing failed with an error."""
    if isinstance(error, Denied):
        return refusal(error.status, error.detail, *error.headers, hint=error.hint)
    if isinstance(error, QueueFull):
        return refusal(
            HTTPStatus.SERVICE_UNAVAILABLE,
            "too many readings are waiting to be stored; nothing of this request was",
            _RETRY_AFTER,
            hint="Send it again later.",
        )
    if isinstance(error, DatabaseUnavailable):
        return refusal(
            HTTPStatus.SERVICE_UNAVAILABLE,
            f"{error}: the readings may not be stored",
            _RETRY_AFTER,
            hint="Send the same request again: what is stored already counts as a duplicate.",
        )
    if isinstance(error, RuleViolation) and error.code == _TOO_MUCH_AHEAD:
        return refusal(
            HTTPStatus.SERVICE_UNAVAILABLE,
            f"{error.message}: send the same request again",
            _RETRY_AFTER,
            hint=error.hint,
        )
    _log.error("a request to %s failed", PATH, exc_info=error)
    return refusal(
        HTTPStatus.INTERNAL_SERVER_ERROR,
        "an error of the service: the readings may not be stored",
        hint="Send the same request again later; the service's log says more.",
    )
